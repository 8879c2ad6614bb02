"""Monitors on a real champion and on predictions as the server records them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from sklearn.metrics import accuracy_score

from mainspring.base.settings import monitors as declared
from mainspring.monitoring import alerts
from mainspring.monitoring.watch import EVALUATORS, Observation, latest, watch
from mainspring.versioning import models
from tests.monitoring.conftest import DAY, START, champion, rows, serve

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace
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
        "metric": {"type": "performance", "metric": "acuracy"},
        "sql": {"type": "business", "expression": "price * 2"},
        "one": {"type": "business", "expression": "SUM(score)"},
        "garbage": {"type": "business", "expression": "((("},
        "inputs": {"type": "data_drift", "columns": ["hour"]},
        "input_cost": {"type": "business", "expression": "CASE WHEN distance > 0 THEN score ELSE 0 END", "min": 0},
    }
    workspace = scene.open(monitors=monitors)
    serve(workspace, champion(workspace), rows(1000, 9))
    found = look(workspace)
    names = ("typo", "metric", "sql", "one", "garbage")
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
