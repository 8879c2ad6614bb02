"""One way to log: the standard library's, with a JSON form for machines."""

from __future__ import annotations

import logging
import sys

import msgspec

from mainspring.base.clock import iso


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``at``, ``level``, ``logger``, ``message`` and, of an exception, its text."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        entry = {
            "at": iso(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


def configure(level: str = "WARNING", *, json: bool = False) -> None:
    """Send the log of the ``mainspring`` loggers to standard error, once."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if json else logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("mainspring")
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
