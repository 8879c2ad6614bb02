"""mainspring.yaml: what is wrong is said with the line and a suggestion."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from mainspring.base.errors import SettingsError
from mainspring.base.settings.checks import MetricThreshold
from mainspring.base.settings.load import load_settings
from mainspring.base.settings.reference import json_schema, markdown

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, text: str, name: str = "mainspring.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "line", "said", "hint"),
    [
        ("project: x\nmodle: 3\n", 2, "modle: 'modle' is not a key here", "did you mean 'model'?"),
        ("seed: 1\n", 1, "'project' is missing", "add a line `project: …`"),
        ("project: 3\n", 1, "project: Expected str, got int", None),
        (
            "project: x\ndatasets:\n  ok: {path: b}\n  a: {path: d, tyme: t}\n",
            4,
            "datasets.a.tyme: 'tyme' is not a key here",
            "did you mean 'time'?",
        ),
        (
            "project: x\nchecks:\n  - {type: metric, metric: f1}\n  - type: metrik\n    metric: f1\n",
            4,
            "checks.1.type: Invalid value 'metrik'",
            "did you mean 'metric'?",
        ),
        ("project: x\nchecks:\n  - metric: a\n", 3, "checks.0: 'type' is missing", None),
        ("project: x\nrelease:\n  canary:\n    share: 3\n", 4, "release.canary.share: Expected float <= 1.0", None),
        (
            "project: x\npipeline:\n  entrypoint: a:b\n  parameters:\n    good: 1\n    bad: [1]\n",
            6,
            "pipeline.parameters.bad: Expected",
            None,
        ),
        ("project: x\nmonitors:\n  m: {type: data_drift, window: 3 years}\n", 3, "'3 years' is not a duration", "30d"),
        (
            "project: x\ndatasets:\n  flights: {path: d}\nmonitors:\n  m: {type: validation, dataset: flihgts}\n",
            5,
            "there is no dataset 'flihgts'",
            "did you mean 'flights'?",
        ),
        (
            "project: x\ntriggers:\n  t: {type: alert, monitors: [m]}\n",
            3,
            "there is no monitor 'm'",
            "known monitors: none",
        ),
        ("project: x\ntriggers:\n  t: {type: schedule, cron: 61 * * * *}\n", 3, "is not a cron expression", None),
        ("project: x\nchannels:\n  - {type: webhook}\n", 3, "a webhook needs a 'url'", None),
        ("project: x\npipeline: {entrypoint: train}\n", 2, "'train' names no function", "module:function"),
        ("project: [", 1, "this is not YAML", None),
        ("- a\n", 1, "expected settings", None),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, line: int, said: str, hint: str | None) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert f"{path}:{line}" in caught.value.message
    assert said in caught.value.message
    if hint:
        assert caught.value.hint is not None
        assert hint in caught.value.hint


def test_overlays_merge_mappings_and_name_themselves_in_errors(tmp_path: Path) -> None:
    path = write(tmp_path, "project: x\nrelease: {canary: {share: 0.1, min_predictions: 7}}\nseed: 1\n")
    overlay = write(tmp_path, "release: {canary: {share: 0.5}}\n", "environments/production.yaml")
    settings = load_settings(path, environment="production")
    assert settings.release.canary is not None
    assert (settings.release.canary.share, settings.release.canary.min_predictions, settings.seed) == (0.5, 7, 1)
    overlay.write_text("# a comment\nrelease: {canary: {shore: 0.5}}\n")
    with pytest.raises(SettingsError, match=r"production\.yaml:2"):
        load_settings(path, environment="production")
    with pytest.raises(SettingsError, match="there is no environment 'staging'") as caught:
        load_settings(path, environment="staging")
    assert caught.value.hint == "known environments: production"


def test_variables_are_filled_in_and_missing_ones_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "project: x\nchannels:\n  - {type: webhook, url: 'http://${HOST:-localhost}/${SECRET}'}\n")
    monkeypatch.delenv("SECRET", raising=False)
    with pytest.raises(SettingsError, match="the variable SECRET is not set"):
        load_settings(path)
    monkeypatch.setenv("SECRET", "s3cret")
    assert load_settings(path).channels[0].url == "http://localhost/s3cret"
    assert load_settings(path, resolve=False).channels[0].url == "http://${HOST:-localhost}/${SECRET}"


def test_the_schema_accepts_what_the_settings_accept() -> None:
    import jsonschema

    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    good = {"project": "x", "checks": [msgspec.to_builtins(MetricThreshold(metric="f1", min=0.5))]}
    assert validator.is_valid(good)
    assert not validator.is_valid({"project": "x", "modle": {}})


def test_the_reference_says_something_of_every_section() -> None:
    text = markdown()
    for heading in ("## checks", "### type: no_regression", "### type: data_drift", "### type: schedule", "## serving"):
        assert heading in text


def refused(tmp_path: Path, text: str, **overlays: str) -> SettingsError:
    (tmp_path / "environments").mkdir(exist_ok=True)
    (tmp_path / "mainspring.yaml").write_text(text)
    for name, laid in overlays.items():
        (tmp_path / "environments" / f"{name}.yaml").write_text(laid)
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "mainspring.yaml", environment=next(iter(overlays), None))
    return caught.value


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("project: a\nproject: b\n", "mainspring.yaml:2:1: the key 'project' stands here twice", "keep one"),
        (
            "project: a\nmodel: {name: m, task: binry}\n",
            "model.task: 'binry' is not known here",
            "did you mean 'binary'",
        ),
        ("project: a\nmodel: {name: 'm/n'}\n", "mainspring.yaml:2: model.name: 'm/n' is no name", "letters"),
        (
            "project: a\nchecks: [{type: metric, metric: auc}]\n",
            "there is no metric 'auc' here",
            "did you mean 'roc_auc'",
        ),
        ("project: a\nrelease: {canary: {metric: roc_auc}}\n", "there is no metric 'roc_auc' here", "brier"),
        (
            "project: a\nmonitors:\n  p: {type: performance, metric: acc}\n",
            "mainspring.yaml:3: monitors.p.metric",
            "f1",
        ),
        ("project: a\nserving: {timeout: soon}\n", "serving.timeout: 'soon' is not a duration", "30s"),
    ],
)
def test_what_used_to_be_found_out_late_is_said_at_once(tmp_path: Path, text: str, said: str, hint: str) -> None:
    error = refused(tmp_path, text)
    assert said in error.message
    assert hint in str(error.hint)


def test_a_variable_that_is_not_set_is_found_where_it_stands(tmp_path: Path) -> None:
    error = refused(
        tmp_path, "project: a\n", live='seed: 1\nchannels:\n  - {type: webhook, url: "${NO_SUCH_VARIABLE}"}\n'
    )
    assert "live.yaml:3: ${NO_SUCH_VARIABLE} is used" in error.message


def test_names_of_metrics_are_those_that_can_be_computed() -> None:
    from mainspring.base.settings import metrics
    from mainspring.measures.metric import METRICS
    from mainspring.serving.canary import LOSSES

    assert tuple(METRICS) == metrics.METRICS
    assert metrics.LOSSES == LOSSES


def test_what_was_kept_of_a_file_holds_while_its_text_does(tmp_path: Path) -> None:
    file = write(tmp_path, "project: a\nseed: 1\n")
    overlay = write(tmp_path, "seed: 2\n", "environments/live.yaml")
    assert load_settings(file).project == "a"
    assert not (tmp_path / ".mainspring").exists()  # nothing is kept where there is no workspace yet
    kept = tmp_path / ".mainspring" / "index"
    kept.mkdir(parents=True)
    assert [load_settings(file, environment=name).seed for name in (None, "live", None)] == [1, 2, 1]
    assert {path.name for path in kept.iterdir()} == {"settings.mainspring", "settings.live"}
    then = file.stat().st_mtime_ns
    file.write_text("project: b\nseed: 1\n")
    os.utime(file, ns=(then, then))  # of the same size and age
    assert load_settings(file).project == "b"
    overlay.write_text("seed: [")
    with pytest.raises(SettingsError, match=r"live\.yaml:1"):
        load_settings(file, environment="live")
    for path in kept.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert load_settings(file).project == "b"
    file.unlink()
    with pytest.raises(SettingsError, match="cannot read"):
        load_settings(file)


def test_what_is_wrong_or_would_not_come_back_as_it_was_is_not_kept(tmp_path: Path) -> None:
    kept = tmp_path / ".mainspring" / "index"
    kept.mkdir(parents=True)
    for _ in range(2):
        with pytest.raises(SettingsError, match="Expected int"):
            load_settings(write(tmp_path, "project: a\nseed: 2020-01-01\n"))
        with pytest.raises(SettingsError, match="secret"):
            text = "project: a\nremotes: {r: {url: s3://b/x, credentials: {secret_access_key: abc}}}\n"
            load_settings(write(tmp_path, text))
    assert list(kept.iterdir()) == []
