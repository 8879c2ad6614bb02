"""Searching runs, experiments and logged models: what passes, in which order, page by page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base.errors import NotFound, UsageError
from mainspring.tracking import experiments, logged_models, runs
from mainspring.tracking.batch import ModelPoint, log_batch, point
from mainspring.tracking.filters import Dataset
from mainspring.tracking.lineage import ReadDataset, log_inputs, log_outputs
from mainspring.tracking.query import (
    ModelOrder,
    list_runs,
    search_datasets,
    search_experiments,
    search_logged_models,
    search_runs,
)
from mainspring.tracking.records import run_drivers, run_search, run_sorting

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from mainspring.store.workspace import Workspace

START = 1_700_000_000_000


@pytest.fixture
def wine(workspace: Workspace) -> str:
    return experiments.create_experiment(workspace, "wine").id


def make(
    workspace: Workspace,
    experiment: str,
    name: str,
    *,
    at: int = 0,
    auc: float | None = None,
    params: dict[str, object] | None = None,
    tags: dict[str, object] | None = None,
) -> str:
    made = runs.create_run(workspace, experiment, name=name, started_at=START + at, params=params, tags=tags)
    if auc is not None:
        log_batch(workspace, made.id, metrics=[point("auc", auc)])
    return made.id


def names(workspace: Workspace, experiment: str, filter: str = "", *order_by: str, view: str = "active") -> list[str]:
    found = search_runs(workspace, [experiment], filter=filter, order_by=order_by, view=view)
    return [run.name for run in found.items]


def walk(workspace: Workspace, experiment: str, *order_by: str, size: int = 2) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page = search_runs(workspace, [experiment], order_by=order_by, limit=size, page=token)
        found += [run.name for run in page.items]
        if (token := page.next) is None:
            return found


def test_numbers_then_nan_then_nothing(workspace: Workspace, wine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"a": 0.5, "b": math.nan, "c": None, "d": math.inf, "e": -math.inf, "f": 0.5, "g": None, "h": math.nan}
    for number, (name, auc) in enumerate(values.items()):
        make(workspace, wine, name, at=number, auc=auc)
    for few in (500, 0):  # sorted, and along the index
        monkeypatch.setattr(run_sorting, "SORTED", few)
        assert "".join(names(workspace, wine, "", "metrics.auc")) == "efadhbgc"
        assert "".join(names(workspace, wine, "", "metrics.auc DESC")) == "dfaehbgc"
        assert "".join(names(workspace, wine, "", "metrics.auc", "start_time")) == "eafdbhcg"
        assert "".join(names(workspace, wine, "", "metrics.nope")) == "hgfedcba"
        assert "".join(names(workspace, wine, "metrics.auc != 0.5")) == "hedb"
        assert "".join(names(workspace, wine, "metrics.auc >= 0.5")) == "fda"
        assert "".join(names(workspace, wine, "metrics.auc >= 0.5", "metrics.auc")) == "fad"
        for size in (1, 3):
            assert "".join(walk(workspace, wine, "metrics.auc DESC", size=size)) == "dfaehbgc"
            assert "".join(walk(workspace, wine, "metrics.auc", "run_name DESC", size=size)) == "efadhbgc"


def test_few_or_many_pass_a_filter(workspace: Workspace, wine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        make(workspace, wine, str(number), at=number, auc=number / 10, tags={"even": number % 2 == 0})
    for few in (2000, 1):  # looked up first, and asked of each run
        monkeypatch.setattr(run_drivers, "FEW", few)
        assert names(workspace, wine, "metrics.auc > 0.2 AND tags.even = 'True'") == ["4"]
        assert names(workspace, wine, "metrics.auc < 0.4 AND metrics.auc > 0") == ["3", "2", "1"]
        assert names(workspace, wine, "metrics.auc = 0.3") == ["3"]


def test_texts(workspace: Workspace, wine: str) -> None:
    first = make(workspace, wine, "First", at=1, params={"a": "x"}, tags={"t": "Ab%"})
    make(workspace, wine, "second", at=0, params={"a": "y"})
    assert names(workspace, wine, "params.a != 'x'") == ["second"]
    assert names(workspace, wine, "tags.t != 'x'") == ["First"]  # what has no such tag neither is nor is not 'x'
    assert names(workspace, wine, "tags.t IS NULL") == ["second"]
    assert names(workspace, wine, "tags.t IS NOT NULL") == ["First"]
    assert names(workspace, wine, "", "artifact_uri DESC") == list(reversed(names(workspace, wine, "", "artifact_uri")))
    assert names(workspace, wine, "tags.t LIKE 'ab_'") == []
    assert names(workspace, wine, "tags.t ILIKE 'aB_'") == ["First"]
    assert names(workspace, wine, "run_name LIKE 'F%'") == ["First"]
    assert names(workspace, wine, "tags.`mlflow.runName` = 'second'") == ["second"]
    assert names(workspace, wine, "", "tags.`mlflow.runName`") == ["First", "second"]
    assert names(workspace, wine, "tags.`mlflow.runName` IS NOT NULL") == ["First", "second"]
    log_batch(workspace, first, tags={"mlflow.runName": "renamed"})
    assert names(workspace, wine, "run_name = 'renamed' AND tags.mlflow.runName LIKE 'ren%'") == ["renamed"]
    log_batch(workspace, first, tags={"mlflow.runName": "First"})
    assert names(workspace, wine, f"run_id = '{first}'") == ["First"]
    assert names(workspace, wine, f"run_id NOT IN ('{first}')") == ["second"]
    assert names(workspace, wine, f"artifact_uri = 'mlflow-artifacts:/{wine}/{first}/artifacts'") == ["First"]
    assert names(workspace, wine, "status = 'RUNNING' AND user_id != ''") == ["First", "second"]
    with pytest.raises(UsageError, match="10000 characters"):
        names(workspace, wine, f"tags.t LIKE '{'%a' * 6000}'")


def test_datasets(workspace: Workspace, wine: str) -> None:
    run = make(workspace, wine, "reader")
    make(workspace, wine, "other")
    read = [
        ReadDataset(
            name="train", digest="d1", source_type="local", source="x", tags={"mlflow.data.context": "training"}
        ),
        ReadDataset(name="test", digest="d2", source_type="local", source="x"),
    ]
    log_inputs(workspace, run, datasets=read)
    for text in (
        "dataset.name = 'train' AND dataset.digest = 'd2'",
        "dataset.context != 'eval'",
        "dataset.name LIKE 't%'",
    ):
        assert names(workspace, wine, text) == ["reader"]
    for text in ("dataset.context != 'training'", "dataset.context = ''", "dataset.name IN ('x')"):
        assert names(workspace, wine, text) == []
    assert [(use.name, use.digest, use.context) for use in search_datasets(workspace, [wine])] == [
        ("test", "d2", ""),
        ("train", "d1", "training"),
    ]


def test_views(workspace: Workspace, wine: str) -> None:
    gone = experiments.create_experiment(workspace, "gone").id
    make(workspace, wine, "a", at=1)
    runs.delete_run(workspace, make(workspace, wine, "b", at=2))
    make(workspace, gone, "c", at=3)
    experiments.delete_experiment(workspace, gone)
    for view, expected in (("active", "a"), ("deleted", "cb"), ("all", "cba")):
        found = search_runs(workspace, [wine, gone], view=view).items
        assert "".join(run.name for run in found) == expected
        assert all((run.lifecycle == "active") == (run.name == "a") for run in found)
    assert search_runs(workspace, None).items[0].name == "a"
    assert search_runs(workspace, []).items == []
    assert search_runs(workspace, ["nobody"]).items == []


@pytest.mark.parametrize(
    "order_by", [[], ["metrics.auc"], ["metrics.auc DESC"], ["params.p DESC"], ["end_time", "run_name"]]
)
@pytest.mark.parametrize("few", [500, 0])
def test_pages_stay_while_runs_are_written(
    workspace: Workspace, wine: str, order_by: list[str], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_sorting, "SORTED", few)
    for number in range(20):
        auc = None if number % 5 == 0 else math.nan if number % 5 == 1 else number % 3 / 10
        params = {"p": number % 3} if number % 2 else {}
        run = make(workspace, wine, f"{number:02}", at=number // 2, auc=auc, params=params)
        if number % 3 == 0:
            runs.update_run(workspace, run, status="finished", ended_at=START + 100 + number % 2)
    before = [run.name for run in search_runs(workspace, [wine], order_by=order_by).items]
    found: list[str] = []
    token = None
    for late in range(100):
        page = search_runs(workspace, [wine], order_by=order_by, limit=3, page=token)
        found += [run.name for run in page.items if run.name in before]
        make(workspace, wine, f"late {late}", at=late, auc=late / 50, params={"p": late % 4})
        if (token := page.next) is None or len(found) >= len(before):
            break
    assert found == before


def test_tokens(workspace: Workspace, wine: str) -> None:
    for number in range(3):
        make(workspace, wine, str(number), at=number)
    token = search_runs(workspace, [wine], limit=1).next
    assert token is not None
    assert [run.name for run in search_runs(workspace, [wine, wine], limit=2, page=token).items] == ["1", "0"]
    others = [
        {"filter": "metrics.a > 1"},
        {"order_by": ["run_name"]},
        {"view": "all"},
    ]
    for other in others:
        with pytest.raises(UsageError, match="belongs to another search"):
            search_runs(workspace, [wine], page=token, **other)  # type: ignore[arg-type]  # one of several arguments
    with pytest.raises(UsageError, match="belongs to another search"):
        search_experiments(workspace, page=token)
    for text in ("x", "é", token[:-8], "eyJvZmZzZXQiOiAxfQ=="):
        with pytest.raises(UsageError, match=r"page token|another search"):
            search_runs(workspace, [wine], page=text)


def test_what_cannot_be_asked(workspace: Workspace, wine: str) -> None:
    for limit in (0, -1, 50_001):
        with pytest.raises(UsageError, match="a page can hold"):
            search_runs(workspace, [wine], limit=limit)
    with pytest.raises(UsageError, match="twice"):
        search_runs(workspace, [wine], order_by=["start_time", "created DESC"])
    with pytest.raises(UsageError, match="is no view"):
        search_runs(workspace, [wine], view="some")
    with pytest.raises(UsageError, match="at most 20 things"):
        search_runs(workspace, [wine], order_by=[f"metrics.a{number}" for number in range(21)])
    with pytest.raises(NotFound, match="no experiment 'win'"):
        list_runs(workspace, "win")
    assert len(search_runs(workspace, [wine, *(str(number) for number in range(5000))]).items) == 0


@pytest.mark.parametrize(
    ("filter", "order_by", "index"),
    [
        ("", [], "ix_runs_newest"),
        ("tags.a IS NULL", ["start_time"], "ix_runs_newest"),
        ("tags.a LIKE 'x'", ["start_time"], "sqlite_autoindex_runs_1"),
        ("metrics.auc > 0.9", [], "sqlite_autoindex_runs_1"),
        ("tags.a = 'x'", ["start_time"], "sqlite_autoindex_runs_1"),
        ("", ["metrics.auc DESC"], "ix_latest_metrics_key_value_run_id"),
        ("", ["params.p DESC"], "ix_params_key_value_run_id"),
        ("", ["artifact_uri DESC"], "SCAN runs USING INDEX sqlite_autoindex_runs_1"),
    ],
)
def test_indexes_are_used(
    workspace: Workspace, wine: str, filter: str, order_by: list[str], index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if workspace.database.engine.dialect.name != "sqlite":
        pytest.skip("only SQLite is told what to read first")
    monkeypatch.setattr(run_sorting, "SORTED", 0)
    for number in range(3):
        make(workspace, wine, str(number), at=number, auc=number / 10, params={"p": number})
    plans: list[str] = []
    rows = run_sorting.rows_of

    def watched(connection: Connection, query: Select[Any]) -> list[tuple[Any, ...]]:
        text = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
        given = tuple(text.params[name] for name in text.positiontup or ())
        plans.extend(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given))
        return rows(connection, query)

    for module in (run_search, run_sorting):
        monkeypatch.setattr(module, "rows_of", watched)
    search_runs(workspace, [wine], filter=filter, order_by=order_by, limit=2)
    assert any(index in line for line in plans), plans
    assert not any(
        line.startswith(("SCAN runs", "SCAN latest", "SCAN first")) for line in plans if index not in line
    ), plans
    few = index in ("sqlite_autoindex_runs_1", "ix_params_key_value_run_id")
    assert "USE TEMP B-TREE FOR ORDER BY" not in plans or few, plans


def test_experiments(workspace: Workspace) -> None:
    for name, team in (("a", "red"), ("B", "white"), ("c", None)):
        experiments.create_experiment(workspace, name, tags={} if team is None else {"team": team})
    experiments.delete_experiment(workspace, "c")

    def found(filter: str = "", *order_by: str, view: str = "active") -> list[str]:
        page = search_experiments(workspace, filter=filter, order_by=order_by, view=view)
        return [item.name for item in page.items if item.name != "Default"]

    assert found("", "name DESC") == ["a", "B"]
    assert found(view="deleted") == ["c"]
    assert found("", "name", view="all") == ["B", "a", "c"]
    assert found("tags.team != 'red'") == ["B"]
    assert found("tags.team IS NULL", view="all") == ["c"]
    assert found("name ILIKE 'b'") == ["B"]
    assert found(f"creation_time < {START}") == []
    [one] = search_experiments(workspace, filter="name = 'a'").items
    assert one.tags == {"team": "red"}
    assert found(f"experiment_id IN ('{one.id}')") == ["a"]
    pages, token = [], None
    while True:
        page = search_experiments(workspace, order_by=["last_update_time"], limit=1, page=token, view="all")
        pages += [item.name for item in page.items]
        if (token := page.next) is None:
            break
    assert sorted(pages) == sorted(["a", "B", "c", *(["Default"] if "Default" in pages else [])])


def test_logged_models(workspace: Workspace, wine: str) -> None:
    run = make(workspace, wine, "run")
    ids = {}
    for name, value, dataset in (("a", 0.5, "train"), ("b", 0.9, "test"), ("c", math.nan, "test"), ("d", None, "")):
        model = logged_models.create_logged_model(workspace, wine, name=name, params={"p": name}, tags={"t": "x"})
        ids[name] = model.id
        if value is not None:
            log_batch(workspace, run, measured=[ModelPoint(model.id, "auc", 0, START, value, dataset, "d1")])
    logged_models.finalize_logged_model(workspace, ids["a"], "ready")
    log_outputs(workspace, run, [(ids["a"], 3)])

    def found(filter: str = "", *order_by: ModelOrder, **more: object) -> str:
        page = search_logged_models(workspace, [wine], filter=filter, order_by=order_by, **more)  # type: ignore[arg-type]  # one of several arguments
        return "".join(model.name for model in page.items)

    assert found() == "dcba"
    assert found("metrics.auc > 0.1") == "ba"
    assert found("params.p IN ('a', 'd') AND tags.t LIKE '_'") == "da"
    assert found("status = 'READY'") == "a"
    assert found(f"model_id = '{ids['b']}' AND creation_timestamp > 5") == "b"
    assert found("", ModelOrder(field="metrics.auc")) == "abdc"
    assert found("", ModelOrder(field="metrics.auc", ascending=False)) == "badc"
    assert found("", ModelOrder(field="metrics.auc", dataset=Dataset("test", ""))) == "bdca"
    assert found("", ModelOrder(field="name")) == "abcd"
    assert found(datasets=[Dataset("test", "")]) == "cb"
    assert found("metrics.auc > 0.1", datasets=[Dataset("train", "d1")]) == "a"
    first = search_logged_models(workspace, [wine], limit=3)
    assert first.next is not None
    assert [model.name for model in search_logged_models(workspace, [wine], page=first.next).items] == ["a"]
    with pytest.raises(UsageError, match="another search"):
        search_logged_models(workspace, [wine], page=first.next, filter="name = 'a'")
    for order in (ModelOrder(field="params.p"), ModelOrder(field="nothing"), ModelOrder(field="metrics.")):
        with pytest.raises(UsageError):
            found("", order)
    [info] = search_runs(workspace, [wine]).items
    assert info.lineage.models_made == [(ids["a"], 3)]
