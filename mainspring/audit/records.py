"""The SQL of audit: who keeps the control server going, and the audits themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from mainspring.base.ids import new_id
from mainspring.store.schema.automation import leases
from mainspring.store.schema.reproducibility import audits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row


def worker_leases(connection: Connection) -> Sequence[Row[Any]]:
    """Return the leases of the control servers that ever ran."""
    return connection.execute(select(leases).where(leases.c.name.startswith("worker "))).all()


def add_audit(connection: Connection, *, at: int, maturity: int, report: dict[str, Any]) -> str:
    """Keep an audit and return its id."""
    identifier = new_id()
    row = {"id": identifier, "at": at, "maturity": maturity, "report": report}
    connection.execute(insert(audits), row)
    return identifier
