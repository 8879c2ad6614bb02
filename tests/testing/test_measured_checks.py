"""Latency, memory and skew: checks that start processes of their own."""

from __future__ import annotations

import numpy as np
import polars as pl
import psutil
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from mainspring.base.errors import ExternalToolError, InvalidData
from mainspring.base.settings.checks import Latency, Memory, Skew
from mainspring.testing import endpoint as endpoints
from mainspring.testing.checks import latency, memory, skew
from mainspring.testing.checks.dispatch import answer
from mainspring.testing.checks.skew import changes, wrong_tables
from mainspring.testing.endpoint import Reply, served
from mainspring.testing.stopwatch import Reading, measure
from mainspring.versioning.candidate import Candidate
from mainspring.versioning.scoring import Scores
from mainspring.versioning.signature import infer_signature


@pytest.mark.slow
def test_latency_is_measured_with_an_upper_bound(lab) -> None:
    context = lab.context(lab.candidate(300, 300))
    verdict = answer(Latency(max_ms=10_000, requests=50, quantile=0.9), context)[0]
    assert verdict.status == "pass"
    assert verdict.check == "latency p90"
    assert verdict.n >= 50
    low, high = verdict.interval
    assert low <= verdict.estimate <= high < 10_000
    assert {"median_ms", "cpu_ms", "machine", "measured"} <= set(verdict.evidence)


def test_a_p99_gets_as_many_requests_as_its_bound_needs(lab, monkeypatch) -> None:
    asked = {}

    def reading(workspace, artifact, what, *, fewest, most, seconds) -> Reading:
        asked.update(fewest=fewest, most=most)
        times = np.linspace(1, 2, fewest).tolist()
        return Reading(wall_ms=times, cpu_ms=times, calibration_ms=[0.03] * fewest)

    monkeypatch.setattr(latency, "measure", reading)
    context = lab.context(lab.candidate(200, 200))
    verdict = answer(Latency(max_ms=2.5), context)[0]
    assert (verdict.status, asked) == ("pass", {"fewest": 437, "most": 3 * 437})
    assert answer(Latency(max_ms=0.5), context)[0].status == "fail"
    assert answer(Latency(max_ms=1.99), context)[0].status == "inconclusive"


def test_slow_by_the_clock_on_a_busy_machine_is_inconclusive(lab, monkeypatch) -> None:
    def busy(workspace, artifact, what, *, fewest, most, seconds) -> Reading:
        return Reading(wall_ms=[90.0] * fewest, cpu_ms=[2.0] * fewest, calibration_ms=[0.03, 0.9] * fewest)

    monkeypatch.setattr(latency, "measure", busy)
    verdict = answer(Latency(max_ms=50), lab.context(lab.candidate(200, 200)))[0]
    assert verdict.status == "inconclusive"
    assert verdict.evidence["machine"]["busy"]
    assert "the machine was busy" in verdict.reason


@pytest.mark.slow
def test_memory_is_that_of_a_fresh_process(lab) -> None:
    ballast = np.ones(40_000_000)  # 320 MB in this process must not count
    context = lab.context(lab.candidate(300, 300))
    verdict = answer(Memory(max_mb=2000), context)[0]
    assert verdict.status == "pass"
    assert 20 < verdict.estimate < psutil.Process().memory_info().rss / 1e6
    assert verdict.evidence["growth_interval"][0] <= verdict.evidence["growth_mb_per_1000_calls"]
    assert ballast[0] == 1.0


def test_too_much_memory_fails(lab, monkeypatch) -> None:
    monkeypatch.setattr(
        memory, "measure", lambda *a, **k: Reading(peak_bytes=9_000_000, resident_bytes=[8_000_000] * 9)
    )
    verdict = answer(Memory(max_mb=5), lab.context(lab.candidate(200, 200)))[0]
    assert (verdict.status, verdict.estimate, verdict.n) == ("fail", 9.0, 9)


