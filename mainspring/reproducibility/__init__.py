"""Making a run again in a fresh folder, and proving how far the result is the same.

``restore`` rebuilds the five parts of a snapshot, ``environment`` finds or builds an interpreter that has them,
``rerun`` starts it, ``ladder`` compares, ``suspect`` says why a rung was missed, ``reproduce`` is the whole story.
"""

__all__ = ["environment", "ladder", "outcome", "records", "reproduce", "rerun", "restore", "suspect"]
