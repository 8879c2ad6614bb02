"""Large objects: in what parts they move, and how many of them at once, so that what is on the way fits into memory."""

from __future__ import annotations

from threading import BoundedSemaphore

PART = 8 << 20
"""Bytes of one request at most."""
PARTS_AHEAD = 4
LARGE = BoundedSemaphore(2)
"""Held by whoever moves an object of more than one part."""
