"""Reading a project's CI definition for what it really runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TASKS = {
    "the tests": re.compile(r"(?<![\w-])(?:pytest|tox|nox|unittest)(?![\w-])"),
    "the pipeline": re.compile(r"\bmainspring\b(?:\s+-\S+(?:[ =]\S+)?)*\s+run\b"),
    "the gate": re.compile(r"\bmainspring\b(?:\s+-\S+(?:[ =]\S+)?)*\s+test\b"),
}
"""What a pipeline of CI has to run, and how that is recognised in its commands."""
_INSTALLS = re.compile(r"\b(?:pip3?|pipx|uv|conda|mamba|apt-get)\b.*\binstall\b|^\s*echo\b")
_SWALLOWED = re.compile(r"\|\|\s*(?:true|:|echo|exit 0)(?![\w-])")
"""What makes a command succeed that failed."""
_AUTOMATIC = frozenset({"push", "pull_request", "pull_request_target", "merge_group"})


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """What one CI file does."""

    path: str
    automatic: bool
    """It starts by itself when code is pushed or proposed."""
    runs: list[str]
    """Which of ``TASKS`` its commands do."""
    error: str | None = None


def read_workflows(root: Path) -> list[Workflow]:
    """Return the GitHub Actions and GitLab CI definitions of a project. Read-only."""
    folder = root / ".github" / "workflows"
    files = sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")])
    found = [_read(root, path, _github) for path in files]
    gitlab = root / ".gitlab-ci.yml"
    return [*found, _read(root, gitlab, _gitlab)] if gitlab.is_file() else found


def _read(root: Path, path: Path, interpret: Any) -> Workflow:
    relative = path.relative_to(root).as_posix()
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - derived from SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        first = str(error).splitlines()[0]
        return Workflow(path=relative, automatic=False, runs=[], error=f"it is not readable YAML: {first}")
    if not isinstance(tree, dict):
        return Workflow(path=relative, automatic=False, runs=[], error="it holds no mapping")
    automatic, commands = interpret(tree)
    lines = "\n".join(_expanded(root, command) for command in commands).splitlines()
    kept = "\n".join(line for line in lines if not _SWALLOWED.search(line))
    parts = re.split(r"&&|\|\||[;\n]", kept)
    text = "\n".join(part for part in parts if not _INSTALLS.search(part))
    return Workflow(
        path=relative, automatic=automatic, runs=[name for name, task in TASKS.items() if task.search(text)]
    )


class _Loader(yaml.SafeLoader):
    """GitLab's own tags (``!reference``) are read as their plain values."""


def _plain(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Any:
    return loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else loader.construct_scalar(node)  # type: ignore[arg-type]  # a scalar is what remains


_Loader.add_multi_constructor("!", _plain)


def _github(tree: dict[Any, Any]) -> tuple[bool, list[str]]:
    on = tree.get("on", tree.get(True, {}))  # YAML 1.1 reads a bare `on` as true
    triggers = {on} if isinstance(on, str) else set(on or ())
    jobs = tree.get("jobs")
    steps = [
        step
        for job in (jobs.values() if isinstance(jobs, dict) else ())
        if isinstance(job, dict) and _matters(job)
        for step in job.get("steps") or ()
    ]
    commands = [
        step["run"] for step in steps if isinstance(step, dict) and isinstance(step.get("run"), str) and _matters(step)
    ]
    return bool(triggers & _AUTOMATIC), commands


def _gitlab(tree: dict[Any, Any]) -> tuple[bool, list[str]]:
    commands = []
    for job in [tree, *tree.values()]:
        for key in ("before_script", "script", "after_script"):
            commands += _lines(job.get(key)) if isinstance(job, dict) and _matters(job) else []
    return True, commands


def _matters(part: dict[Any, Any]) -> bool:
    """Say whether a job or a step runs, and stops the rest when it fails."""
    lenient = part.get("continue-on-error") is True or part.get("allow_failure") is True
    never = part.get("when") in ("never", "manual") or str(part.get("if")).strip("${} ").lower() == "false"
    return not lenient and not never


def _lines(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [line for item in value for line in _lines(item)] if isinstance(value, list) else []


def _expanded(root: Path, command: str, depth: int = 2) -> str:
    """Return a command followed by the make targets and scripts of the project that it runs; comments left out."""
    command = "\n".join(re.sub(r"(^|\s)#.*$", "", line) for line in command.splitlines())
    command = re.sub(r"\\\n\s*", " ", command)
    return "\n".join(
        [command, *(_expanded(root, inner, depth - 1) for inner in _called(root, command))] if depth else [command]
    )


def _called(root: Path, command: str) -> Iterator[str]:
    for targets in re.findall(r"\bmake((?:\s+[\w.-]+)+)", command):
        makefile = root / "Makefile"
        rules = makefile.read_text(encoding="utf-8", errors="replace") if makefile.is_file() else ""
        for target in targets.split():
            for rule in re.finditer(rf"(?m)^{re.escape(target)}\s*:[^=\n]*\n((?:\t.*\n?)*)", rules):
                yield rule[1]
    for word in re.findall(r"(?:^|[\s;&|])(?:\./)?([\w./-]+)", command):
        path = root / word
        if (
            ".." not in word
            and path.is_file()
            and path.suffix in {"", ".sh", ".bash"}
            and path.stat().st_size < 100_000
        ):
            yield path.read_text(encoding="utf-8", errors="replace")
