"""Metric points: whatever the batches and whenever they are sorted, every point reads back, in order."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import struct
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from mainspring.base.errors import Corrupted
from mainspring.store.migrate import SCRIPTS
from mainspring.store.workspace import Workspace
from mainspring.tracking import history, run, runs
from mainspring.tracking.batch import Point, log_batch
from mainspring.tracking.points import pack_batch, unpack_batch, unpack_curve
from mainspring.tracking.records import metrics as metric_rows
from mainspring.tracking.search import curves
from mainspring.tracking.strides import pack_strides, unpack_strides

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WHOLE = st.integers(-(2**63), 2**63 - 1)
_POINT = st.tuples(st.sampled_from(["loss", "auc", "é/x"]), _WHOLE, _WHOLE, st.floats())
_BATCHES = st.lists(st.tuples(st.lists(_POINT, max_size=12), st.booleans()), max_size=12)


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def as_logged(points: list[tuple[str, int, int, float]], key: str) -> list[tuple[int, int, bytes]]:
    return [(step, at, bits(value)) for name, step, at, value in points if name == key]


@given(st.lists(_POINT, max_size=40))
def test_a_batch_reads_back(points: list[tuple[str, int, int, float]]) -> None:
    payload = pack_batch(points)
    for key, columns in unpack_batch(payload):
        read = [(s, a, bits(v)) for s, a, v in zip(*(column.tolist() for column in columns), strict=True)]
        assert read == as_logged(points, key)
        [(_, alone)] = unpack_batch(payload, only=key)
        assert alone.steps.tolist() == columns.steps.tolist()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=_BATCHES, part=st.integers(1, 9))
def test_any_batches_with_sorting_in_between(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, batches: list[tuple[list[Point], bool]], part: int
) -> None:
    """Each key's points come back as they were logged, however many fit into a part."""
    monkeypatch.setattr(metric_rows, "PART", part)
    monkeypatch.setattr(metric_rows, "BATCHES", 3)
    run_id = runs.create_run(workspace, experiment(workspace)).id
    logged: list[tuple[str, int, int, float]] = []
    for points, settle in batches:
        log_batch(workspace, run_id, metrics=[Point(*point) for point in points])
        logged += points
        if settle:
            with workspace.database.write() as connection:
                metric_rows.settle(connection, run_id)
    with workspace.database.read() as connection:
        for key in {point[0] for point in logged}:
            columns = metric_rows.curve(connection, run_id, key)
            read = [(s, a, bits(v)) for s, a, v in zip(*(column.tolist() for column in columns), strict=True)]
            assert read == as_logged(logged, key)


def experiment(workspace: Workspace) -> str:
    from mainspring.tracking.experiments import create_experiment, list_experiments

    found = list_experiments(workspace)
    return found[0].id if found else create_experiment(workspace, "wine").id


@given(st.lists(_WHOLE, max_size=40) | st.builds(range, _WHOLE, st.integers(2**62, 2**63), st.integers(2**57, 2**60)))
def test_whole_numbers_read_back_from_their_strides(numbers: Sequence[int]) -> None:
    some = list(numbers)[:40]
    packed = b"before" + pack_strides(np.array(some, np.int64)) + b"after"
    read, end = unpack_strides(packed, len(some), len(b"before"))
    assert read.tolist() == some
    assert packed[end:] == b"after"


def test_strides_take_as_few_bytes_as_they_can() -> None:
    def size(*strides: int) -> int:
        return len(pack_strides(np.cumsum([5, *strides])))

    assert size(*[7] * 99) == size(*[-(2**40)] * 99) == size()
    assert [size(0, most) - size() for most in (255, 256, 65_535, 65_536, 2**32 - 1, 2**32)] == [2, 4, 4, 8, 8, 16]


def test_a_curve_of_the_first_layout_is_read() -> None:
    columns = [np.array(numbers) for numbers in ([3, 1, 2], [7, 8, 9], [0.5, math.inf, -1.0])]
    payload = struct.pack("<BI", 1, 3) + b"".join(column.tobytes() for column in columns)
    assert [column.tolist() for column in unpack_curve(payload)] == [column.tolist() for column in columns]


def test_a_layout_of_a_newer_version_is_refused() -> None:
    with pytest.raises(Corrupted, match="layout 9"):
        unpack_curve(struct.pack("<BI", 9, 0))


