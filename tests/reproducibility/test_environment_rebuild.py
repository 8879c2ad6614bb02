"""Environments: what counts as a difference, and building one from a folder of wheels."""

from __future__ import annotations

import platform
import subprocess
import zipfile
from pathlib import Path

import pytest

from mainspring.base.errors import ExternalToolError
from mainspring.reproducibility.environment import changes, machine_changes, rebuild, thread_changes
from mainspring.versioning import environment

pytestmark = pytest.mark.slow  # starts processes


def wheel(folder: Path, name: str, version: str) -> None:
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    wheel(tmp_path / "wheels", "tiny", "1.2")
    return tmp_path / "built"


def recorded(**distributions: str) -> dict[str, object]:
    return {"python": platform.python_version(), "distributions": {"mainspring": "0.1.0", "pip": "1", **distributions}}


def test_the_present_environment_equals_itself() -> None:
    here = environment.capture()
    assert changes(here, here) == []
    assert machine_changes(here, here) == []
    assert thread_changes(here, here) == []


def test_what_came_in_addition_is_no_change() -> None:
    here = environment.capture()
    before = {
        **here,
        "distributions": {name: version for name, version in here["distributions"].items() if name != "rich"},
    }
    assert changes(before, here) == []
    assert [item.name for item in changes(here, before)] == ["rich"]


def test_threads_are_told_apart() -> None:
    before = {"variables": {"OMP_NUM_THREADS": "1"}, "cpu": {"usable": 1}}
    found = thread_changes(before, {"variables": {}, "cpu": {"usable": 2}})
    assert [(item.name, item.original, item.present) for item in found] == [
        ("OMP_NUM_THREADS", "1", None),
        ("cpu.usable", "1", "2"),
    ]


def test_pinned_distributions_are_installed(offline: Path) -> None:
    lines: list[str] = []
    python = rebuild(recorded(tiny="1.2"), offline, say=lines.append)
    script = "import tiny, mainspring; print(tiny.VERSION, mainspring.__path__[0])"
    found = subprocess.run([str(python), "-I", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert found[0] == "1.2"
    assert Path(found[1]).is_relative_to(offline)
    assert any("installing 1 distributions" in line for line in lines)


def test_what_cannot_be_installed_is_named(offline: Path) -> None:
    with pytest.raises(ExternalToolError, match=r"tiny==9\.9"):
        rebuild(recorded(tiny="9.9"), offline, say=lambda _line: None)


def test_another_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExternalToolError, match=r"Python 2\.6\.1 is not on this machine"):
        rebuild({"python": "2.6.1", "distributions": {}}, tmp_path / "built", say=lambda _line: None)
