"""Records that move to another database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select

from mainspring.base.errors import Conflict
from mainspring.store.database import Database
from mainspring.store.schema.automation import executions
from mainspring.store.schema.tracking import experiments, metric_batches, runs
from mainspring.store.transfer import copy_records

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT = {"id": "e", "name": "wine", "created_at": 1}
RUN = {"id": "r", "experiment_id": "e", "name": "é", "status": "running", "started_at": 2, "actor": "me"}
BATCH = {"run_id": "r", "points": 1, "payload": b"\x00\xff"}
EXECUTION = {
    "id": "x",
    "pipeline": "p",
    "status": "finished",
    "parameters": {"depth": [1, None, "ä"]},
    "started_at": 1,
    "owner": "me",
    "heartbeat_at": 1,
}


def test_every_row_is_copied_once(url: str, tmp_path: Path) -> None:
    source, target = Database(f"sqlite:///{tmp_path / 'source.db'}"), Database(url)
    with source.write() as connection:
        for table, row in ((experiments, EXPERIMENT), (runs, RUN), (executions, EXECUTION)):
            connection.execute(insert(table), row)
        connection.execute(insert(metric_batches), [BATCH] * 3)
    assert copy_records(source, target) == 6
    with source.read() as old, target.read() as new:
        for table in (experiments, runs, executions, metric_batches):
            assert new.execute(select(table)).all() == old.execute(select(table)).all()
    with target.write() as connection:
        connection.execute(insert(metric_batches), BATCH)  # has a number of its own
    with pytest.raises(Conflict, match="has rows in"):
        copy_records(source, target)
    source.close()
    target.close()


def test_nothing_is_copied_of_nothing(url: str, tmp_path: Path) -> None:
    source, target = Database(f"sqlite:///{tmp_path / 'source.db'}"), Database(url)
    assert copy_records(source, target) == 0
    source.close()
    target.close()
