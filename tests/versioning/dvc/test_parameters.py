"""Parameters of stages in every form that DVC reads: what is changed for DVC is changed for us, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mainspring.base.errors import InvalidData
from mainspring.base.settings.parameters import read_parameters
from mainspring.store.workspace import Workspace
from mainspring.versioning.stages import read_stages
from tests.versioning.dvc.repository import Repository

YAML = """
lr: 1e-3
rate: 1E5
octal: 010
eight: 0o17
word: yes
clock: 1:30
grouped: 1_000
none: ~
point: .5
big: .inf
signed: +7
layers: [{units: 8}, {units: 4}]
models: {1: a, 2: b}
nested: {deep: {down: [1, 2]}}
"""
TOML = """
lr = 1e-3
name = "a"
grouped = 1_000
layers = [{units = 8}, {units = 4}]
[train]
epochs = 10
[[rows]]
x = 1
"""
PYTHON = """
import os
raise RuntimeError("parameters are never run")
LR = 1e-3
NAMES = ("a", "b")
CHOICE = ["x", -1]
COUNT: int = 3
UNSET: int
COMPUTED = 1 + 2
CALLED = os.getcwd()
A = B = 5
TABLE = {"a": {"b": 1}}
class Train:
    epochs = 10
    class Inner:
        depth = 2
    def __init__(self):
        self.width = 7
        local = 8
    def other(self):
        self.height = 9
