"""Who is suspected when a run does not come out the same, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from mainspring.reproducibility.ladder import Rung, compare_files
from mainspring.reproducibility.suspect import differences, suspect
from mainspring.versioning.snapshot import Snapshot

ENVIRONMENT = {
    "python": "3.11.2",
    "distributions": {"numpy": "2.0.0", "scikit-learn": "1.7.0"},
    "libc": "glibc 2.36",
    "cpu": {"model": "old", "usable": 2},
    "variables": {"OMP_NUM_THREADS": "2"},
}


def taken(environment: dict[str, Any] | None = None, **randomness: object) -> Snapshot:
    changed = ENVIRONMENT | (environment or {})
    return Snapshot(
        id="s", created_at=0, code={}, data=[], environment=changed, randomness={"seed": 7} | randomness, config={}
    )


def why(level: int, found: list[Any] | None = None, rungs: tuple[Rung, ...] = (), **given: Any) -> str | None:
    circumstances: dict[str, Any] = {"original": taken(), "agrees": None, "rebuild_error": None} | given
    return suspect(rungs, level, found or [], **circumstances)


def test_the_likeliest_is_named_first() -> None:
    again = taken(
        {
            "distributions": {"numpy": "2.4.0"},
            "libc": "glibc 2.41",
            "cpu": {"model": "new", "usable": 8},
            "variables": {"OMP_NUM_THREADS": "8"},
        },
        seed=8,
    )
    found = differences(taken(), again, missing=["local.py"], data=({"rows": "a", "kept": "k"}, {"kept": "k"}))
    assert list(dict.fromkeys(item.part for item in found)) == [
        "code",
        "data",
        "environment",
        "randomness",
        "threads",
        "machine",
    ]
    assert [str(item) for item in found[:4]] == [
        "local.py: held by its hash only → nothing",
        "rows: a → nothing",
        "numpy: 2.0.0 → 2.4.0",
        "scikit-learn: 1.7.0 → nothing",
    ]
    assert {item.name for item in found if item.part == "threads"} == {"OMP_NUM_THREADS", "cpu.usable"}
    assert why(1, found) == "code is not the same: local.py: held by its hash only → nothing"


def test_of_many_differences_three_are_shown() -> None:
    again = taken({"distributions": {}, "python": "3.13.0", "implementation": "other"})
    found = differences(taken(), again, missing=[], data=({}, {}))
    told = why(0, found)
    assert told is not None
    assert told.startswith("environment is not the same: implementation: nothing → other; python: 3.11.2 → 3.13.0; ")
    assert told.endswith(" and 1 more")


def test_without_a_second_snapshot_code_and_data_are_compared() -> None:
    found = differences(taken(), None, missing=[], data=({"rows": "a"}, {"rows": "b"}))
    assert [(item.part, item.original, item.again) for item in found] == [("data", "a", "b")]


@pytest.mark.parametrize(
    ("randomness", "words"),
    [
        ({"seed": None}, "the run set no seed"),
        ({"python_hash_seed": "random"}, "PYTHONHASHSEED was not fixed"),
        ({"python_hash_seed": "0"}, "threads race"),
    ],
)
def test_two_new_runs_that_differ_point_at_chance_whatever_else_changed(randomness: dict[str, Any], words: str) -> None:
    found = differences(taken(), None, missing=["local.py"], data=({}, {}))
    told = why(1, found, original=taken(**randomness), agrees=False, rebuild_error="no index")
    assert told is not None
    assert told.startswith("randomness: two new runs of the same code on the same data differ")
    assert words in told


def test_the_rest() -> None:
    assert why(4) is None
    files = compare_files({"model.skops": "a", "x.py": "b"}, {"model.skops": "c"})
    assert why(3, rungs=(files,)) == "only stored bytes differ: model.skops, x.py; the predictions are identical"
    assert why(3) == "only stored bytes differ: no artifact; the predictions are identical"
    assert why(2, rebuild_error="no index") == "environment could not be rebuilt: no index"
    assert "something that no snapshot holds" in (why(2, agrees=True) or "")
    assert why(2) == "nothing that was recorded differs"
