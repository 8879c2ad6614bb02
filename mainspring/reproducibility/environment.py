"""Finding, or building, an interpreter with the distributions that a run had."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import ExternalToolError, UsageError
from mainspring.reproducibility.building import INSTALLERS, OURSELVES, Missing, build, libraries, locked_hashes
from mainspring.versioning import environment, snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mainspring.store.workspace import Workspace


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


def _machine(recorded: Mapping[str, Any]) -> dict[str, str | None]:
    processor = recorded.get("cpu") or {}
    named = {name: _shown(recorded.get(name)) for name in ("platform", "libc")}
    return named | {f"cpu.{name}": _shown(processor.get(name)) for name in ("model", "machine")}


def _threads(recorded: Mapping[str, Any]) -> dict[str, str | None]:
    found = {name: _shown(value) for name, value in (recorded.get("variables") or {}).items()}
    found["cpu.usable"] = _shown((recorded.get("cpu") or {}).get("usable"))
    for pool in recorded.get("threadpools") or ():
        name = f"{pool.get('user_api')}/{pool.get('internal_api')}"
        found[f"{name}.threads"] = _shown(pool.get("num_threads"))
        found[f"{name}.architecture"] = _shown(pool.get("architecture"))
    return found


def distributions(recorded: Mapping[str, Any]) -> dict[str, str]:
    """Return name → version of the distributions that take part in a run."""
    return {name: str(version) for name, version in recorded.get("distributions", {}).items() if name not in INSTALLERS}


def rebuild(
    recorded: Mapping[str, Any], folder: Path, *, say: Callable[[str], None], own: Mapping[str, Path] | None = None
) -> Path:
    """Build a virtual environment with all of the recorded distributions in ``folder`` and return its interpreter.

    Raises:
        ExternalToolError: as ``build``, or a distribution cannot be had.
    """
    built = build(recorded, folder, hashes={}, say=say, own=own)
    if built.missing:
        told = "; ".join(f"{one.name}=={one.version}: {one.why}" for one in built.missing)
        raise ExternalToolError(f"not all distributions can be had: {told}", missing=built.missing)
    return built.interpreter


class RestoredEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An environment that was built again. ``missing`` could not be had; ``changes`` are what is not as it was, those
    included; ``machine`` is what no installation brings back."""

    folder: str
    interpreter: str
    installed: int
    hashed: int
    missing: list[Missing]
    changes: list[Change]
    machine: list[Change]


def restore_environment(
    workspace: Workspace, reference: str, folder: Path, *, say: Callable[[str], None]
) -> RestoredEnvironment:
    """Build the virtual environment of a run or of ``model@version`` in a folder, and look what it came to.

    Where the lock file of then holds hashes of what was installed, only these bytes are.

    Raises:
        NotFound: there is no such run or version, or it has no snapshot.
        UsageError: the folder is not empty.
        ExternalToolError: as ``build``.
    """
    recorded = snapshot.load(workspace, reference).environment
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty", hint="name a folder that is not there yet")
    built = build(recorded, folder, hashes=_locked(workspace, recorded), say=say)
    present = _present(built.interpreter)
    return RestoredEnvironment(
        folder=str(folder),
        interpreter=str(built.interpreter),
        installed=built.installed,
        hashed=built.hashed,
        missing=built.missing,
        changes=[change for change in changes(recorded, present) if change.name != OURSELVES],
        machine=machine_changes(recorded, environment.capture()),
    )


def _locked(workspace: Workspace, recorded: Mapping[str, Any]) -> dict[str, list[str]]:
    lock = recorded.get("lock")
    if not lock or not workspace.objects.has(lock["md5"]):  # older snapshots know only its md5
        return {}
    return locked_hashes(workspace.objects.read_bytes(lock["md5"]))


def _present(interpreter: Path) -> dict[str, Any]:
    """Return what an interpreter is and has, in the words of a snapshot."""
    script = "import platform; print(platform.python_version()); print(platform.python_implementation())"
    answer = subprocess.run([str(interpreter), "-I", "-c", script], capture_output=True, text=True, check=True)
    version, implementation = answer.stdout.split()
    held = environment.distributions_in([str(folder) for folder in libraries(interpreter)])
    return {"python": version, "implementation": implementation, "distributions": held}


def _shown(value: object) -> str | None:
    return None if value is None else str(value)
