"""SQLite databases that we may only look at: on a read-only disk, or a colleague's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def address_to_look(file: Path) -> str | None:
    """Return the URI under which a database is read without a write; None where we may write, as usual.

    SQLite makes files beside a database even to read it. Where nobody has it open for writing it is told to do without.
    """
    if not file.is_file() or (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
        return None
    log = file.with_name(f"{file.name}-wal")
    is_at_rest = not log.exists() or log.stat().st_size == 0
    return f"{file.as_uri()}?mode=ro{'&immutable=1' if is_at_rest else ''}"
