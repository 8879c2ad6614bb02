"""Finding, or building, an interpreter with the distributions that a run had."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import ExternalToolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

INSTALLERS = frozenset({"pip", "setuptools", "wheel", "uv"})
"""Distributions that put others in place and take no part in a run."""
OURSELVES = "mainspring"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something of the environment that is not as it was; None where one side has nothing."""

    name: str
    original: str | None
    present: str | None


def changes(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[Change]:
    """Return what a run would notice: the interpreter, and distributions that have another version or are gone.

    Distributions that came in addition are left out: the run did not know them.

    >>> before = {"python": "3.11.2", "distributions": {"numpy": "2.0.0", "pip": "23"}}
    >>> after = {"python": "3.11.2", "distributions": {"numpy": "2.4.0", "rich": "14"}}
    >>> [(item.name, item.original, item.present) for item in changes(before, after)]
    [('numpy', '2.0.0', '2.4.0')]
    """
    found = [
        Change(name=name, original=_shown(recorded.get(name)), present=_shown(present.get(name)))
        for name in ("implementation", "python")
        if recorded.get(name) != present.get(name)
    ]
    had, has = distributions(recorded), distributions(present)
    return found + [
        Change(name=name, original=version, present=has.get(name))
        for name, version in sorted(had.items())
        if has.get(name) != version
    ]


def machine_changes(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[Change]:
    """Return what no installation can bring back: operating system, C library, processor."""
    old, new = _machine(recorded), _machine(present)
    return [Change(name=name, original=old[name], present=new[name]) for name in old if old[name] != new[name]]


def thread_changes(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[Change]:
    """Return what changes the order of sums: thread pools, the processors that may be used, and their variables."""
    old, new = _threads(recorded), _threads(present)
    return [
        Change(name=name, original=old.get(name), present=new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _machine(environment: Mapping[str, Any]) -> dict[str, str | None]:
    processor = environment.get("cpu") or {}
    named = {name: _shown(environment.get(name)) for name in ("platform", "libc")}
    return named | {f"cpu.{name}": _shown(processor.get(name)) for name in ("model", "machine")}


def _threads(environment: Mapping[str, Any]) -> dict[str, str | None]:
    found = {name: _shown(value) for name, value in (environment.get("variables") or {}).items()}
    found["cpu.usable"] = _shown((environment.get("cpu") or {}).get("usable"))
    for pool in environment.get("threadpools") or ():
        name = f"{pool.get('user_api')}/{pool.get('internal_api')}"
        found[f"{name}.threads"] = _shown(pool.get("num_threads"))
        found[f"{name}.architecture"] = _shown(pool.get("architecture"))
    return found


def distributions(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return name → version of the distributions that take part in a run."""
    return {
        name: str(version) for name, version in environment.get("distributions", {}).items() if name not in INSTALLERS
    }


def rebuild(recorded: Mapping[str, Any], folder: Path, *, say: Callable[[str], None]) -> Path:
    """Build a virtual environment with the recorded distributions in ``folder`` and return its interpreter.

    Every distribution is installed at its recorded version without looking at dependencies. Mainspring itself is copied
    from what runs now, for a development version is in no index.

    Raises:
        ExternalToolError: that Python is not on this machine, or a distribution could not be installed.
    """
    base = _interpreter(str(recorded.get("python", "")))
    say(f"making a virtual environment with {base}")
    _run([base, "-m", "venv", "--without-pip", "--clear", str(folder)], say=lambda _line: None)
    interpreter = folder / "bin" / "python"
    pinned = [f"{name}=={version}" for name, version in distributions(recorded).items() if name != OURSELVES]
    if pinned:
        requirements = folder / "requirements.txt"
        requirements.write_text("\n".join(pinned) + "\n", encoding="utf-8")
        say(f"installing {len(pinned)} distributions")
        _run([*_installer(interpreter), "--no-deps", "--requirement", str(requirements)], say=say)
    _bring_ourselves(interpreter)
    return interpreter


def _interpreter(version: str) -> str:
    wanted = ".".join(version.split(".")[:2])
    if wanted == f"{sys.version_info.major}.{sys.version_info.minor}":
        return getattr(sys, "_base_executable", sys.executable)
    found = shutil.which(f"python{wanted}")
    if found is None:
        raise ExternalToolError(
            f"Python {version} is not on this machine", hint=f"install python{wanted}", python=version
        )
    return found


def _installer(interpreter: Path) -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        return [sys.executable, "-m", "pip", "--python", str(interpreter), "install", *quiet]
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        raise ExternalToolError("there is neither pip nor uv to install distributions with", hint="install pip")
    return [uv, "pip", "install", "--python", str(interpreter)]


def _bring_ourselves(interpreter: Path) -> None:
    package = Path(__file__).parents[1]
    answer = subprocess.run(
        [str(interpreter), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    target = Path(answer.stdout.strip()) / package.name
    if not target.exists():
        shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__"))


def _run(command: Iterable[str], *, say: Callable[[str], None]) -> None:
    arguments = list(command)
    last: deque[str] = deque(maxlen=5)
    try:
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                last.append(line.strip())
                if told := _progress(line):
                    say(told)
    except OSError as error:
        raise ExternalToolError(f"{arguments[0]} could not be started: {error}") from error
    if process.returncode != 0:
        errors = [line for line in last if line.lower().startswith("error")] or list(last)
        raise ExternalToolError(f"{' '.join(arguments[:4])} failed: {' '.join(errors)}".strip(), output=list(last))


def _progress(line: str) -> str | None:
    """Return what a line of pip or uv tells somebody who waits; None for the rest.

    >>> _progress("Collecting numpy==2.4.6 (from -r requirements.txt (line 3))"), _progress("WARNING: Location")
    ('collecting numpy==2.4.6', None)
    """
    found = re.match(r"(Collecting|Processing|Building|Downloading) +(\S+)", line.strip())
    return f"{found[1].lower()} {Path(found[2]).name}" if found else None


def _shown(value: object) -> str | None:
    return None if value is None else str(value)
