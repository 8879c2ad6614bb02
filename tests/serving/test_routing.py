"""The choice of who answers is sticky, fair, and independent from release to release."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

from mainspring.base.errors import Corrupted, InvalidData
from mainspring.serving import routes
from mainspring.serving.routes import Route, RouteTable
from mainspring.serving.routing import BUCKETS, bucket, choose
from mainspring.store.workspace import Workspace


def table(share: float, salt: str = "s") -> RouteTable:
    champion = Route(version="1.0.0", role="champion", weight=1 - share, artifact="a.dir")
    canary = Route(version="1.1.0", role="canary", weight=share, artifact="b.dir")
    return RouteTable(endpoint="m", generation=1, salt=salt, routes=[champion, canary])


def test_shares_are_kept() -> None:
    chosen = [choose(table(0.1), f"customer-{number}") for number in range(20_000)]
    assert binomtest(chosen.count("canary"), len(chosen), 0.1).pvalue > 1e-4


def test_buckets_are_even() -> None:
    counts = [0] * 100
    for number in range(20_000):
        counts[bucket("salt", str(number)) * 100 // BUCKETS] += 1
    assert chisquare(counts).pvalue > 1e-4


@given(st.text(), st.text(max_size=200))
def test_a_key_stays_where_it_is(key: str, salt: str) -> None:
    assert bucket(salt, key) == bucket(salt, key)
    assert choose(table(0.0, salt), key) == "champion"
    assert choose(table(1.0, salt), key) == "canary"
    if choose(table(0.1, salt), key) == "canary":
        assert choose(table(0.2, salt), key) == "canary"


def test_another_salt_chooses_others() -> None:
    keys = [str(number) for number in range(5_000)]
    both = sum(choose(table(0.5, "a"), key) == choose(table(0.5, "b"), key) == "canary" for key in keys)
    assert binomtest(both, len(keys), 0.25).pvalue > 1e-4


def test_tables_are_read_back(workspace: Workspace) -> None:
    routes.write(workspace, table(0.1))
    [file] = routes.files(workspace)
    assert routes.read(file) == table(0.1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"endpoint": "m"}',
        '{"endpoint": "other", "generation": 1, "salt": "", "routes": []}',
        '{"endpoint": "m", "generation": 1, "salt": "", "routes": '
        '[{"version": "1.0.0", "role": "shadow", "weight": 1, "artifact": ""}]}',
    ],
)
def test_what_is_no_table_is_said_to_be_none(workspace: Workspace, text: str) -> None:
    file = routes.path(workspace, "m")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(Corrupted, match=r"routes\.json"):
        routes.read(file)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", ".hidden", "a\0b"])
def test_an_endpoint_is_a_plain_name(workspace: Workspace, name: str) -> None:
    with pytest.raises(InvalidData):
        routes.path(workspace, name)
