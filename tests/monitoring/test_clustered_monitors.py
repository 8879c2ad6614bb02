"""Predictions that depend on each other: monitors whose intervals heed it cover, alarm rarely, and say what they rest on."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from mainspring.base.ids import new_id
from mainspring.cli.main import hoist
from mainspring.cli.main import run as run_hoisted
from mainspring.monitoring.monitors.evaluators import EVALUATORS, look
from mainspring.monitoring.monitors.watched import Watched
from mainspring.monitoring.watch import latest, watch
from mainspring.serving import segments
from mainspring.serving.labels import SCHEMA as LABEL_SCHEMA
from mainspring.versioning import models
from mainspring.versioning.candidate import Candidate
from mainspring.versioning.registration import register
from tests.monitoring.conftest import DAY, FEATURES, START, champion, rows, serve

if TYPE_CHECKING:
    from mainspring.monitoring.monitors.finding import Finding
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.models import ModelVersion
    from tests.monitoring.conftest import Scene

MIDNIGHT = START - START % DAY
ACCURACY = {"type": "performance", "metric": "accuracy"}
COST = {"type": "business", "expression": "label"}
RIGHT = 0.7
"""How often the answers of :func:`answered_in_days` are right: every answer is 1, and so is this share of the labels."""


def findings(workspace: Workspace) -> dict[str, Finding]:
    watched = Watched(workspace, "delay")
    return {name: look(EVALUATORS[type(each)], each, watched) for name, each in workspace.settings.monitors.items()}


def answered_in_days(
    workspace: Workspace, version: ModelVersion, rng: np.random.Generator, *, days: int = 25, a_day: int = 30
) -> None:
    """Replace what was recorded by days of which each has a share of its own: Beta(4.2, 1.8), with the mean ``RIGHT``."""
    for kind in (segments.PREDICTIONS, segments.LABELS):
        shutil.rmtree(segments.folder(workspace, kind, "delay"), ignore_errors=True)
    day, n = np.repeat(np.arange(days), a_day), days * a_day
    moments, ids = MIDNIGHT + day * DAY + rng.integers(0, DAY, n), [new_id() for _ in range(n)]
    happened = (rng.random(n) < rng.beta(4.2, 1.8, days)[day]).astype(np.float64)
    told: dict[str, Any] = {"version": version.version, "role": "champion", "status": "ok", "score": 0.7, "label": 1.0}
    asked = {"prediction_id": ids, "at": moments, "event_time": moments, "latency_ms": 1.0, "key": ids}
    answered = pl.DataFrame({**asked, "input.hour": day}).with_columns(**{k: pl.lit(v) for k, v in told.items()})
    labels = {"prediction_id": ids, "at": moments, "truth": happened, "received_at": moments}
    for kind, frame in ((segments.PREDICTIONS, answered), (segments.LABELS, pl.DataFrame(labels, schema=LABEL_SCHEMA))):
        segments.write(segments.folder(workspace, kind, "delay"), frame, at=START, writer="test")


@pytest.mark.slow
def test_intervals_cover_and_alarms_are_rare_where_days_resemble_themselves(scene: Scene) -> None:
    """At the bound itself 2.5 of 100 looks may fire; rows taken as independent fire in far more."""
    monitors = {
        "rows": ACCURACY | {"min": RIGHT},
        "days": ACCURACY | {"min": RIGHT, "cluster_by": "day"},
        "cost of rows": COST | {"max": RIGHT},
        "cost of days": COST | {"max": RIGHT, "cluster": "hour"},
    }
    workspace = scene.open(monitors=monitors)
    version = champion(workspace)
    rng, runs = np.random.default_rng(11), 150
    covered, fired = dict.fromkeys(monitors, 0), dict.fromkeys(monitors, 0)
    for _ in range(runs):
        answered_in_days(workspace, version, rng)
        for name, found in findings(workspace).items():
            estimate = found.evidence["estimate"]
            covered[name] += estimate["low"] <= RIGHT <= estimate["high"]
            fired[name] += found.status == "firing"
            assert estimate.get("clusters", 25) == 25
    for honest, plain in (("days", "rows"), ("cost of days", "cost of rows")):
        assert 0.91 <= covered[honest] / runs <= 0.99
        assert covered[plain] / runs < 0.75
        assert fired[honest] / runs <= 0.06
        assert fired[plain] / runs > 0.12


def in_days(days: int, seed: int) -> pl.DataFrame:
    """Rows of which a day's share resembles itself, with the moment they are about."""
    weather = np.repeat(np.random.default_rng(seed).normal(0, 2.5, days), 100)
    started = datetime(2023, 1, 1, tzinfo=UTC)
    at = [started + timedelta(days=row / 100) for row in range(days * 100)]
    return rows(days * 100, seed, base=-1.0).with_columns(
        late=pl.Series(np.random.default_rng(seed).random(days * 100) < 1 / (1 + np.exp(-weather))),
        scheduled_at=pl.Series(at),
    )