def test_a_model_that_cannot_be_loaded_there_is_told(lab) -> None:
    context = lab.context(lab.candidate(200, 200))
    folder = context.artifact.folder / "model.skops"
    folder.chmod(0o644)
    folder.write_bytes(b"")
    with pytest.raises(InvalidData, match="process of its own"):
        measure(context.workspace, context.artifact, "latency", fewest=5, most=5, seconds=1)


# skew

_SERVED = "a server answers it"


@pytest.mark.slow
def test_a_packaged_model_answers_the_same_through_the_real_endpoint(lab) -> None:
    context = lab.context(lab.candidate(400, 400))
    verdicts = {verdict.check: verdict for verdict in answer(Skew(), context)}
    assert {
        name: (verdict.status, verdict.reason) for name, verdict in verdicts.items() if verdict.status != "pass"
    } == {}
    assert list(verdicts) == ["skew: answers", "skew: batches", "skew: refusals"]
    assert set(verdicts["skew: answers"].evidence["largest_change"]) == {
        f"{protocol}, {how}" for protocol in ("V2", "/invocations") for how in ("32 rows", "1 row", "shuffled columns")
    }
    assert verdicts["skew: refusals"].n == 6
    assert not [child for child in psutil.Process().children(recursive=True) if "serve" in child.cmdline()]


@pytest.mark.slow
def test_text_dates_moments_nulls_and_flags_go_through_the_real_endpoint_unchanged(lab) -> None:
    rng = np.random.default_rng(0)
    n = 600
    some = rng.integers(0, 400, n).tolist()
    table = pl.DataFrame(
        {
            "word": [None if day % 11 == 0 else f"né {day % 5}" for day in some],
            "on": pl.Series(some).cast(pl.Int32).cast(pl.Date),
            "at": pl.Series([day * 86_400_000_123 for day in some]).cast(pl.Datetime("us")),
            "flag": rng.random(n) < 0.5,
            "whole": [None if day % 7 == 0 else day for day in some],
            "number": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "class": rng.choice(["no", 'yes, "quoted"', "maybe"], n),
        }
    )
    features = table.columns[:-1]
    prepare = ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore"), ["word"]),
            ("flags", OrdinalEncoder(), ["flag"]),
            ("numbers", SimpleImputer(), ["whole", "number"]),
        ]
    )
    model = make_pipeline(prepare, DecisionTreeClassifier(max_depth=6, random_state=0))
    train, holdout = table.head(400), table.tail(200)
    model.fit(train.select(features), train["class"].to_numpy())
    candidate = Candidate(
        model=model, train=train, holdout=holdout, features=features, target="class", container="polars"
    )
    verdicts = answer(Skew(), lab.context(candidate))
    assert {verdict.check: verdict.reason for verdict in verdicts if verdict.status != "pass"} == {}
    assert verdicts[2].n == 2 * 8  # unknown, missing, and one a type


class Echo:
    """Stands where the endpoint does: answers by a function of the rows, or with a fixed status."""

    def __init__(self, signature, predict, status: int = 400) -> None:
        self.signature = signature
        self.infer = self.invoke = predict
        self.status = status

    def post_infer(self, rows: pl.DataFrame) -> Reply:
        return Reply(status=self.status, body={})

    post_invocations = post_infer


@pytest.fixture
def through(monkeypatch):
    """Put an endpoint of another behaviour in the place of the server."""
    from contextlib import contextmanager

    def put(make) -> None:
        @contextmanager
        def stand_in(workspace, version, signature):
            yield make(signature)

        monkeypatch.setattr(skew, "served", stand_in)

    return put


