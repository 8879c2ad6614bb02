"""Sources: addresses beyond the project from which data is taken as it is there, a file or all files below a prefix.

Import from the module that has the word: ``seen`` (what tells a content of a source from another one), ``buckets``
(object stores), ``web`` (http), ``arriving`` (files on their way here).
"""

__all__ = ["arriving", "buckets", "seen", "web"]
