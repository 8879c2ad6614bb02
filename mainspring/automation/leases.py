"""Who may do something at present: one owner at a time, told apart from dead ones, fenced by a growing token."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from mainspring.automation import records
from mainspring.automation.records import LeaseRow
from mainspring.base.clock import iso, now
from mainspring.base.errors import Conflict, MainspringError
from mainspring.base.owner import describe, is_gone

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from mainspring.store.workspace import Workspace

_TERM = 30_000
_log = logging.getLogger(__name__)
_live: set[tuple[object, str, int]] = set()
"""Database, name and token of the leases that this process has not given back."""


class Lease:
    """The right to do something, kept alive by a heartbeat until it is given back.

    While its process lives, nobody else gets it, however late the heartbeat. A dead owner's lease is taken over: at
    once on the same machine, after half a minute from another one. What was written under an older token can be told
    apart (``check``).
    """

    def __init__(self, workspace: Workspace, name: str, token: int, on_beat: Callable[[], None] | None) -> None:
        self.workspace = workspace
        self.name = name
        self.token = token
        self.lost = False
        self._on_beat = on_beat
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease {name}", daemon=True)
        self._thread.start()

    def check(self, connection: Any) -> None:
        """Make sure, inside of a transaction that writes, that nobody else has taken over.

        Raises:
            Conflict: somebody has; the transaction must not happen.
        """
        if records.lease_token(connection, self.name) != self.token:
            self.lost = True
            raise Conflict(
                f"'{self.name}' was taken over by another process",
                hint="this one stops; the other one goes on with the work",
            )

    def release(self) -> None:
        """Give the right back. What happens twice happens once.

        Raises:
            StorageError: it could not be recorded; this process can take it again, others when this one has ended.
        """
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        _live.discard((self.workspace.database.url, self.name, self.token))
        with self.workspace.database.write() as connection:
            records.extend_lease(connection, self.name, self.token, 0)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _beat(self) -> None:
        while not self._stop.wait(_TERM / 3000):
            try:
                with self.workspace.database.write() as connection:
                    if not records.extend_lease(connection, self.name, self.token, now() + _TERM):
                        self.lost = True
                        return
                if self._on_beat is not None:
                    self._on_beat()
            except MainspringError as error:
                _log.warning("the heartbeat of '%s' was not recorded: %s", self.name, error.message)


def acquire(workspace: Workspace, name: str, *, on_beat: Callable[[], None] | None = None) -> Lease:
    """Take the right called ``name``.

    Raises:
        Conflict: a living process holds it; says which.
    """
    database = workspace.database
    token = 0
    try:
        with database.write() as connection:
            held = records.find_lease(connection, name)
            if held is not None and not _is_free(held) and not _is_left(held, database.url):
                raise Conflict(
                    f"'{name}' is being done by another process: {held.owner} (last heartbeat {iso(held.expires_at - _TERM)})",
                    hint="wait until it has ended and run the same command again",
                    lease=name,
                    owner=held.owner,
                )
            token = 1 if held is None else held.token + 1
            row = LeaseRow(name=name, owner=describe(), token=token, expires_at=now() + _TERM)
            records.put_lease(connection, row, before=held)
            _live.add((database.url, name, token))
    except BaseException:
        _live.discard((database.url, name, token))
        raise
    return Lease(workspace, name, token, on_beat)


def _is_free(held: LeaseRow) -> bool:
    if held.expires_at == 0 or is_gone(held.owner):
        return True
    return held.expires_at < now() and not _is_here(held.owner)


def _is_left(held: LeaseRow, url: object) -> bool:
    """Say whether this process held a lease and could not give it back, because the database was away."""
    return held.owner == describe() and (url, held.name, held.token) not in _live


def _is_here(owner: str) -> bool:
    return owner.split(" ")[0] == describe().split(" ")[0]
