"""The rule that judges releases under way, on predictions as servers write them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from mainspring.base.clock import now
from mainspring.base.errors import SettingsError
from mainspring.base.ids import new_id
from mainspring.base.settings.schema import CanarySettings, ShadowSettings
from mainspring.serving import canary, labels, releases, segments
from mainspring.serving.answered import Record, frame_of
from mainspring.serving.predictor import Answer
from mainspring.versioning import models
from serving.scene import make_workspace
from serving.test_releases import champion_and_next, served, stages

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace


def traffic(
    workspace: Workspace,
    role: str,
    version: str,
    n: int,
    *,
    errors: float = 0.0,
    correct: float | None = None,
    milliseconds: float = 1.0,
    seed: int = 0,
) -> None:
    """Record predictions, and labels for all of them when ``correct`` says how often they are right."""
    random = np.random.default_rng(seed)
    at = now()
    made = []
    truths = []
    for _ in range(n):
        failed = random.random() < errors
        score = random.random()
        answer = None if failed else Answer(np.array([score]), np.array([float(score > 0.5)]))
        record = Record(
            endpoint="m", version=version, role=role, status="error" if failed else "ok", ids=[new_id()], at=at,
            event_times=None, key="k", latency_ms=milliseconds * random.lognormal(0, 0.3), answer=answer,
        )  # fmt: skip
        made.append(record)
        if correct is not None and not failed:
            right = float(score > 0.5)
            truths.append((record.ids[0], at, right if random.random() < correct else 1 - right, at))
    frame = frame_of(made)
    segments.write(segments.folder(workspace, "predictions", "m"), frame, at=at, writer="test")
    if truths:
        frame = pl.DataFrame(truths, schema=labels.SCHEMA, orient="row")
        segments.write(segments.folder(workspace, "labels", "m"), frame, at=at, writer="test")


def judged(workspace: Workspace, *, began: int = 60_000, **settings: object) -> canary.Judgement:
    wanted = CanarySettings(**settings)  # type: ignore[arg-type]  # settings by name
    return canary.judge_canary(workspace, "m", wanted, canary="1.1.0", champion="1.0.0", since=now() - began)


def test_waits_promotes_and_never_before_enough(workspace: Workspace) -> None:
    assert judged(workspace).decision == "wait"
    traffic(workspace, "champion", "1.0.0", 1000)
    traffic(workspace, "canary", "1.1.0", 99, seed=1)
    assert judged(workspace, min_predictions=100).decision == "wait"
    traffic(workspace, "canary", "1.1.0", 1, seed=2)
    assert judged(workspace, min_predictions=100).decision == "promote"
    waiting = judged(workspace, min_predictions=100, min_labels=1)
    assert (waiting.decision, waiting.reason) == ("wait", "0 of 1 labels")


def test_labels_have_to_show_that_it_is_no_worse(workspace: Workspace) -> None:
    wanted = {"metric": "brier", "min_predictions": 100, "min_labels": 50, "max_performance_loss": 0.08, "share": 0.2}
    traffic(workspace, "champion", "1.0.0", 400, correct=0.9)
    traffic(workspace, "canary", "1.1.0", 100, correct=0.9, seed=1)
    open_still = judged(workspace, **wanted)
    assert (open_still.decision, open_still.undecided) == ("wait", False)
    loss = open_still.harms[-1]
    assert loss.interval is not None
    assert loss.interval[0] < 0.08 < loss.interval[1]
    assert loss.n_needed is not None
    assert 100 < loss.n_needed < 3000
    assert f"about {loss.n_needed} labelled answers of the canary would show it" in open_still.reason
    day = 86_400_000
    for after, decision in (("wait", "wait"), ("promote", "promote"), ("roll back", "roll back")):
        late = judged(workspace, **wanted, began=2 * day, patience="1d", when_undecided=after)
        assert (late.decision, late.undecided) == (decision, True)
        assert late.reason.startswith("inconclusive after 1d: neither worse nor")
    traffic(workspace, "champion", "1.0.0", 6 * loss.n_needed, correct=0.9, seed=2)
    traffic(workspace, "canary", "1.1.0", 2 * loss.n_needed, correct=0.9, seed=3)
    shown = judged(workspace, **wanted)
    assert shown.decision == "promote", shown
    assert "shown to be no worse" in shown.reason
    assert judged(workspace, **{**wanted, "min_labels": 0, "max_performance_loss": 0.001}).decision == "promote"


@pytest.mark.slow
def test_an_undecided_canary_stays_and_says_so_once(tmp_path: Path, state: str) -> None:
    setting = "{min_predictions: 50, min_labels: 5000, patience: 1s}"
    workspace = make_workspace(tmp_path, f"release: {{canary: {setting}}}\n{state}")
    first, second = champion_and_next(workspace)
    releases.release(workspace, "m", second, reason="better")
    traffic(workspace, "champion", first, 400, correct=0.9)
    traffic(workspace, "canary", second, 100, correct=0.9, seed=1)
    deadline = time.monotonic() + 30
    while not (moved := releases.advance(workspace)) and time.monotonic() < deadline:
        time.sleep(0.05)
    [held] = moved
    assert held.state == "canary"
    assert held.evidence["phases"][-1]["undecided"]["reason"] == "inconclusive after 1s: 100 of 5000 labels"
    assert releases.advance(workspace) == []
    assert served(workspace) == {"champion": first, "canary": second}
    workspace.close()


def test_errors_roll_back(workspace: Workspace) -> None:
    traffic(workspace, "champion", "1.0.0", 1000)
    traffic(workspace, "canary", "1.1.0", 100, errors=0.3, seed=1)
    judgement = judged(workspace)
    assert judgement.decision == "roll back"
    assert "error rate" in judgement.reason
    [errors] = [harm for harm in judgement.harms if harm.worse]
    assert errors.interval is not None
    assert errors.interval[0] > 0.01
    assert (errors.n_canary, errors.n_champion) == (100, 1000)


def test_errors_that_the_champion_makes_as_well_do_not(workspace: Workspace) -> None:
    traffic(workspace, "champion", "1.0.0", 2000, errors=0.2)
    traffic(workspace, "canary", "1.1.0", 600, errors=0.2, seed=1)
    assert judged(workspace, min_predictions=400).decision == "promote"


def test_slowness_rolls_back(workspace: Workspace) -> None:
    traffic(workspace, "champion", "1.0.0", 1000)
    traffic(workspace, "canary", "1.1.0", 300, milliseconds=10, seed=1)
    judgement = judged(workspace)
    assert (judgement.decision, "latency" in judgement.reason) == ("roll back", True)


@pytest.mark.parametrize("metric", ["accuracy", "brier", "log_loss", "mae", "squared_error"])
def test_worse_labels_roll_back(workspace: Workspace, metric: str) -> None:
    traffic(workspace, "champion", "1.0.0", 3000, correct=0.95)
    traffic(workspace, "canary", "1.1.0", 1000, correct=0.5, seed=1)
    judgement = judged(workspace, metric=metric)
    assert judgement.decision == "roll back"
    assert metric in judgement.reason


def test_only_what_came_since_counts(workspace: Workspace) -> None:
    traffic(workspace, "champion", "1.0.0", 500)
    traffic(workspace, "canary", "1.1.0", 500, errors=0.5)
    wanted = CanarySettings()
    later = canary.judge_canary(workspace, "m", wanted, canary="1.1.0", champion="1.0.0", since=now() + 1)
    assert (later.decision, later.predictions) == ("wait", 0)


def test_a_metric_of_sets_is_refused(workspace: Workspace) -> None:
    with pytest.raises(SettingsError, match="roc_auc"):
        judged(workspace, metric="roc_auc")


@pytest.mark.parametrize(
    ("errors", "n", "decision"),
    [(0.0, 30, "wait"), (0.0, 50, "promote"), (0.2, 50, "roll back"), (1.0, 5, "roll back")],
)
def test_shadows(workspace: Workspace, errors: float, n: int, decision: str) -> None:
    traffic(workspace, "shadow", "1.1.0", n, errors=errors)
    wanted = ShadowSettings(min_predictions=50, max_error_rate=0.02)
    assert canary.judge_shadow(workspace, "m", wanted, shadow="1.1.0", since=0).decision == decision


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans()), min_size=2, max_size=30))
def test_losses_are_those_of_sklearn(rows: list[tuple[float, bool]]) -> None:
    score = np.array([row[0] for row in rows])
    truth = np.array([float(row[1]) for row in rows])
    frame = pl.DataFrame({"score": score, "truth": truth, "label": (score > 0.5).astype(float)})
    assert canary.losses(frame, "brier").mean() == pytest.approx(brier_score_loss(truth, score))
    assert canary.losses(frame, "log_loss").mean() == pytest.approx(log_loss(truth, score, labels=[0, 1]))


def test_losses_of_many_classes() -> None:
    matrix = [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]
    columns = {"score": [0.7, 0.8], "label": [0.0, 2.0], "truth": [0.0, 1.0], "scores": matrix}
    frame = pl.DataFrame(columns)
    assert canary.losses(frame, "accuracy").tolist() == [0, 1]
    assert canary.losses(frame, "log_loss") == pytest.approx([-np.log(0.7), -np.log(0.1)])
    assert canary.losses(frame, "brier") == pytest.approx([(0.09 + 0.04 + 0.01) / 2, (0.01 + 0.81 + 0.64) / 2])


def test_a_release_goes_all_the_way(tmp_path: Path, state: str) -> None:
    settings = "release: {shadow: {min_predictions: 50}, canary: {min_predictions: 50}}\n"
    workspace = make_workspace(tmp_path, settings + state)
    first, second = champion_and_next(workspace)
    releases.release(workspace, "m", second, reason="better")
    assert releases.advance(workspace) == []
    traffic(workspace, "shadow", second, 50)
    [moved] = releases.advance(workspace)
    assert (moved.state, served(workspace)) == ("canary", {"champion": first, "canary": second})
    assert releases.advance(workspace) == []
    traffic(workspace, "champion", first, 400)
    traffic(workspace, "canary", second, 50, seed=1)
    [moved] = releases.advance(workspace)
    assert (moved.state, served(workspace)) == ("promoted", {"champion": second})
    assert stages(workspace) == {first: "archived", second: "production"}
    [move] = [
        move for move in models.history(workspace, "m") if (move.version, move.to_stage) == (second, "production")
    ]
    judgements = [phase.get("judgement", {}).get("decision") for phase in move.evidence["phases"]]
    assert judgements == ["promote", "promote", None]
    assert releases.advance(workspace) == []
    workspace.close()


def test_a_bad_canary_is_rolled_back_with_the_numbers(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    releases.release(workspace, "m", second, reason="better")
    traffic(workspace, "champion", first, 400)
    traffic(workspace, "canary", second, 100, errors=0.5, seed=1)
    [moved] = releases.advance(workspace)
    assert (moved.state, served(workspace)) == ("rolled_back", {"champion": first})
    assert "error rate" in moved.evidence["ended"]["reason"]
    assert moved.evidence["ended"]["judgement"]["harms"][0]["n_canary"] == 100
    assert stages(workspace) == {first: "production", second: "archived"}
    history = [move for move in models.history(workspace, "m") if move.version == second]
    assert "error rate" in history[-1].reason
