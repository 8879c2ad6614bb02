"""The rows of metrics: the points as they come, the curves they become, and the newest of each.

Points are appended as batches, whatever their metrics are. When a run has many batches, they are sorted into the curves
of its metrics and removed, in the transaction of the batch that was one too many. A curve is what lies in its parts and
in the batches together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, func, insert, literal_column, or_, select

from mainspring.store.prepared import Prepared, upsert
from mainspring.store.schema.tracking import latest_metrics, metric_batches, metric_curves
from mainspring.tracking.points import Columns, joined, pack_batch, pack_curve, unpack_batch, unpack_curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

BATCHES = 128
"""So many batches of a run wait to be sorted, at most."""
POINTS = 100_000
"""So many points of a run wait to be sorted, at most, before another batch comes."""
PART = 8192
"""A part of a curve that holds so many points is not rewritten any more."""

_NEWEST = ("step", "at", "value", "low", "high", "n")

_add_batch = Prepared(
    lambda _: insert(metric_batches).values(
        {name: bindparam(name, type_=metric_batches.c[name].type) for name in ("run_id", "points", "payload")}
    )
)
_waiting = Prepared(
    lambda _: select(func.count(), func.sum(metric_batches.c.points)).where(
        metric_batches.c.run_id == bindparam("run_id")
    )
)

_parts = Prepared(
    lambda _: (
        select(metric_curves.c.payload)
        .where(metric_curves.c.run_id == bindparam("run_id"), metric_curves.c.key == bindparam("key"))
        .order_by(metric_curves.c.part)
    ),
    binary=True,
)
_batches = Prepared(
    lambda _: (
        select(metric_batches.c.payload)
        .where(metric_batches.c.run_id == bindparam("run_id"))
        .order_by(metric_batches.c.id)
    ),
    binary=True,
)


def _not_less(value: Any, held: Any) -> Any:
    """Say whether a value is at least the one that is held; NaN, which is stored as NULL, is a little less than 0."""
    zero: ColumnElement[float] = literal_column("0.0")  # no parameter of its own in a statement that is kept
    number, other = func.coalesce(value, zero), func.coalesce(held, zero)
    return or_(number > other, and_(number == other, or_(value.is_not(None), held.is_(None))))


@Prepared
def _put_latest(dialect: str) -> Any:
    table = latest_metrics
    put = upsert(dialect)(table)
    new = put.excluded
    newer = or_(
        new.step > table.c.step,
        and_(new.step == table.c.step, new.at > table.c.at),
        and_(new.step == table.c.step, new.at == table.c.at, _not_less(new.value, table.c.value)),
    )
    changed = {name: new[name] for name in _NEWEST}
    return put.on_conflict_do_update(index_elements=["run_id", "key"], set_=changed, where=newer)


def add_points(connection: Connection, run_id: str, points: Sequence[tuple[str, int, int, float]]) -> None:
    """Append ``(key, step, at, value)`` points to the history."""
    payload = pack_batch(points)
    _add_batch(connection, {"run_id": run_id, "points": len(points), "payload": payload}).close()
    cursor = _waiting(connection, {"run_id": run_id})
    batches, waiting = cursor.fetchone()
    cursor.close()
    if batches > BATCHES or waiting - len(points) > POINTS:
        settle(connection, run_id)


def put_latest(connection: Connection, run_id: str, points: Sequence[tuple[Any, ...]]) -> None:
    """Replace the newest points of metrics where these are newer: by step, then moment, then value.

    A point is ``(key, step, at, value, low, high, n)``; each key comes once.
    """
    rows = [{"run_id": run_id, "key": point[0], **dict(zip(_NEWEST, point[1:], strict=True))} for point in points]
    for row in rows:
        row.update({name: _null(row[name]) for name in ("value", "low", "high")})
    _put_latest.many(connection, rows)


def clear(connection: Connection, run_id: str) -> None:
    """Remove every point of a run."""
    for table in (metric_batches, metric_curves, latest_metrics):
        connection.execute(delete(table).where(table.c.run_id == run_id))


def settle(connection: Connection, run_id: str) -> None:
    """Sort the batches of a run into its curves."""
    table = metric_batches.c
    query = select(table.id, table.payload).where(table.run_id == run_id).order_by(table.id)
    batches = connection.execute(query).all()
    fresh: dict[str, list[Columns]] = {}
    for batch in batches:
        for key, columns in unpack_batch(batch.payload):
            fresh.setdefault(key, []).append(columns)
    last = _last_parts(connection, run_id)
    rows = []
    for key, pieces in fresh.items():
        part, held, payload = last.get(key, (-1, PART, b""))
        if held < PART:
            pieces = [unpack_curve(payload), *pieces]
        else:
            part += 1
        whole = joined(pieces)
        for start in range(0, len(whole.steps), PART):
            piece = whole.rows(slice(start, start + PART))
            row = {"run_id": run_id, "key": key, "part": part, "points": len(piece.steps)}
            rows.append({**row, "payload": pack_curve(piece)})
            part += 1
    if rows:
        put = upsert(connection.dialect.name)(metric_curves)
        changed = {name: put.excluded[name] for name in ("points", "payload")}
        connection.execute(put.on_conflict_do_update(index_elements=["run_id", "key", "part"], set_=changed), rows)
        connection.execute(delete(metric_batches).where(table.run_id == run_id, table.id <= batches[-1].id))


def curve(connection: Connection, run_id: str, key: str) -> Columns:
    """Return every point of a metric in the order in which they were logged."""
    cursor = _parts(connection, {"run_id": run_id, "key": key})
    pieces = [unpack_curve(payload) for [payload] in cursor]
    cursor.close()
    cursor = _batches(connection, {"run_id": run_id})
    for [payload] in cursor:
        pieces += [columns for _, columns in unpack_batch(payload, only=key)]
    cursor.close()
    return joined(pieces)


def _last_parts(connection: Connection, run_id: str) -> dict[str, tuple[int, int, bytes]]:
    """Return number, points and bytes of each curve's last part."""
    table = metric_curves
    newest = (
        select(table.c.key, func.max(table.c.part).label("part"))
        .where(table.c.run_id == run_id)
        .group_by(table.c.key)
        .subquery()
    )
    query = select(table.c.key, table.c.part, table.c.points, table.c.payload).join(
        newest, and_(table.c.key == newest.c.key, table.c.part == newest.c.part)
    )
    found = connection.execute(query.where(table.c.run_id == run_id))
    return {key: (part, points, payload) for key, part, points, payload in found}


def _null(value: float | None) -> float | None:
    return None if value is not None and value != value else value