_WRITER = """
import sys
from pathlib import Path
from mainspring.store.workspace import Workspace
from mainspring.tracking.batch import Point, log_batch
from mainspring.tracking.records import metrics
metrics.BATCHES, metrics.PART = 3, 50
workspace, run_id = Workspace(Path(sys.argv[1])), sys.argv[2]
for number in range(100_000):
    log_batch(workspace, run_id, metrics=[Point("loss", number * 7 + at, 0, float(number)) for at in range(7)])
    print(number, flush=True)
"""


@pytest.mark.slow
def test_kill_between_batches_and_sorting(tmp_path: Path) -> None:
    (tmp_path / "mainspring.yaml").write_text("project: wine\n")
    workspace = Workspace(tmp_path)
    run_id = runs.create_run(workspace, experiment(workspace)).id
    for _ in range(3):
        with workspace.database.read() as connection:
            before = len(metric_rows.curve(connection, run_id, "loss").steps)
        with subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path), run_id], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            said = [writer.stdout.readline() for _ in range(11)]
            os.kill(writer.pid, signal.SIGKILL)
            said += writer.stdout.read().splitlines()
        acknowledged = max(int(line) for line in said if line.strip().isdigit()) + 1
        with workspace.database.read() as connection:
            steps = metric_rows.curve(connection, run_id, "loss").steps.tolist()[before:]
        assert len(steps) % 7 == 0
        assert acknowledged * 7 <= len(steps) <= (acknowledged + 1) * 7
        assert steps == list(range(len(steps)))
    workspace.close()


def test_points_of_an_old_database(tmp_path: Path) -> None:
    (tmp_path / "mainspring.yaml").write_text("project: wine\n")
    file = tmp_path / ".mainspring" / "mainspring.db"
    file.parent.mkdir()
    engine = create_engine(f"sqlite:///{file}")
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    engine.dispose()
    values = [0.5, math.inf, -math.inf, None, *(number / 3 for number in range(20_000))]
    with closing(sqlite3.connect(file)) as old, old:
        old.execute("INSERT INTO experiments (id, name, lifecycle, created_at) VALUES ('e', 'wine', 'active', 0)")
        old.execute(
            "INSERT INTO runs (id, experiment_id, name, status, started_at, actor, lifecycle)"
            " VALUES ('r', 'e', 'old', 'finished', 0, 'a', 'active')"
        )
        rows = [("r", key, number, 7, value) for key in ("auc", "loss") for number, value in enumerate(values)]
        old.executemany("INSERT INTO metric_points (run_id, key, step, at, value) VALUES (?, ?, ?, ?, ?)", rows)
        old.execute("INSERT INTO latest_metrics (run_id, key, step, at, value) VALUES ('r', 'loss', 20003, 7, 6666.3)")
    workspace = Workspace(tmp_path)
    for key, curve in curves(workspace, "r", ["auc", "loss"]).items():
        assert curve.steps == list(range(len(values))), key
        assert curve.at == [7] * len(values)
        read = [None if math.isnan(value) else value for value in curve.values]
        assert read == values
    assert len(history.sampled(workspace, "r", "loss", most=100).steps) == 100
    log_batch(workspace, "r", metrics=[Point("loss", 1 << 40, 8, math.nan)])
    assert curves(workspace, "r", ["loss"])["loss"].steps[-1] == 1 << 40
    workspace.close()


@pytest.mark.parametrize("most", [4, 5, 50, 399, 4000])
def test_an_outline_keeps_the_peaks(workspace: Workspace, most: int) -> None:
    values = [math.sin(number / 9) for number in range(2000)]
    values[777], values[778], values[100], values[101] = 50.0, -50.0, math.nan, math.inf
    with run.start_run(workspace, snapshot=False) as started:
        for step, value in enumerate(values):
            run.log_metric("loss", value, step)
    points, count = history.outline(workspace, started.id, "loss", most=most)
    assert count == 2000
    assert len(points.steps) <= max(most, 4)
    assert points.steps.tolist() == sorted(set(points.steps.tolist()))
    assert (points.steps[0], points.steps[-1]) == (0, 1999)
    drawn = points.values.tolist()
    assert -50.0 in drawn
    assert math.inf in drawn


def test_what_waits_survives_an_exception(workspace: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), run.start_run(workspace, snapshot=False) as started:
        for step in range(12_345):
            run.log_metric("loss", 1.0, step)
        _ = 1 / 0
    assert curves(workspace, started.id, ["loss"])["loss"].steps == list(range(12_345))
