"""Our reading of filters and orders against MLflow's own parsers, on generated texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mainspring.base.errors import UsageError
from mainspring.base.filters import Grammar, parse_filter, parse_order
from mainspring.tracking.filters import EXPERIMENTS, LOGGED_MODELS, RUNS
from mainspring.versioning.filters import MODEL_VERSIONS, REGISTERED_MODELS
from tests.tracking import peer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow  # thousands of questions, asked of another process

GRAMMARS: dict[str, Grammar] = {
    "runs": RUNS,
    "experiments": EXPERIMENTS,
    "logged_models": LOGGED_MODELS,
    "registered_models": REGISTERED_MODELS,
    "model_versions": MODEL_VERSIONS,
}
PREFIXES = {
    "runs": ["metrics", "metric", "params", "param", "parameters", "parameter", "tags", "tag", "dataset", "datasets"],
    "logged_models": ["metrics", "params", "tags"],
}
ATTRIBUTES = {
    "runs": ["status", "run_id", "run_name", "start_time", "end_time", "user_id", "artifact_uri", "created", "Created"],
    "experiments": ["name", "experiment_id", "creation_time", "last_update_time"],
    "logged_models": [
        "name",
        "model_id",
        "model_type",
        "source_run_id",
        "creation_timestamp",
        "last_updated_timestamp",
    ],
    "registered_models": ["name", "timestamp", "last_updated_timestamp"],
    "model_versions": ["name", "run_id", "version_number", "source_path", "creation_timestamp"],
}
ODD_PREFIXES = ["attributes", "attribute", "attr", "run", "model", "Metrics", "`metrics`"]
ODD_NAMES = ["`Run Name`", "`run name`", '"Run name"', "lifecycle_stage", "foo", "Status", "1", "'x'"]
KEYS = ["a", "b1", "f1_score", "_x", "a.b", "mlflow.parentRunId", "`a b`", "`a/b`", "é", "name", "digest", "context"]
ODD_KEYS = ['"a b"', "'a b'", "status", "key", "order", "type", "select", "run_id", "1", "a/b", "a-b", "a@b"]
NUMBERS = ["1", "0", "-1", "1.5", "-.5", "5.", "1e5", "1.5e-3", "1E5"]
TEXTS = ["'x'", "''", "'a b'", "'it''s'", "'%a_'", "'FINISHED'", "'a\"b'", "'1'", "'ключ'", "'a\nb'", '"x"', '"it\'s"']
LISTS = ["('a')", "('a', 'b')", "('a','b','c')", "('a',)", "('a' , 'b')"]
ODD_VALUES = ["()", "(1)", "('a', 1)", "x", "nan", "0x10", "`x`", "'", "NULL", "- 1", "+1", "1.2.3", "", "('a'"]
ODD_SIGNS = ["==", "<>", "=>", "NOT LIKE", "RLIKE", "BETWEEN", ">=<", "~"]
GLUE = [" AND ", " AND ", " AND ", " and ", "\nAND\t", " AND AND "]
ODD_GLUE = [" OR ", ", ", "; ", "AND", " && "]
SPACES = [" ", " ", " ", "  ", "\t", "\n", ""]


@st.composite
def clauses(draw: st.DrawFn, grammar: str) -> str:
    """One comparison; now and then a piece of it is odd."""

    def pick(usual: list[str], odd: list[str]) -> str:
        return draw(st.sampled_from(odd if draw(st.integers(0, 19)) == 0 else usual))

    if draw(st.booleans()):
        name = f"{pick(PREFIXES.get(grammar, ['tags', 'tag']), ODD_PREFIXES)}.{pick(KEYS, ODD_KEYS)}"
    else:
        name = pick(ATTRIBUTES[grammar], ODD_NAMES)
    kind = draw(st.sampled_from(["number", "text", "text", "list", "null"]))
    if kind == "null":
        return name + draw(st.sampled_from([" IS NULL", " IS NOT NULL", " is null", " Is Not Null"]))
    signs, values = {
        "number": (["=", "!=", "<", "<=", ">", ">="], NUMBERS),
        "text": (["=", "!=", " LIKE", " ILIKE"], TEXTS),
        "list": ([" IN", " NOT IN"], LISTS),
    }[kind]
    sign = pick(signs, ODD_SIGNS)
    return f"{name}{draw(st.sampled_from(SPACES))}{sign}{draw(st.sampled_from(SPACES))}{pick(values, ODD_VALUES)}"


@st.composite
def filters(draw: st.DrawFn) -> tuple[str, str]:
    """A grammar and some clauses; now and then with a character cut out or put in."""
    grammar = draw(st.sampled_from(sorted(GRAMMARS)))
    text = draw(clauses(grammar))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        text += draw(st.sampled_from(ODD_GLUE if draw(st.integers(0, 19)) == 0 else GLUE)) + draw(clauses(grammar))
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(text)))
        piece = draw(st.sampled_from(["", " ", ".", "'", '"', "`", "(", ")", ",", "=", "AND", "1", "-"]))
        text = text[:place] + piece + text[place + draw(st.integers(0, 2)) :]
    return grammar, text


@st.composite
def orders(draw: st.DrawFn) -> tuple[str, str]:
    """A grammar and an order."""
    grammar = draw(st.sampled_from(sorted(set(GRAMMARS) - {"logged_models"})))  # these are ordered by fields, not texts
    prefix = draw(st.sampled_from(PREFIXES.get(grammar, ["tags", "attribute"]) + ODD_PREFIXES))
    key = draw(st.sampled_from(KEYS + ODD_KEYS))
    name = draw(st.sampled_from([f"{prefix}.{key}", *ATTRIBUTES[grammar], *ODD_NAMES]))
    direction = draw(st.sampled_from(["", " ASC", " DESC", " asc", "  desc", "\tDesc", " DOWN", " NULLS LAST", ", b"]))
    return grammar, name + direction


@pytest.fixture(scope="module")
def judge() -> Iterator[peer.Parser]:
    parser = peer.Parser(peer.interpreter())
    yield parser
    parser.close()


def ours(grammar: str, what: str, text: str) -> Any:
    try:
        if what == "order":
            order = parse_order(text, GRAMMARS[grammar])
            return [order.entity, order.key, order.ascending]
        found = parse_filter(text, GRAMMARS[grammar])
    except UsageError as error:
        return {"error": error.message}
    listed = [[item.entity, item.key, item.comparator, item.value] for item in found]
    for item in listed:
        if isinstance(item[3], tuple):
            item[3] = list(item[3])
        if item[0] == "metric":
            item[3] = float(item[3])
    return listed


def deliberate(grammar: str, text: str, mine: Any, theirs: Any) -> bool:
    """Say whether we mean to read a filter otherwise; docs/tracking.md lists these."""
    if "error" in theirs:
        if any(part.isdigit() for item in mine for part in item[1].split(".")):
            return True  # names such as `precision.1`
        if re.search(r"(\.[0-9]+|[0-9]\.)[eE]", text):
            return True  # numbers such as `.1e5`
        small = re.search(r"\b(like|ilike|in|not in|is not null)\b", text)  # have to be capitals there
        return (grammar == "experiments" and bool(small)) or (grammar == "logged_models" and "`metrics`" in text)
    refused = "error" in mine
    if refused and grammar != "model_versions" and any(not _is_value(*item[2:]) for item in theirs):
        return True  # `LIKE ('a', 'b')`, `= (1)` and `IN ()` compare with what Python makes of it there
    if refused and any(not _is_name(item[1], text) for item in theirs):
        return True  # names that nothing has
    if grammar == "logged_models":  # there double quotes are a part of the value, and words are values without quotes
        return '"' in text or ".'" in text or (refused and bool(re.search(r"(NULL|nan|`?x`?)($|\s)", text)))
    return False


def _is_name(name: str, text: str) -> bool:
    quoted = any(f"{quote}{name}{quote}" in text for quote in "`'\"")
    return name != "lifecycle_stage" and all(name.split(".")) and (quoted or bool(re.fullmatch(r"[\w.]+", name)))


def _is_value(comparator: str, value: Any) -> bool:
    if isinstance(value, list):
        return "IN" in comparator.split() and bool(value) and all(isinstance(item, str) for item in value)
    return value is None or isinstance(value, str | float)


def compare(judge: peer.Parser, grammar: str, what: str, text: str) -> None:
    mine, theirs = ours(grammar, what, text), judge(grammar, what, text)
    if mine == theirs or ("error" in mine and "error" in theirs):
        return
    if deliberate(grammar, text, mine, theirs) if what == "filter" else text.startswith("attribute."):
        return
    raise AssertionError(f"{grammar} {what} {text!r}: ours {mine}, MLflow's {theirs}")


@settings(max_examples=1500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(question=filters())
def test_filters_mean_the_same(judge: peer.Parser, question: tuple[str, str]) -> None:
    compare(judge, question[0], "filter", question[1])


@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(question=orders())
def test_orders_mean_the_same(judge: peer.Parser, question: tuple[str, str]) -> None:
    compare(judge, question[0], "order", question[1])
