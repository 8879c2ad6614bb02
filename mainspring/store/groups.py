"""Many writers, one commit: threads of a process share the transactions of a database that takes one writer at a time.

SQLite is such a database; PostgreSQL is made one by a lock, see `store.database`.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mainspring.base.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

MOST = 64
"""So many members share a commit at most, so that writers of other processes get their turn."""

_IN_ERROR = 3
"""libpq's PQTRANS_INERROR."""


class _Group:
    """A transaction that several threads wrote into, one after the other, and that is committed once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.members = 0
        self.ended = threading.Event()
        self.failure: BaseException | None = None


class Groups:
    """Gives each writer its turn in the open transaction; whoever has nobody behind him commits for all.

    A writer returns when the commit that holds its work is durable. What one writer raises undoes its own work alone;
    a commit that fails fails for all its members.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._turn = threading.Lock()
        self._counting = threading.Lock()
        self._waiting = 0
        self._group: _Group | None = None
        self._owner: int | None = None

    @contextmanager
    def member(self) -> Iterator[Connection]:
        """Take a turn in a transaction that writes."""
        self._take_turn()
        try:
            group = self._group = self._group or _Group(self._begun())
            try:
                if group.members:
                    _say(group.connection, "SAVEPOINT member")
                yield group.connection
                _refuse_spoiled(group.connection)
                if group.members:
                    _say(group.connection, "RELEASE member")
            except BaseException:
                self._undo(group)
                raise
            group.members += 1
        finally:
            self._leave()
        group.ended.wait()
        if group.failure is not None:
            raise group.failure

    def _take_turn(self) -> None:
        if self._owner == threading.get_ident():
            raise RuntimeError("a transaction that writes was opened inside another one of the same thread")
        with self._counting:
            self._waiting += 1
        try:
            self._turn.acquire()
        except BaseException:  # Ctrl-C: those before may count on this one to commit
            with self._counting:
                self._waiting -= 1
            self._turn.acquire()
            self._leave()
            raise
        with self._counting:
            self._waiting -= 1
        self._owner = threading.get_ident()

    def _leave(self) -> None:
        """Commit, unless somebody who waits will; let the next one in."""
        try:
            if (group := self._group) is not None and (group.members >= MOST or not self._waiting):
                self._commit(group)
        finally:
            self._owner = None
            self._turn.release()

    def _begun(self) -> Connection:
        connection = self._connect().execution_options(mainspring_write=True)
        try:
            connection.begin()
        except BaseException:
            connection.invalidate()  # where it cannot begin it cannot be reset for the next one either
            connection.close()
            raise
        return connection

    def _undo(self, group: _Group) -> None:
        """Undo the last member's work; where the database gave up the whole transaction, all members have failed."""
        if group.members:
            try:
                _say(group.connection, "ROLLBACK TO member")
                _say(group.connection, "RELEASE member")
            except Exception as error:  # noqa: BLE001 - whatever it is, the members are told
                self._end(group, StorageError(f"the transaction was given up: {error}", hint="try it again"))
            return
        self._end(group, None)

    def _commit(self, group: _Group) -> None:
        failure: BaseException | None = None
        try:
            group.connection.commit()
        except BaseException as error:  # noqa: BLE001 - every member raises it
            failure = error
        self._end(group, failure)

    def _end(self, group: _Group, failure: BaseException | None) -> None:
        self._group = None
        group.failure = failure
        try:
            group.connection.close()  # rolls back what was not committed
        finally:
            group.ended.set()


def _refuse_spoiled(connection: Connection) -> None:
    """PostgreSQL undoes a transaction after any error, and says nothing of it at the commit."""
    session = getattr(connection.connection.dbapi_connection, "info", None)
    if session is not None and session.transaction_status == _IN_ERROR:
        raise RuntimeError("a transaction went on after an error of the database; nothing of it was written")


def _say(connection: Connection, text: str) -> None:
    connection.connection.cursor().execute(text)
