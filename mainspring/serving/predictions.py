"""Reading back what was answered, and what turned out to be true. Read-only, and safe while servers write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mainspring.serving import segments
from mainspring.serving.answered import SCHEMA
from mainspring.serving.labels import SCHEMA as LABEL_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.store.workspace import Workspace

ANSWERED = ("champion", "canary", "pinned", "fallback")
"""Roles whose answers reached a caller: ``pinned`` is a version that the caller named, ``fallback`` the champion answering
for a canary that could not (that canary's failure is recorded beside it, under the same id)."""


def predictions(
    workspace: Workspace,
    endpoint: str,
    *,
    since: int | None = None,
    until: int | None = None,
    roles: Sequence[str] | None = None,
    arrived_since: int | None = None,
    columns: Sequence[str] | None = None,
    strict: bool = False,
) -> pl.DataFrame:
    """Return one row a prediction, ordered by event time.

    Columns: ``prediction_id``, ``at`` (when it was asked, ms UTC), ``event_time`` (what moment it is about), ``version``,
    ``role``, ``status`` (ok, error, invalid), ``score`` (P(second class), value, or largest class probability), ``label``
    (index of the predicted class, or value), ``latency_ms``, ``key``, ``error``, in multiclass ``scores``, and the inputs as
    ``input.<column>``.

    Args:
        since, until: event time in ms, first included, last not.
        roles: by default all whose answers reached a caller, so not ``shadow``.
        arrived_since: ``at`` in ms, included; older segments are not even opened.
        columns: read only these.
        strict: a damaged segment is an error instead of a ``DamagedSegment`` warning.

    Raises:
        InvalidData: with ``strict``, naming the damaged segment.
    """
    filters = [pl.col("role").is_in(list(ANSWERED if roles is None else roles))]
    filters += [] if since is None else [pl.col("event_time") >= since]
    filters += [] if until is None else [pl.col("event_time") < until]
    filters += [] if arrived_since is None else [pl.col("at") >= arrived_since]
    wanted = None if columns is None else list(dict.fromkeys([*columns, "role", "event_time", "at", "prediction_id"]))
    found = segments.read(
        segments.paths(segments.folder(workspace, segments.PREDICTIONS, endpoint), arrived_since=arrived_since),
        filters=filters,
        columns=wanted,
        strict=strict,
    )
    if found is None:
        found = pl.DataFrame(schema={name: dtype for name, dtype in SCHEMA.items() if wanted is None or name in wanted})
    found = found.sort("event_time", "prediction_id")
    return found if columns is None else found.select(name for name in columns if name in found.columns)


def labels(
    workspace: Workspace, endpoint: str, *, arrived_since: int | None = None, strict: bool = False
) -> pl.DataFrame:
    """Return the latest label of every prediction: ``prediction_id``, ``at`` (ms UTC), ``truth`` (class index or value),
    ``received_at`` (``at`` again where whoever sent the label did not say when it became known).

    Labels of unknown predictions are there as well: these may come later, out of another worker's buffer.
    """
    root = segments.folder(workspace, segments.LABELS, endpoint)
    found = segments.read(segments.paths(root, arrived_since=arrived_since), strict=strict)
    if found is None:
        found = pl.DataFrame(schema=LABEL_SCHEMA)
    newest = found.sort("at", "received_at").unique("prediction_id", keep="last", maintain_order=True)
    return newest.select("prediction_id", "at", "truth", "received_at")


def labelled(
    workspace: Workspace,
    endpoint: str,
    *,
    since: int | None = None,
    until: int | None = None,
    roles: Sequence[str] | None = None,
    known_at: int | None = None,
    arrived_since: int | None = None,
    columns: Sequence[str] | None = None,
    strict: bool = False,
) -> pl.DataFrame:
    """Return the answered predictions whose label has arrived, with ``truth`` and ``labelled_at`` (ms UTC).

    ``known_at`` leaves out labels that became known later, so a past look can be repeated.
    """
    asked = None if columns is None else list(dict.fromkeys([*columns, "prediction_id", "status"]))
    answered = predictions(
        workspace,
        endpoint,
        since=since,
        until=until,
        roles=roles,
        arrived_since=arrived_since,
        columns=asked,
        strict=strict,
    )
    known = labels(workspace, endpoint, arrived_since=arrived_since, strict=strict)
    truth = known.drop("received_at").rename({"at": "labelled_at"})
    if known_at is not None:
        truth = truth.filter(pl.col("labelled_at") <= known_at)
    return answered.filter(pl.col("status") == "ok").join(truth, on="prediction_id", how="inner", maintain_order="left")


def endpoints(workspace: Workspace) -> list[str]:
    """Return the endpoints that have predictions."""
    return sorted(path.name for path in (workspace.state / segments.PREDICTIONS).glob("[!.]*") if path.is_dir())
