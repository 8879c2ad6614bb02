"""Filters and orders: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.base.errors import UsageError
from mainspring.base.filters import MOST_COMPARISONS, MOST_LISTED, Comparison, Order, parse_filter, parse_order
from mainspring.tracking.filters import EXPERIMENTS, LOGGED_MODELS, RUNS
from mainspring.versioning.filters import MODEL_VERSIONS, REGISTERED_MODELS

GRAMMARS = [RUNS, EXPERIMENTS, LOGGED_MODELS, REGISTERED_MODELS, MODEL_VERSIONS]


def one(text: str) -> tuple[object, ...]:
    [found] = parse_filter(text, RUNS)
    return found.entity, found.key, found.comparator, found.value


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("metrics.a > 1", ("metric", "a", ">", 1)),
        ("metric.a<=-.5", ("metric", "a", "<=", -0.5)),
        ("metrics.a = 1e+16", ("metric", "a", "=", 1e16)),
        ("metrics.precision.1 > .5", ("metric", "precision.1", ">", 0.5)),
        ("metrics.1.2.a > .5", ("metric", "1.2.a", ">", 0.5)),
        ("metrics.`a b/c` != 5.", ("metric", "a b/c", "!=", 5.0)),
        ("parameters.a = 'x'", ("param", "a", "=", "x")),
        ('params."a b" = "it\'s"', ("param", "a b", "=", "it's")),
        ("params.a = 'it''s'", ("param", "a", "=", "it''s")),
        ("params.a is not null", ("param", "a", "IS NOT NULL", None)),
        ("tags.mlflow.parentRunId like '%x'", ("tag", "mlflow.parentRunId", "LIKE", "%x")),
        ("tag.`mlflow.user` ILIKE ''", ("tag", "mlflow.user", "ILIKE", "")),
        ("status = 'FINISHED'", ("attribute", "status", "=", "FINISHED")),
        ("attr.`Run Name` = 'x'", ("attribute", "run_name", "=", "x")),
        ("Created >= 5", ("attribute", "start_time", ">=", 5)),
        ("run_id NOT IN ('a', \"b\",)", ("attribute", "run_id", "NOT IN", ("a", "b"))),
        ("dataset.context IN('a')", ("dataset", "context", "IN", ("a",))),
    ],
)
def test_one_comparison(text: str, meaning: tuple[object, ...]) -> None:
    assert one(text) == meaning


def test_several_comparisons() -> None:
    expected = (
        Comparison(entity="metric", key="a", comparator=">", value=1),
        Comparison(entity="param", key="b", comparator="=", value="x AND y"),
    )
    for text in ("metrics.a>1 AND params.b='x AND y'", "AND metrics.a > 1\nand AND params.b = 'x AND y' AND"):
        assert parse_filter(text, RUNS) == expected
    assert parse_filter(" ", RUNS) == ()


@pytest.mark.parametrize(
    ("text", "place", "said", "hint"),
    [
        ("metrics.a => 1", 10, "'=>' is no comparator for the metric 'a'", "known: =, !=, <, <=, >, >="),
        ("metrics.a-b > 1", 9, "'-' has no meaning", "backticks"),
        ("metrics.a/b > 1", 9, "'/' has no meaning", "backticks"),
        ("params.a = x", 11, "'x' is no value here", "in quotes"),
        ("params.a = 'x", 11, "the quote is not closed", ""),
        ("metrics.a > '1'", 12, "'1'", "give a number"),
        ("metrics.a >", 11, "a value is missing", "give a number"),
        ("metrics.a", 9, "a comparator is missing", ""),
        ("stauts = 'x'", 0, "there is no attribute 'stauts' of runs", "did you mean 'status'?"),
        ("nothing.a = 'x'", 0, "'nothing' is none of the prefixes", "metrics.NAME"),
        ("params.a IN ('x')", 9, "'IN' is no comparator", "IS NULL"),
        ("run_id IN ()", 12, "the list is empty", "('a', 'b')"),
        ("run_id IN ('a' 'b')", 15, "a comma or the end of the list is missing", ""),
        ("run_id IN ('a'", 14, "a comma or the end", ""),
        ("status = 'a' OR status = 'b'", 13, "there is no attribute 'OR'", ""),
        ("status = 'a' -- b", 13, "'-' has no meaning", ""),
        ("params. = 'x'", 0, "a name is missing", ""),
        ("params..a = 'x'", 0, "a name is missing", ""),
        ("params.a. = 'x'", 0, "a name is missing", ""),
        ("params.`` = 'x'", 0, "a name is missing", ""),
        ("'x' = params.a", 0, "what stands there is no name", "metrics.NAME"),
        ("params.a = '\0'", 12, "no text that is stored", ""),
        ("params.a = '\ud800'", 12, "no text that is stored", ""),
    ],
)
def test_what_is_no_filter(text: str, place: int, said: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_filter(text, RUNS)
    assert caught.value.details["place"] == place
    assert f"at character {place + 1}: " in caught.value.message
    assert said in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_long_filter_is_shown_around_its_mistake() -> None:
    text = " AND ".join(f"metrics.m{number} > {number}" for number in range(40)) + " AND what"
    with pytest.raises(UsageError) as caught:
        parse_filter(text, RUNS)
    assert "AND what" in caught.value.message
    assert len(caught.value.message) < 200


def test_limits() -> None:
    assert len(parse_filter("metrics.a > 1 " * MOST_COMPARISONS, RUNS)) == MOST_COMPARISONS
    with pytest.raises(UsageError, match="at most 100 comparisons"):
        parse_filter("metrics.a > 1 " * (MOST_COMPARISONS + 1), RUNS)
    with pytest.raises(UsageError, match="at most 10000 values"):
        parse_filter("run_id IN (" + "'x'," * (MOST_LISTED + 1) + ")", RUNS)
    [huge] = parse_filter(f"start_time < {10**30}", RUNS)
    assert huge.value == 1e30


def test_whole_numbers_and_texts_of_other_things() -> None:
    assert parse_filter("version_number = '3'", MODEL_VERSIONS)[0].value == 3
    for text in ("version_number = 1.5", "version_number = 'x'", "version_number IN ('1')", "creation_timestamp > 1"):
        with pytest.raises(UsageError):
            parse_filter(text, MODEL_VERSIONS)
    with pytest.raises(UsageError, match="no whole number"):
        parse_filter("creation_time > 1.5", EXPERIMENTS)
    assert parse_filter("params.lr = 0.01", LOGGED_MODELS)[0].value == "0.01"
    with pytest.raises(UsageError, match="none of the prefixes"):
        parse_filter("param.lr = '0.01'", LOGGED_MODELS)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("metrics.a", Order(entity="metric", key="a", ascending=True)),
        ("metrics.`a b` desc", Order(entity="metric", key="a b", ascending=False)),
        ("Created ASC", Order(entity="attribute", key="start_time", ascending=True)),
        ("tags.mlflow.user", Order(entity="tag", key="mlflow.user", ascending=True)),
    ],
)
def test_orders(text: str, order: Order) -> None:
    assert parse_order(text, RUNS) == order


@pytest.mark.parametrize(
    "text", ["", "foo", "dataset.name", "`Run Name`", "metrics.a, metrics.b", "metrics.a DOWN", "-a"]
)
def test_what_is_no_order(text: str) -> None:
    with pytest.raises(UsageError, match="the order"):
        parse_order(text, RUNS)


@given(text=st.text(max_size=60), grammar=st.sampled_from(GRAMMARS))
def test_any_text_is_read_or_refused(text: str, grammar: object) -> None:
    for parse in (parse_filter, parse_order):
        try:
            parse(text, grammar)  # type: ignore[operator]  # a function of both kinds
        except UsageError as error:
            assert error.hint or "at most" in error.message
