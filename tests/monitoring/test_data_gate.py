"""What stands before a run: the suite of a dataset, in the whole and in every file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from mainspring.base.errors import InvalidData, NotFound, SettingsError
from mainspring.monitoring import alerts
from mainspring.monitoring.data_gate import check_dataset

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from tests.monitoring.conftest import Scene

BETWEEN = {"column": "distance", "min_value": 0, "max_value": 6000, "mostly": 0.99}
SUITE = {
    "name": "flights",
    "expectations": [
        {"type": "expect_column_values_to_be_between", "kwargs": BETWEEN},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "delay", "mostly": 0.95}},
    ],
}


def month(seed: int, n: int = 1000) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    delay = pl.Series(rng.normal(0, 10, n)).set(pl.Series(rng.random(n) < 0.02), None)
    return pl.DataFrame({"distance": rng.uniform(50, 5000, n), "delay": delay})


def opened(scene: Scene, **settings: Any) -> Workspace:
    folder = scene.root / "flights"
    folder.mkdir()
    for number in range(1, 13):
        month(number).write_parquet(folder / f"{number:02}.parquet")
    (scene.root / "suite.json").write_text(json.dumps(SUITE))
    flights = {"path": "flights", "suite": "suite.json"}
    return scene.open(datasets={"flights": flights, "plain": {"path": "flights"}}, **settings)


def test_good_data_pass_and_nobody_is_told(scene: Scene) -> None:
    workspace = opened(scene)
    result = check_dataset(workspace, "flights")
    assert result is not None
    assert result.success
    assert result.n == 12_000
    assert check_dataset(workspace, "plain") is None
    assert alerts.list_alerts(workspace) == []
    with pytest.raises(NotFound, match="flihgts"):
        check_dataset(workspace, "flihgts")


@pytest.mark.parametrize(
    "corrupt",
    [
        pl.col("distance") * 1000,
        pl.when(pl.int_range(pl.len()) % 4 > 0).then("delay").alias("delay"),
        pl.lit(None, dtype=pl.Float64).alias("delay"),
    ],
    ids=["unit", "nulls", "all_null"],
)
def test_a_corrupted_month_fails_and_an_alert_goes_to_people(scene: Scene, corrupt: pl.Expr) -> None:
    workspace = opened(scene)
    month(7).with_columns(corrupt).write_parquet(scene.root / "flights" / "07.parquet")
    result = check_dataset(workspace, "flights")
    assert result is not None
    assert not result.success
    (alert,) = alerts.list_alerts(workspace)
    assert (alert.monitor, alert.kind, alert.status) == ("validation:flights", "validation", "firing")
    assert "07.parquet" in alert.summary
    month(7).write_parquet(scene.root / "flights" / "07.parquet")
    assert check_dataset(workspace, "flights").success  # type: ignore[union-attr]
    assert alerts.list_alerts(workspace)[0].status == "resolved"


def test_a_file_with_few_rows_is_not_condemned_for_one(scene: Scene) -> None:
    workspace = opened(scene)
    month(13, 8).with_columns(delay=pl.Series([None, *[1.0] * 7])).write_parquet(scene.root / "flights" / "13.parquet")
    assert check_dataset(workspace, "flights").success  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["truncated", "other columns", "other type", "empty", "gone"])
def test_data_that_cannot_be_read_fail_too(scene: Scene, how: str) -> None:
    workspace = opened(scene)
    file = scene.root / "flights" / "03.parquet"
    if how == "truncated":
        file.write_bytes(file.read_bytes()[:3000])
    elif how == "other columns":
        month(3).rename({"delay": "dealy"}).write_parquet(file)
    elif how == "other type":
        month(3).with_columns(pl.col("delay").cast(pl.String)).write_parquet(file)
    else:
        for each in (scene.root / "flights").iterdir():
            each.unlink()
        if how == "empty":
            month(1).clear().write_parquet(file)
    result = check_dataset(workspace, "flights")
    assert result is not None
    assert not result.success
    assert alerts.list_alerts(workspace, status="firing")[0].monitor == "validation:flights"


def test_the_declared_monitor_gives_its_name(scene: Scene) -> None:
    workspace = opened(scene, monitors={"flights-valid": {"type": "validation", "dataset": "flights"}})
    month(7).with_columns(pl.col("distance") * 1000).write_parquet(scene.root / "flights" / "07.parquet")
    check_dataset(workspace, "flights")
    assert [alert.monitor for alert in alerts.list_alerts(workspace)] == ["flights-valid"]


def test_a_channel_can_be_for_the_validation_of_a_dataset(scene: Scene) -> None:
    channels = [{"type": "log", "monitors": ["validation:flights"]}]
    workspace = opened(scene, channels=channels)
    month(13).with_columns(delay=None).write_parquet(workspace.root / "flights" / "13.parquet")
    check_dataset(workspace, "flights")
    [alert] = alerts.list_alerts(workspace)
    assert (alert.monitor, [each.channel for each in alert.deliveries]) == ("validation:flights", ["log"])
    assert "validation:flights firing" in (workspace.state / "alerts.log").read_text()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("validation:flihgts", "did you mean 'validation:flights'?"),
        ("validation:plain", "the dataset 'plain' has no suite, so nothing validates it: name one with `suite:`"),
        ("inptus", "did you mean 'inputs'?"),
        ("x", "known monitors: inputs, validation:flights"),
    ],
)
def test_a_channel_for_a_validation_that_is_none_is_refused(scene: Scene, name: str, hint: str) -> None:
    workspace = opened(
        scene, monitors={"inputs": {"type": "data_drift"}}, channels=[{"type": "log", "monitors": [name]}]
    )
    with pytest.raises(SettingsError, match=f"there is no monitor '{name}'") as caught:
        assert workspace.settings
    assert caught.value.hint == hint
    assert "channels.0.monitors.0" in caught.value.message


def test_a_declared_monitor_goes_by_its_own_name_in_channels(scene: Scene) -> None:
    monitors = {"rows": {"type": "validation", "dataset": "flights"}}
    workspace = opened(scene, monitors=monitors, channels=[{"type": "log", "monitors": ["validation:flights"]}])
    with pytest.raises(SettingsError) as caught:
        assert workspace.settings
    assert caught.value.hint == "the validation of 'flights' is the monitor 'rows': write that"


def test_a_wrong_suite_is_an_error_and_no_failure_of_the_data(scene: Scene) -> None:
    workspace = opened(scene)
    (scene.root / "suite.json").write_text("{}")
    with pytest.raises(InvalidData, match=r"suite\.json"):
        check_dataset(workspace, "flights")
    assert alerts.list_alerts(workspace) == []