def judged_on_days(workspace: Workspace, days: int) -> ModelVersion:
    train, holdout = rows(3000), in_days(days, 1)
    model = LogisticRegression(max_iter=500).fit(train.select(FEATURES).to_numpy(), train["late"].to_numpy())
    candidate = Candidate(
        model=model, train=train, holdout=holdout, features=FEATURES, target="late", container="numpy"
    )
    version = register(workspace, "delay", candidate)
    models.transition(workspace, "delay", version.version, "production", reason="a test")
    return models.resolve(workspace, version.reference)


def test_a_watch_heeds_the_days_of_the_event_time(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """``serving.event_time`` is no feature: the predictions know it as their own time, the holdout as a column."""
    by_day = {"cluster": "scheduled_at", "cluster_by": "day"}
    cost = {"type": "business", "expression": "100 * label"}
    workspace = scene.open(serving={"event_time": "scheduled_at"}, monitors={"plain": cost | {"max": 1}})
    version = judged_on_days(workspace, 20)
    serve(workspace, version, in_days(24, 2), start=MIDNIGHT, days=24, labels=0.6)
    seen = findings(workspace)["plain"].evidence["estimate"]
    bound = seen["low"] - 0.5 * (seen["value"] - seen["low"])
    monitors = {
        "rows": cost | {"max": bound},
        "days": cost | by_day | {"max": bound},
        "weeks": cost | by_day | {"max": bound, "cluster_by": "week"},
        "drop": ACCURACY | {"min": 0.01, "max_drop": 0.5, **by_day},
        "own time": ACCURACY | {"min": 0.01, "max_drop": 0.5, "cluster_by": "day"},
    }
    workspace = scene.open(serving={"event_time": "scheduled_at"}, monitors=monitors)
    assert run_hoisted(hoist(["watch", "--once", "--json", "--workspace", str(scene.root)])) == 0
    found = {each["monitor"]: each for each in json.loads(capsys.readouterr().out)}
    assert {name: each["status"] for name, each in found.items()} == {
        "rows": "firing", "days": "ok", "weeks": "insufficient_data", "drop": "ok", "own time": "ok",
    }  # fmt: skip
    days, told = found["days"]["evidence"]["estimate"], found["days"]["evidence"]
    assert (told["cluster"], told["cluster_by"], days["clusters"]) == ("scheduled_at", "day", 24)
    assert days["effective_n"] < days["n"] / 3
    assert days["high"] - days["low"] > 1.8 * (seen["high"] - seen["low"])
    assert days["value"] == pytest.approx(seen["value"])
    assert "in 24 clusters" in found["days"]["summary"]
    assert "of one size" in found["weeks"]["summary"]
    for name in ("drop", "own time"):
        evidence = found[name]["evidence"]
        assert (evidence["estimate"]["clusters"], evidence["baseline"]["clusters"]) == (24, 20)
    assert found["own time"]["evidence"]["cluster"] == "event_time"
    assert latest(workspace, "days")[0]["evidence"]["estimate"]["clusters"] == 24


def test_a_holdout_of_few_clusters_bounds_no_loss(scene: Scene) -> None:
    monitors = {"drop": ACCURACY | {"max_drop": 0.001, "cluster_by": "day"}}
    workspace = scene.open(serving={"event_time": "scheduled_at"}, monitors=monitors)
    version = judged_on_days(workspace, 5)
    serve(workspace, version, rows(2400, 3, flip=0.9), start=MIDNIGHT, days=24)
    [seen] = watch(workspace)
    assert seen.status == "insufficient_data"
    assert "the holdout's 5 clusters" in seen.summary
    workspace = scene.open(serving={"event_time": "scheduled_at"}, monitors={"drop": monitors["drop"] | {"min": 0.9}})
    [seen] = watch(workspace)
    assert (seen.status, "below 0.9" in seen.summary) == ("firing", True)


def test_what_cannot_be_clustered_by_is_an_error_that_says_so(scene: Scene) -> None:
    monitors = {
        "typo": COST | {"cluster": "distnace"},
        "typo of time": ACCURACY | {"cluster": "schedlued_at"},
        "no time": ACCURACY | {"cluster": "carrier_code", "cluster_by": "week"},
        "no time in a cost": COST | {"cluster": "carrier_code", "cluster_by": "week"},
        "not in the holdout": ACCURACY | {"max_drop": 0.1, "cluster": "scheduled_at"},
    }
    workspace = scene.open(serving={"event_time": "scheduled_at"}, monitors=monitors)
    version = champion(workspace)
    serve(workspace, version, rows(1000, 9))
    found = {each.monitor: each for each in watch(workspace)}
    assert {each.status for each in found.values()} == {"error"}
    assert "record of predictions has no column 'distnace'" in found["typo"].summary
    assert found["typo"].evidence["hint"] == "did you mean 'distance'?"
    assert found["typo of time"].evidence["hint"] == "did you mean 'scheduled_at'?"
    for name in ("no time", "no time in a cost"):
        assert "cluster_by needs a time column, but 'carrier_code'" in found[name].summary
    assert "the holdout has no column 'scheduled_at'" in found["not in the holdout"].summary
    workspace = scene.open(monitors={"drop": ACCURACY | {"max_drop": 0.1, "cluster_by": "day"}})
    [unnamed] = watch(workspace)
    assert (unnamed.status, "which time of the holdout" in unnamed.summary) == ("error", True)


def test_inputs_that_are_not_recorded_leave_the_predictions_own_time(scene: Scene) -> None:
    monitors = {"input": COST | {"cluster": "hour"}, "time": COST | {"cluster_by": "day"}}
    workspace = scene.open(monitors=monitors)
    version = champion(workspace)
    bare = segments.folder(workspace, segments.PREDICTIONS, "delay")
    served = serve(workspace, version, rows(1000, 9), start=MIDNIGHT)
    shutil.rmtree(bare)
    segments.write(bare, served.drop(pl.selectors.starts_with("input.")), at=START, writer="test")
    found = {each.monitor: each for each in watch(workspace)}
    assert {name: each.status for name, each in found.items()} == {"input": "insufficient_data", "time": "ok"}
    assert "record_inputs" in found["input"].evidence["hint"]
    assert found["time"].evidence["estimate"]["clusters"] == 20


def test_labels_that_are_few_come_before_their_clusters(scene: Scene) -> None:
    workspace = scene.open(monitors={"days": ACCURACY | {"cluster": "hour"}, "cost": COST | {"cluster": "hour"}})
    version = champion(workspace)
    serve(workspace, version, rows(1000, 9), labels=0)
    for seen in watch(workspace):
        assert (seen.status, seen.n, seen.evidence["cluster"]) == ("insufficient_data", 0, "hour")