"""
FORMS = {
    "yaml": (
        YAML,
        "lr rate octal eight word clock grouped none point big signed layers.1.units models.1 nested.deep.down",
    ),
    "toml": (TOML, "lr name grouped layers.0 train.epochs rows"),
    "json": ('{"lr": 0.001, "a": {"b": [1, null]}, "none": null}', "lr a.b none"),
    "py": (PYTHON, "LR NAMES CHOICE COUNT TABLE.a.b Train.epochs Train.Inner.depth Train.width Train"),
    "conf": ("lr: 0.1\n", "lr"),
}
EDITS: list[tuple[str, str, str]] = [
    *(("yaml", old, new) for old, new in [
        ("1e-3", "0.001"), ("1e-3", "'1e-3'"), ("1E5", "100000"), ("010", "10"), ("010", "8"), ("0o17", "15"),
        ("yes", "'yes'"), ("yes", "true"), ("1:30", "90"), ("1_000", "1000"),
        ("~", "0"), ("none: ~", "other: 1"), (".5", "0.5"), (".inf", "1"), ("+7", "7"), ("units: 4", "units: 5"),
        ("units: 8", "units: 5"), (", {units: 4}", ""), ("{1: a", "{1: c"), ("{1: a", "{'1': a"), ("[1, 2]", "[2, 1]"),
    ]),
    *(("toml", old, new) for old, new in [
        ("1e-3", "0.001"), ("1e-3", "0.002"), ('"a"', "'a'"),
        ("epochs = 10", "epochs = 11"), ("x = 1", "x = 2"), ("units = 8", "units = 9"), ("units = 4", "units = 9"),
        ("[train]", "[rest]"), ("lr = 1e-3", "# lr"),
    ]),
    *(("json", old, new) for old, new in [("0.001", "1e-3"), ("null]", "0]"), ('"none": null', '"other": null'), ("0.001", "1")]),
    *(("py", old, new) for old, new in [
        ("1e-3", "0.001"), ("1e-3", "0.002"), ('("a", "b")', '["a", "b"]'), ('("a", "b")', '("a",)'), ("-1]", "1]"),
        ("int = 3", "int = 4"), ("{'b': 1}", "{}"), ('{"b": 1}', '{"b": 2}'), ("epochs = 10", "epochs = 5 * 2"),
        ("depth = 2", "depth = 3"), ("width = 7", "width = 6"), ("local = 8", "local = 9"), ("height = 9", "height = 1"),
        ("LR = 1e-3", "LR = A"), ("class Train", "class Rest"), ("COMPUTED = 1 + 2", "COMPUTED = 4"),
    ]),
    ("conf", "0.1", "1.0e-1"),
    ("conf", "0.1", "0.2"),
]  # fmt: skip


def changed_for_us(workspace: Workspace) -> set[str]:
    return {stage.name for stage in read_stages(workspace) if stage.state == "changed"}


def changed_for_dvc(repository: Repository) -> set[str]:
    return set(json.loads(repository.dvc("status", "--json")))


def stage(**said: object) -> dict[str, object]:
    return {"cmd": "true", "deps": ["raw"], **said}


@pytest.mark.slow
def test_the_same_stages_change_for_the_same_edits(repository: Repository, opened: Workspace) -> None:
    """Each edit has a file of its own, and stages that read one key, some, and all of it."""
    stages: dict[str, object] = {}
    files = {"raw": "1\n"}
    for number, (form, _, _) in enumerate(EDITS):
        text, keys = FORMS[form]
        name = f"p{number}.{form}"
        files[name] = text
        stages[f"some{number}"] = stage(params=[{name: keys.split()}])
        stages[f"all{number}"] = stage(params=[{name: None}])
        for place, key in enumerate(keys.split()[:3]):
            stages[f"one{number}-{place}"] = stage(params=[{name: [key]}])
    repository.write(files | {"dvc.yaml": json.dumps({"stages": stages})})
    repository.dvc("commit", "--force")
    assert changed_for_us(opened) == changed_for_dvc(repository) == set()
    for number, (form, old, new) in enumerate(EDITS):
        text, _ = FORMS[form]
        repository.write({f"p{number}.{form}": text.replace(old, new, 1)})
    expected = changed_for_dvc(repository)
    assert changed_for_us(opened) == expected
    assert {f"some{number}" for number in range(len(EDITS))} - expected, "some edits change nothing"


@pytest.mark.slow
def test_what_a_stage_says_that_it_reads(repository: Repository, opened: Workspace) -> None:
    stages = {
        "merged": stage(params=["a", {"params.yaml": ["b"]}, "c", {"o.toml": ["x"]}, {"o.toml": ["y"]}]),
        "whole": stage(params=["a", {"params.yaml": None}]),
        "frozen": stage(params=["a"], frozen=True),
        "fewer": stage(params=["a", "b"]),
        "less": stage(deps=["raw", "rest"]),
        "more": stage(params=["a"]),
        "gone": stage(params=[{"gone.py": ["a"]}]),
        "dotted": stage(deps=["./raw"]),
    }
    repository.write({"params.yaml": "a: 1\nb: 1\nc: 1\n", "o.toml": "x = 1\ny = 1\n", "gone.py": "a = 1\n"})
    repository.write({"raw": "1", "rest": "1", "dvc.yaml": json.dumps({"stages": stages})})
    repository.dvc("commit", "--force")
    assert changed_for_us(opened) == changed_for_dvc(repository) == set()
    for files in (
        {"params.yaml": "a: 1\nb: 2\nc: 1\n"},
        {"params.yaml": "a: 1\nb: 1\nc: 1\nd: 1\n"},
        {"params.yaml": "a: 2\nb: 1\nc: 1\n"},
        {"o.toml": "x = 2\ny = 1\n"},
    ):
        before = {name: (repository.root / name).read_text() for name in files}
        repository.write(files)
        assert changed_for_us(opened) == changed_for_dvc(repository), files
        repository.write(before)
    (repository.root / "gone.py").unlink()
    assert changed_for_us(opened) == changed_for_dvc(repository) == {"gone"}
    changed = stages | {
        "fewer": stage(params=["b"]),
        "less": stage(deps=["raw"]),
        "more": stage(params=["a", "c"]),
        "merged": stage(deps=["raw", "rest"], params=stages["merged"]["params"]),
    }
    repository.write({"dvc.yaml": json.dumps({"stages": changed}), "params.yaml": "a: 2\nb: 1\nc: 1\n", "rest": "2"})
    assert changed_for_us(opened) == changed_for_dvc(repository)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.py", "a = (\n"),
        ("p.py", "\0"),
        ("p.toml", "a = \n"),
        ("p.json", "{"),
        ("p.yaml", "a: 1_\nb: -_\n"),
        ("p.yaml", "a: [\n"),
    ],
)
def test_parameters_that_cannot_be_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidData, match=f"{name} cannot be read"):
        read_parameters(tmp_path / name)


def test_python_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(PYTHON + f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    found = read_parameters(tmp_path / "p.py")
    assert found["NAMES"] == ("a", "b")
    assert found["Train"] == {"epochs": 10, "Inner": {"depth": 2}, "width": 7}
    assert not found.keys() & {"UNSET", "COMPUTED", "CALLED", "A", "B"}
    assert not (tmp_path / "ran").exists()