def test_a_column_served_in_another_unit_is_named(lab, through) -> None:
    context = lab.context(lab.candidate(400, 400))
    names = context.signature.features

    def in_other_units(rows: pl.DataFrame) -> Scores:
        wrong = rows.select(names).with_columns(pl.when(pl.col("b") > 1).then(pl.col("b") * -60).otherwise(pl.col("b")))
        return context.artifact.predict(wrong)

    through(lambda signature: Echo(signature, in_other_units))
    answers, batches, refusals = answer(Skew(), context)
    assert (answers.status, batches.status, refusals.status) == ("fail", "pass", "pass")
    first = answers.evidence["first_difference"]
    assert first["column"] == "b"
    assert first["rows_that_differ"] > 0
    assert "because of column 'b'" in answers.reason


@pytest.mark.slow
def test_answers_that_depend_on_the_batch_fail(lab, through) -> None:
    context = lab.context(lab.candidate(400, 400))

    def merged(rows: pl.DataFrame) -> Scores:
        found = context.artifact.predict(rows.select(context.signature.features))
        return Scores(np.clip(found.score + (rows.height > 1) * 0.001, 0, 1), found.label)

    through(lambda signature: Echo(signature, merged))
    answers, batches, _ = answer(Skew(), context)
    assert (answers.status, batches.status) == ("fail", "fail")
    assert batches.estimate == pytest.approx(0.001)
    assert answer(Skew(tolerance=0.01), context)[1].status == "pass"


@pytest.mark.parametrize("status", [200, 500])
def test_wrong_tables_that_are_not_refused_fail(lab, through, status: int) -> None:
    context = lab.context(lab.candidate(400, 400))
    through(lambda s: Echo(s, lambda rows: context.artifact.predict(rows.select(s.features)), status))
    refusals = answer(Skew(), context)[2]
    assert refusals.status == "fail"
    assert str(status) in refusals.reason


def test_a_server_that_does_not_come_up_leaves_the_questions_open(lab, monkeypatch) -> None:
    context = lab.context(lab.candidate(200, 200))
    real = endpoints._arguments
    monkeypatch.setattr(endpoints, "_arguments", lambda root, *words: real(root, "no-such-command"))
    verdicts = answer(Skew(), context)
    assert {verdict.status for verdict in verdicts} == {"inconclusive"}
    assert "failed in the throw-away workspace" in verdicts[0].reason


@pytest.mark.slow
def test_the_server_is_ended_when_the_test_raises(lab) -> None:
    context = lab.context(lab.candidate(200, 200))
    with (
        pytest.raises(RuntimeError, match=_SERVED),
        served(context.workspace, context.version, context.signature) as it,
    ):
        assert it.get("/v2/health/ready").status == 200
        raise RuntimeError(_SERVED)
    with pytest.raises(ExternalToolError, match="did not answer"):
        it.get("/v2/health/ready")


def test_changes_of_answers() -> None:
    nan = float("nan")
    wanted = Scores(np.array([[0.2, 0.8], [nan, nan]]), np.array([1.0, 0.0]))
    change, beyond = changes(wanted, wanted, 1e-9)
    assert (change.tolist(), beyond.tolist()) == ([0.0, 0.0], [False, False])
    flipped = Scores(wanted.score, np.array([0.0, 0.0]))
    assert changes(flipped, wanted, 1.0)[1].tolist() == [True, False]
    lost = Scores(np.array([[0.2, nan], [nan, nan]]), wanted.label)
    assert changes(lost, wanted, 1.0)[1].tolist() == [True, False]
    with pytest.raises(InvalidData):
        changes(Scores(np.zeros(2), np.zeros(2)), wanted, 1.0)


def test_every_type_of_column_is_tried_with_another() -> None:
    frame = pl.DataFrame({"f": [1.0], "i": [1], "s": ["a"], "b": [True], "d": pl.Series([0]).cast(pl.Date), "y": [0]})
    signature = infer_signature(frame, ["f", "i", "s", "b", "d"], "y")
    tables = wrong_tables(signature, frame.drop("y"))
    assert len(tables) == 7
    for table in tables.values():
        with pytest.raises(InvalidData):
            signature.conform(table)
