"""Alerts as lines of JSON in ``.mainspring/alerts.log``, and in the process's log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

_logger = logging.getLogger("mainspring.alerts")


def append(path: Path, notice: dict[str, Any]) -> None:
    """Append one line; OSError when the file cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(notice) + b"\n")
    _logger.warning("%s", notice["text"])
