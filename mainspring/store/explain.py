"""What a database says when it does not do it, in words that the user can act on; passwords are never among them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from mainspring.base.errors import MainspringError, StorageError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import URL

BUSY_SECONDS = 30
"""So long a writer waits for the others."""
_AGAIN = "another transaction was in the way; run the same command again"
_BACK = "the server stopped or broke the connection; run the same command again when it is back"
_BUSY = f"another process kept writing for {BUSY_SECONDS} s; run the same command again"
_DAMAGED = "the file is damaged: restore it from a backup; the objects beside it are untouched"
_LOGIN = "check the user and the password in state.database, and that the server lets this user in from here"
_OPTION = "check what follows the ? in state.database"
_REACH = "check the host and the port in state.database, and that the server runs"
_ROOM = "free some space on the disk, then run the same command again: nothing was lost"

_BY_STATE = {
    "25006": "this server, or this user, may only read: name one in state.database that may write",
    "25P03": "this process stood still in the midst of a write, which was undone; run the same command again",
    "40001": _AGAIN,
    "40P01": _AGAIN,
    "42501": "the user may not: make it the owner of the database, or as the owner GRANT ALL ON SCHEMA public TO the user",
    "53100": _ROOM,
    "55P03": _BUSY,
    "57P01": _BACK,
    "57P02": _BACK,
    "57P03": _BACK,
}
_BY_TEXT = {
    r"\bfull\b|No space left": _ROOM,
    # SQLite says this too where no room is left for the file that its readers share
    "disk I/O error": "check that the disk has free space and works, then run the same command again",
    "locked|lock timeout": _BUSY,
    "readonly database": "the disk, or the user, may only read it: look around, or let somebody write who may",
    "malformed|not a database": _DAMAGED,
    'password|authentication failed|pg_hba.conf|role ".*" does not exist': _LOGIN,
    'database ".*" does not exist': "make the database, for example with createdb; mainspring makes its tables",
    "too many clients|connection slots": "raise max_connections of the server, or let fewer processes use it",
    "starting up|shutting down|terminating connection|closed the connection|connection is (closed|lost)": _BACK,
    "invalid (connection option|URI query parameter|sslmode)": _OPTION,
    "connection to server|connection timeout|(resolve|translate) host": _REACH,
}
"""For SQLite, and for what goes wrong before a session of PostgreSQL stands: neither has an SQLSTATE. The first counts."""
_NOT_OPERATIONAL = (_DAMAGED, _OPTION)
"""What drivers do not call operational, and is no mistake of ours either."""


def shown(url: URL) -> str:
    """Return a URL without its secrets."""
    query = {name: "HIDDEN" if "password" in name else value for name, value in url.query.items()}
    return url.set(query=query).render_as_string(hide_password=True)


def explained(error: Exception, url: URL, driver: Any) -> MainspringError | None:
    """Return what the user is told of a driver's error, be it wrapped by SQLAlchemy or not; None for a mistake of ours."""
    said = error.orig if isinstance(error, DBAPIError) else error
    text = " ".join(str(said).split())
    if isinstance(said, driver.DataError):
        return UsageError(f"the database cannot hold a value: {text}", hint="make it shorter or smaller")
    state = getattr(said, "sqlstate", None)
    hint = _BY_STATE.get(state or "")
    if hint is None and isinstance(said, driver.OperationalError):
        hint = _hint(text) or "check that the database can be reached and written"
    elif hint is None and state is None and _hint(text) in _NOT_OPERATIONAL:
        hint = _hint(text)
    if hint is None:
        return None
    return StorageError(f"the database {shown(url)} did not do it: {text}", hint=hint, url=shown(url))


def _hint(text: str) -> str | None:
    return next((hint for pattern, hint in _BY_TEXT.items() if re.search(pattern, text)), None)
