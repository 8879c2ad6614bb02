"""Taking turns with DVC in one repository: its own locks, as it takes them itself.

Import from the module that has the word: ``repositories`` (which are shared, and keeping DVC out), ``holding`` (the lock of
one), ``stages`` (what stages read and write while they run, when the repository is free), ``locks`` (the two kinds of files that
are locks), ``waiting``.
"""

__all__ = ["holding", "locks", "repositories", "stages", "waiting"]
