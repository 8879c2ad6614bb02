"""Monitors on a real champion and on predictions as the server records them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

from mainspring.base import clock
from mainspring.base.settings import monitors as declared
from mainspring.monitoring import alerts
from mainspring.monitoring.monitors.evaluators import EVALUATORS
from mainspring.monitoring.watch import Observation, latest, watch
from mainspring.serving import segments
from mainspring.serving.labels import SCHEMA as LABEL_SCHEMA
from mainspring.versioning import models
from mainspring.versioning.candidate import Candidate
from tests.monitoring.conftest import DAY, FEATURES, START, champion, rows, serve

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.models import ModelVersion
    from tests.monitoring.conftest import Scene

EVERYTHING: dict[str, Any] = {
    "inputs": {"type": "data_drift"},
    "scores": {"type": "prediction_drift"},
    "labels": {"type": "label_drift"},
    "accuracy": {"type": "performance", "metric": "accuracy", "min": 0.6, "max_drop": 0.05},
    "auc": {"type": "performance", "metric": "roc_auc", "max_drop": 0.05},
    "loss": {"type": "performance", "metric": "log_loss", "max": 0.6, "max_drop": 0.1},
    "cost": {"type": "business", "expression": "100 * (prediction - label) * (prediction - label)", "max": 40},
    "service": {"type": "service", "max_p99_ms": 60},
    "machine": {"type": "resources", "max_memory": 1, "max_processor": 1, "max_disk": 1},
    "arrival": {"type": "freshness"},
}


def look(workspace: Workspace) -> dict[str, Observation]:
    return {seen.monitor: seen for seen in watch(workspace)}


def statuses(workspace: Workspace) -> dict[str, str]:
    return {name: seen.status for name, seen in look(workspace).items()}


def test_every_declared_type_has_an_evaluator() -> None:
    assert set(EVALUATORS) == set(declared.Monitor.__args__)


def test_where_nothing_changed_nothing_fires(scene: Scene) -> None:
    workspace = scene.open(monitors=EVERYTHING)
    version = champion(workspace)
    frame = rows(3000, 9)
    segment = serve(workspace, version, frame, labels=0.9, delay_days=1)
    seen = look(workspace)
    assert {name: each.status for name, each in seen.items()} == dict.fromkeys(EVERYTHING, "ok")
    assert alerts.list_alerts(workspace) == []
    assert seen["inputs"].n == 3000
    accuracy = seen["accuracy"].evidence
    assert accuracy["label_coverage"] == pytest.approx(0.9, abs=0.02)
    assert accuracy["label_age_hours"] == pytest.approx(24)
    assert accuracy["estimate"]["low"] < accuracy["estimate"]["value"] < accuracy["estimate"]["high"]
    truth = frame["late"].cast(pl.Float64).to_numpy()
    assert accuracy["estimate"]["value"] == pytest.approx(accuracy_score(truth, segment["label"]), abs=0.02)
    assert seen["cost"].evidence["estimate"]["value"] == pytest.approx(100 * (1 - accuracy["estimate"]["value"]))
    assert latest(workspace, "accuracy")[0]["evidence"]["summary"] == seen["accuracy"].summary


def test_shifted_inputs_fire_and_recover(scene: Scene) -> None:
    workspace = scene.open(monitors={name: EVERYTHING[name] for name in ("inputs", "scores", "labels")})
    version = champion(workspace)
    serve(workspace, version, rows(2000, 9, shift=1.0))
    seen = look(workspace)
    assert {each.status for each in seen.values()} == {"firing"}
    assert seen["inputs"].evidence["drifted"] == ["distance"]
    assert "distance" in seen["inputs"].summary
    firing = {alert.monitor: alert for alert in alerts.list_alerts(workspace, status="firing")}
    assert {alert.kind for alert in firing.values()} == {"drift"}
    assert firing["inputs"].evidence["champion"] == version.version
    look(workspace)
    assert len(alerts.list_alerts(workspace)) == 3
    serve(workspace, version, rows(4000, 10), start=START + 60 * DAY)
    assert statuses(workspace) == {"inputs": "ok", "scores": "ok", "labels": "ok"}
    assert {alert.status for alert in alerts.list_alerts(workspace)} == {"resolved"}


def dependent(days: int, seed: int, *, shift: float = 0.0, a_day: int = 200) -> pl.DataFrame:
    """Rows of days that are alike within and differ between: a day is worth little more than one row."""
    weather = np.repeat(np.random.default_rng(seed).normal(shift, 1.2, days), a_day)
    return rows(days * a_day, seed).with_columns(distance=pl.col("distance") + weather)


def judged_on_a_week(workspace: Workspace) -> ModelVersion:
    train, holdout = rows(3000), dependent(7, 1)
    model = LogisticRegression(max_iter=500).fit(train.select(FEATURES).to_numpy(), train["late"].to_numpy())
    candidate = Candidate(
        model=model, train=train, holdout=holdout, features=FEATURES, target="late", container="numpy"
    )
    version = models.register(workspace, "delay", candidate)
    models.transition(workspace, "delay", version.version, "production", reason="a test")
    return version


def test_where_the_holdout_is_worth_too_little_its_own_first_weeks_are_the_reference(scene: Scene) -> None:
    settings = {"type": "prediction_drift", "window": "90d", "ks": 0.2}
    workspace = scene.open(monitors={"own": settings, "held": settings | {"reference": "holdout"}})
    version = judged_on_a_week(workspace)
    serve(workspace, version, dependent(80, 2), days=80)
    seen = look(workspace)
    assert {each.evidence["reference"] for each in seen.values()} == {"its holdout"}
    assert {each.status for each in seen.values()} == {"insufficient_data"}
    serve(workspace, version, dependent(120, 3), start=START + 80 * DAY, days=120)
    seen = look(workspace)
    assert (seen["held"].status, seen["own"].status) == ("insufficient_data", "ok")
    own = seen["own"].evidence
    assert own["reference"] == "its own first 90 days"
    assert seen["own"].summary.endswith("against its own first 90 days")
    assert own["reference_start"] == START
    assert own["reference_end"] <= seen["own"].window_start + 1
    assert own["effective_n_reference"] > seen["held"].evidence["effective_n_reference"]
    assert own["effective_n_reference"] < own["n_reference"] / 10
    serve(workspace, version, dependent(90, 4, shift=1.5), start=START + 200 * DAY, days=90)
    assert look(workspace)["own"].status == "firing"


def test_first_weeks_that_had_drifted_already_are_no_reference(scene: Scene) -> None:
    workspace = scene.open(monitors={"scores": {"type": "prediction_drift", "window": "10d"}})
    version = champion(workspace)
    serve(workspace, version, rows(9000, 9, shift=1.0), days=30)
    [seen] = watch(workspace)
    assert seen.status == "firing"
    assert seen.evidence["reference"] == "its holdout, which its first predictions had drifted from"
    assert "1 of 1 columns drifted" in seen.evidence["first"]


def test_the_age_of_a_label_is_in_event_time_whenever_it_is_replayed(scene: Scene) -> None:
    workspace = scene.open(monitors={"arrival": {"type": "freshness"}, "accuracy": EVERYTHING["accuracy"]})
    version = champion(workspace)
    answered = clock.now()
    for day in range(20):  # a replay of a long time ago, a day a second; labels come three days later and do not say so
        asked = answered + day * 1000
        segment = serve(workspace, version, rows(100, day), start=START + day * DAY, days=1, labels=0, at=asked)
        late = {"prediction_id": segment["prediction_id"], "at": asked + 3000, "received_at": asked + 3000}
        truth = pl.DataFrame(late | {"truth": segment["label"].cast(pl.Float64)}).select(*LABEL_SCHEMA)
        segments.write(segments.folder(workspace, segments.LABELS, "delay"), truth, at=asked, writer="test")
    for seen in watch(workspace):
        assert seen.evidence["label_age_hours"] == pytest.approx(3.5 * 24, abs=24)


def test_a_label_that_comes_after_the_traffic_is_as_old_as_its_receipt(scene: Scene) -> None:
    workspace = scene.open(monitors={"arrival": {"type": "freshness", "label_delay": "0s"}})
    version = champion(workspace)
    ahead = START + 5 * DAY  # predicted five days ahead; the truth is received two hours after the event
    segment = serve(workspace, version, rows(100, 9), start=ahead, days=0.001, labels=0, at=START)
    received = segment["event_time"] + 7_200_000
    truth = pl.DataFrame({"prediction_id": segment["prediction_id"], "at": received, "received_at": received})
    truth = truth.with_columns(truth=segment["label"].cast(pl.Float64)).select(*LABEL_SCHEMA)
    later = serve(workspace, version, rows(100, 10), start=ahead + DAY, days=0.001, labels=0, at=START + DAY)
    segments.write(segments.folder(workspace, segments.LABELS, "delay"), truth, at=START, writer="test")
    assert later.height
    assert watch(workspace)[0].evidence["label_age_hours"] == pytest.approx(2, abs=0.01)


def test_concept_drift_is_seen_in_performance_alone(scene: Scene) -> None:
    workspace = scene.open(monitors=EVERYTHING)
    version = champion(workspace)
    serve(workspace, version, rows(3000, 9, flip=0.3))
    found = statuses(workspace)
    assert found["inputs"] == found["scores"] == "ok"
    assert found["accuracy"] == found["auc"] == found["loss"] == "firing"
    alert = next(alert for alert in alerts.list_alerts(workspace) if alert.monitor == "accuracy")
    assert alert.kind == "performance"
    assert alert.evidence["loss"]["low"] > 0.05


def test_few_labels_are_insufficient_and_resolve_nothing(scene: Scene) -> None:
    workspace = scene.open(monitors=EVERYTHING)
    version = champion(workspace)
    serve(workspace, version, rows(3000, 9, flip=0.3))
    watch(workspace)
    serve(workspace, version, rows(150, 10), start=START + 60 * DAY, days=3)
    found = look(workspace)
    assert found["accuracy"].status == "insufficient_data"
    assert "200 are needed" in found["accuracy"].summary
    assert found["cost"].status == found["arrival"].status == found["scores"].status == "insufficient_data"
    assert "accuracy" in {alert.monitor for alert in alerts.list_alerts(workspace, status="firing")}


def test_a_new_version_ends_the_alerts_about_the_old_one(scene: Scene) -> None:
    workspace = scene.open(monitors=EVERYTHING)
    version = champion(workspace)
    serve(workspace, version, rows(3000, 9, flip=0.3), start=START, labels=0.2)
    watch(workspace)
    assert {a.kind for a in alerts.list_alerts(workspace, status="firing")} == {"performance", "freshness"}
    second = champion(workspace, seed=5)
    assert second.version == "1.1.0"
    serve(workspace, second, rows(600, 11), start=START + 20 * DAY, days=2)
    found = look(workspace)
    assert found["accuracy"].status == "ok"
    assert found["accuracy"].n == 600
    assert found["inputs"].n == 3600
    closed = {
        a.monitor: a.evidence["resolution"]["reason"] for a in alerts.list_alerts(workspace) if a.status == "resolved"
    }
    assert closed["accuracy"] == "a new version is in production"


def test_a_version_that_left_production_takes_its_alerts_along(scene: Scene) -> None:
    workspace = scene.open(monitors=EVERYTHING)
    version = champion(workspace)
    serve(workspace, version, rows(3000, 9, flip=0.3), start=START, labels=0.2)
    watch(workspace)
    assert "accuracy" in {alert.monitor for alert in alerts.list_alerts(workspace, status="firing")}
    models.transition(workspace, version.model, version.version, "archived", reason="undeployed")
    watch(workspace)
    closed = {
        a.monitor: a.evidence["resolution"]["reason"] for a in alerts.list_alerts(workspace) if a.status == "resolved"
    }
    assert closed["accuracy"] == f"{version.version} left production"


def test_canary_and_shadow_are_not_watched(scene: Scene) -> None:
    workspace = scene.open(monitors=EVERYTHING)
    version = champion(workspace)
    serve(workspace, version, rows(1000, 9))
    for role in ("canary", "shadow", "pinned"):
        serve(workspace, version, rows(3000, 10, shift=3, flip=0.5), role=role)
    found = look(workspace)
    assert {each.status for each in found.values()} == {"ok"}
    assert found["inputs"].n == found["accuracy"].n == 1000


def test_labels_of_another_mix(scene: Scene) -> None:
    workspace = scene.open(monitors={"labels": EVERYTHING["labels"]})
    version = champion(workspace)
    serve(workspace, version, rows(2000, 9, base=-1.5))
    seen = look(workspace)["labels"]
    assert seen.status == "firing"
    (share,) = seen.evidence["shares"]
    assert share["difference"]["high"] < 0
    assert share["difference"]["value"] == pytest.approx(share["current"] - share["reference"])


def test_regression(scene: Scene) -> None:
    monitors = {
        "mae": {"type": "performance", "metric": "mae", "max_drop": 0.2},
        "labels": {"type": "label_drift"},
        "scores": {"type": "prediction_drift"},
    }
    workspace = scene.open(model={"name": "delay", "task": "regression"}, monitors=monitors)
    version = champion(workspace, task="regression")
    frame = rows(4000, 9).with_columns(late=pl.col("distance") * 2 + pl.col("hour") * 0.1)
    serve(workspace, version, frame)
    assert set(statuses(workspace).values()) == {"ok"}
    serve(workspace, version, frame.with_columns(pl.col("late") + 3), start=START + 60 * DAY)
    assert statuses(workspace) == {"mae": "firing", "labels": "firing", "scores": "ok"}


def test_a_service_that_fails_or_is_slow(scene: Scene) -> None:
    workspace = scene.open(monitors={"service": {"type": "service", "max_p99_ms": 50}})
    version = champion(workspace)
    half = pl.when(pl.int_range(pl.len()) % 10 == 0)
    serve(workspace, version, rows(1000, 9), status=half.then(pl.lit("error")).otherwise(pl.lit("ok")))
    seen = look(workspace)["service"]
    assert seen.status == "firing"
    assert "error rate" in seen.summary
    slow = half.then(pl.lit(900.0)).otherwise("latency_ms")
    serve(workspace, version, rows(1000, 9), start=START + 60 * DAY, latency_ms=slow)
    assert "p99" in look(workspace)["service"].summary
    invalid = half.then(pl.lit("ok")).otherwise(pl.lit("invalid"))
    serve(workspace, version, rows(2000, 9), start=START + 120 * DAY, status=invalid)
    assert look(workspace)["service"].status == "ok"


def test_labels_that_stop_coming(scene: Scene) -> None:
    workspace = scene.open(monitors={"arrival": EVERYTHING["arrival"]})
    serve(workspace, champion(workspace), rows(1000, 9), labels=0.3)
    seen = look(workspace)["arrival"]
    assert seen.status == "firing"
    assert seen.evidence["label_coverage"]["value"] == pytest.approx(0.3, abs=0.05)


def test_without_a_champion_or_predictions_there_is_nothing_to_tell(scene: Scene) -> None:
    workspace = scene.open(monitors=EVERYTHING)
    expected = dict.fromkeys(EVERYTHING, "insufficient_data") | {"machine": "ok"}
    assert statuses(workspace) == expected
    champion(workspace)
    assert statuses(workspace) == expected
    bare = scene.open(model=None, monitors=EVERYTHING)
    assert statuses(bare) == expected


def test_what_cannot_be_evaluated_is_an_error_and_stops_no_other(scene: Scene) -> None:
    monitors = {
        "typo": {"type": "data_drift", "columns": ["distnace"]},
        "sql": {"type": "business", "expression": "price * 2"},
        "one": {"type": "business", "expression": "SUM(score)"},
        "garbage": {"type": "business", "expression": "((("},
        "inputs": {"type": "data_drift", "columns": ["hour"]},
        "input_cost": {"type": "business", "expression": "CASE WHEN distance > 0 THEN score ELSE 0 END", "min": 0},
    }
    workspace = scene.open(monitors=monitors)
    serve(workspace, champion(workspace), rows(1000, 9))
    found = look(workspace)
    names = ("typo", "sql", "one", "garbage")
    assert {name: found[name].status for name in names} == dict.fromkeys(names, "error"), found
    assert found["inputs"].status == found["input_cost"].status == "ok"
    assert found["typo"].evidence["hint"] == "did you mean 'distance'?"


def test_min_share_of_columns(scene: Scene) -> None:
    monitors = {"half": {"type": "data_drift", "min_share": 0.5}, "any": {"type": "data_drift"}}
    workspace = scene.open(monitors=monitors)
    serve(workspace, champion(workspace), rows(1000, 9, shift=2))
    assert statuses(workspace) == {"half": "ok", "any": "firing"}


def test_inputs_that_are_not_recorded(scene: Scene) -> None:
    workspace = scene.open(monitors={"inputs": EVERYTHING["inputs"]})
    version = champion(workspace)
    segment = serve(workspace, version, rows(10, 9))
    (file,) = (workspace.state / "predictions" / "delay").rglob("*.parquet")
    segment.select(name for name in segment.columns if not name.startswith("input.")).write_parquet(file)
    seen = look(workspace)["inputs"]
    assert seen.status == "insufficient_data"
    assert seen.evidence["hint"] == "set serving.record_inputs to true"


def test_alerts_of_monitors_that_are_gone_end(scene: Scene) -> None:
    workspace = scene.open(monitors={"inputs": EVERYTHING["inputs"]})
    serve(workspace, champion(workspace), rows(1000, 9, shift=2))
    watch(workspace)
    other = scene.open(monitors={})
    assert watch(other) == []
    assert alerts.list_alerts(other)[0].evidence["resolution"]["reason"] == "the monitor is no longer declared"


def test_the_validation_monitor(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text(
        '{"expectations": [{"type": "expect_column_values_to_be_between", "kwargs": {"column": "distance", "max_value": 20}}]}'
    )
    rows(100).write_parquet(tmp_path / "table.parquet")
    workspace = scene.open(
        datasets={"t": {"path": "table.parquet", "suite": "suite.json"}, "u": {"path": "table.parquet"}},
        monitors={"valid": {"type": "validation", "dataset": "t"}, "none": {"type": "validation", "dataset": "u"}},
    )
    assert statuses(workspace) == {"valid": "ok", "none": "insufficient_data"}
    rows(100).with_columns(pl.col("distance") * 1000).write_parquet(tmp_path / "table.parquet")
    assert look(workspace)["valid"].status == "firing"
    assert alerts.list_alerts(workspace)[0].kind == "validation"


def test_a_watch_does_not_break_on_a_channel(scene: Scene) -> None:
    channels = [{"type": "webhook", "url": "http://127.0.0.1:1/x"}]
    workspace = scene.open(monitors={"inputs": EVERYTHING["inputs"]}, channels=channels)
    serve(workspace, champion(workspace), rows(1000, 9, shift=2))
    assert statuses(workspace) == {"inputs": "firing"}
    (alert,) = alerts.list_alerts(workspace)
    assert alert.deliveries[0].attempts == 1
    assert alert.deliveries[0].error is not None
    assert models.champion(workspace, "delay") is not None
