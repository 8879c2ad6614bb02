"""Origins: where data that was imported came from, as its pointer says, and whether it is still the same there.

Import from the module that has the word: ``addresses`` (how pointers name them), ``opening`` (what reads them), ``deps`` (what of
them pointers hold), ``importing``, ``asking`` (did they change?), ``restoring``, ``folders``.
"""

__all__ = ["addresses", "asking", "deps", "folders", "importing", "opening", "restoring"]
