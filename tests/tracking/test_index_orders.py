"""Runs come along an index, or past what need not be sorted, in the order in which sorting them all brings them."""

from __future__ import annotations

import random
from math import inf, nan
from typing import TYPE_CHECKING

import pytest

from mainspring.tracking import experiments, runs
from mainspring.tracking.batch import log_batch, point
from mainspring.tracking.query import search_runs
from mainspring.tracking.records import run_drivers, run_search, run_sorting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.store.workspace import Workspace

LONG = "s3://bucket/" + "a" * 60
VALUES = ["", "a", "a", "a", "a", "a", "a", "a ", "B", "b", "é", "z", "𝒳", LONG + "1", LONG + "2", LONG, "{'x': 1}"]
ORDERS = (
    ["params.p"],
    ["params.p DESC"],
    ["tags.t DESC", "metrics.auc"],
    ["params.p", "tags.t", "start_time"],
    ["params.p DESC", "metrics.auc DESC", "params.own"],
    ["params.own", "run_name"],
    ["params.nobody", "params.p"],
    ["metrics.auc"],
    ["metrics.auc DESC", "params.own"],
    ["metrics.auc", "metrics.loss DESC", "params.p"],
    ["metrics.loss"],
    ["run_name DESC"],
    ["status", "metrics.auc"],
    ["end_time DESC"],
    ["user_id", "params.p"],
)
FILTERS = (
    "",
    "metrics.auc > 0.5",
    "tags.t = 'a' AND params.p != 'B'",
    "params.own = '17'",
    "params.p IS NOT NULL",
    "tags.t LIKE '%a%'",
    "metrics.auc != 0.6",
    "tags.t IS NULL",
)


def fill(workspace: Workspace) -> list[str]:
    """Log runs of two experiments, some deleted; most values are shared by several."""
    dice = random.Random(1)
    places = [experiments.create_experiment(workspace, name).id for name in ("wine", "beer")]
    for number in range(60):
        params = {"own": str(number)} | ({"p": dice.choice(VALUES)} if dice.random() < 0.8 else {})
        tags = {"t": dice.choice(VALUES)} if dice.random() < 0.8 else {}
        made = runs.create_run(workspace, dice.choice(places), name=str(number), params=params, tags=tags)
        if number % 3:
            log_batch(workspace, made.id, metrics=[point("auc", dice.choice([0.1, 0.5, 0.6, 0.6, 0.9, inf, nan]))])
        if number % 5:
            log_batch(workspace, made.id, metrics=[point("loss", dice.random())])
        if number % 7 == 0:
            runs.update_run(workspace, made.id, status="failed", ended_at=2**40 + number % 2)
        if number % 11 == 0:
            runs.delete_run(workspace, made.id)
    return places


def walk(workspace: Workspace, places: Sequence[str], filter: str, orders: list[str], *, size: int) -> list[str]:
    found: list[str] = []
    token = None
    while True:
        page = search_runs(workspace, places, filter=filter, order_by=orders, limit=size, page=token)
        found += [run.name for run in page.items]
        if (token := page.next) is None:
            return found


@pytest.mark.slow
def test_the_index_gives_what_sorting_gives(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    places = fill(workspace)
    questions = [(filter, orders) for filter in FILTERS for orders in ORDERS]
    sorted_ = {
        (filter, *orders, len(asked)): walk(workspace, asked, filter, orders, size=1000)
        for filter, orders in questions
        for asked in (places, places[:1])
    }
    assert max(len(names) for names in sorted_.values()) > 50
    monkeypatch.setattr(run_sorting, "SORTED", 0)
    monkeypatch.setattr(run_sorting, "SAMPLE", 20)
    monkeypatch.setattr(run_sorting, "ENDS", 15)
    for chunk, patience, few, rare, size in (
        (4, 20, 0, 1000, 7),
        (4, 2, 1000, 1000, 30),
        (1, 1000, 0, 1000, 50),
        (1000, 1, 0, 1000, 11),
        (9, 1, 0, 1, 5),
    ):
        monkeypatch.setattr(run_search, "CHUNK", chunk)
        monkeypatch.setattr(run_search, "PATIENCE", patience)
        monkeypatch.setattr(run_drivers, "FEW", few)
        monkeypatch.setattr(run_drivers, "MOST", few)
        monkeypatch.setattr(run_sorting, "RARE", rare)
        asked = places if chunk % 2 else places[:1]
        for question in random.Random(chunk).sample(questions, 32):
            expected = sorted_[question[0], *question[1], len(asked)]
            found = walk(workspace, asked, *question, size=size)
            assert found == expected, (chunk, question)


def test_a_long_value_is_kept_found_and_sorted(workspace: Workspace) -> None:
    place = experiments.create_experiment(workspace, "wine").id
    longest = "é" * 6000
    for number, value in enumerate((longest, longest[:-1] + "a", "é" * 64, "é" * 63)):
        runs.create_run(workspace, place, name=str(number), params={"p": value}, tags={"t": value})
    assert walk(workspace, [place], f"params.p = '{longest}'", [], size=10) == ["0"]
    assert walk(workspace, [place], "", ["params.p"], size=1) == ["3", "2", "1", "0"]
    assert walk(workspace, [place], "", ["tags.t DESC"], size=1) == ["0", "1", "2", "3"]
