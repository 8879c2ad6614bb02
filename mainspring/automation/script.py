"""Untouched scripts as remembered steps: what goes in is hashed, what comes out is kept and put back."""

from __future__ import annotations

import ast
import contextlib
import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.automation import inputs, outputs
from mainspring.automation.active import Work, runner
from mainspring.automation.results import Files
from mainspring.base.errors import Conflict, ExternalToolError, InvalidData, StepFailed, UsageError
from mainspring.base.parsing import parsed
from mainspring.store.objects import walk
from mainspring.tracking.run import active_run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TAIL = 15


@dataclass(frozen=True, kw_only=True)
class ScriptResult:
    """What a script left behind: its files (absolute), its metrics, and everything it printed."""

    outs: list[Path]
    metrics: dict[str, float]
    log: str


def script(
    command: str,
    *,
    outs: Sequence[str] = (),
    deps: Sequence[str] = (),
    metrics: str | None = None,
    params: Mapping[str, object] | None = None,
    name: str | None = None,
    cache: bool = True,
) -> ScriptResult:
    """Run ``command`` in the workspace's folder, unless it ran before on the same inputs; return what it left behind.

    ``params`` fill ``{names}`` in the command. Inputs are the command, ``deps`` (files or folders), the files that the
    command names, and the project modules that a named Python file imports. ``outs`` and the ``metrics`` file (JSON, numbers)
    are kept and put back into place when the script need not run; with ``cache`` off it always runs. Metrics, params and the
    versions of datasets among the inputs are logged to the active run. No shell is involved.

    Raises:
        StepFailed: it ended with an error, with the last lines it printed; or it did not write what it should.
        ExternalToolError: the program is not there.
        UsageError: the command cannot be read, a dependency is missing.
    """
    current = runner()
    root = current.root if current is not None else Path.cwd()
    arguments = _arguments(command, dict(params or {}))
    wanted = [*outs, *([metrics] if metrics else [])]
    for path in (*wanted, *deps):
        _inside(root, path)
    reads = _inputs(root, arguments, deps, wanted)
    if current is None or not current.only_plans:
        inputs.log(active_run(), [root / path for path in reads], [root / path for path in wanted])
    work = Work(
        name=name or _name(arguments),
        code="script",
        arguments={
            "command": arguments,
            "outs": sorted(wanted),
            **{f"file {path}": root / path for path in reads},
        },
        compute=functools.partial(_run, root, arguments, wanted, name or _name(arguments)),
        cache=cache,
    )
    done = current.perform(work) if current is not None else work.compute()
    if not isinstance(done, Files):  # a plan does not know yet
        return done  # type: ignore[no-any-return]  # it stands for a ScriptResult
    if current is None:  # else whoever recorded the step has recorded them
        outputs.log(active_run(), done)
    result = ScriptResult(
        outs=[root / path for path in outs],
        metrics=_metrics(root / metrics) if metrics else {},
        log=str(done.about.get("log", "")),
    )
    _log(work.name, params or {}, result)
    return result


def _arguments(command: str, params: dict[str, object]) -> list[str]:
    try:
        parts = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"the command `{command}` cannot be read: {error}", hint="check its quotes") from None
    if not parts:
        raise UsageError("the command of a script is empty", hint='write it like "python train.py --lr {lr}"')
    used: set[str] = set()

    def fill(match: re.Match[str]) -> str:
        if match[1] not in params:
            hint = f"params given: {', '.join(params) or 'none'}"
            raise UsageError(f"the command uses {{{match[1]}}}, which is not among its params", hint=hint)
        used.add(match[1])
        return str(params[match[1]])

    filled = [re.sub(r"\{([A-Za-z_]\w*)\}", fill, part) for part in parts]
    if unused := sorted(set(params) - used):
        raise UsageError(f"params {', '.join(unused)} are not used in the command", hint="write them as {name} in it")
    return filled


def _name(arguments: list[str]) -> str:
    return next(
        (Path(part).name for part in arguments if part.endswith((".py", ".sh", ".R", ".jl"))), Path(arguments[0]).name
    )


def _inside(root: Path, path: str) -> Path:
    place = (root / path).resolve()
    if not place.is_relative_to(root) or place == root:
        raise UsageError(f"'{path}' is not inside of {root}", hint="name files of the project, relative to its folder")
    return place


def _inputs(root: Path, arguments: list[str], deps: Sequence[str], outs: Sequence[str]) -> list[str]:
    for path in deps:
        if not (root / path).exists():
            raise UsageError(f"the dependency '{path}' does not exist", hint=f"paths are relative to {root}")
    named = [part for part in arguments[1:] if part not in outs and _is_file(root / part)]
    if "-m" in arguments[:-1]:
        module = arguments[arguments.index("-m") + 1].replace(".", "/")
        named += [path for path in (f"{module}.py", f"{module}/__main__.py") if _is_file(root / path)]
    found = dict.fromkeys([*deps, *named])
    for path in [path for path in found if path.endswith(".py")]:
        found |= dict.fromkeys(_imported(root, root / path, set()))
    return sorted(path for path in found if path not in outs)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _imported(root: Path, file: Path, seen: set[Path]) -> list[str]:
    """Return the project files that a Python file imports, directly or not, read without running anything."""
    seen.add(file)
    try:
        tree = parsed(lambda: ast.parse(file.read_text(encoding="utf-8")))
    except (SyntaxError, UnicodeDecodeError, OSError):
        return []  # the script itself will say so
    found: list[str] = []
    for node in ast.walk(tree):
        names: list[str] = []
        base = file.parent
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module or ''}.{alias.name}".lstrip(".") for alias in node.names)]
            base = file.parents[max(0, node.level - 1)]
        for name in filter(None, names):
            for place in _places(base, root, name):
                if place not in seen:
                    found += [place.relative_to(root).as_posix(), *_imported(root, place, seen)]
    return found


def _places(base: Path, root: Path, name: str) -> list[Path]:
    found = []
    for start in (base, root):
        path = start.joinpath(*name.split("."))
        parents = [
            parent / "__init__.py" for parent in path.parents if parent.is_relative_to(start) and parent != start
        ]
        found += [
            place
            for place in (path.with_suffix(".py"), path / "__init__.py", *parents)
            if place.is_file() and place.is_relative_to(root)
        ]
    return found


def _run(root: Path, arguments: list[str], wanted: Sequence[str], name: str) -> Files:
    program = sys.executable if arguments[0] in ("python", "python3") else shutil.which(arguments[0])
    if program is None:
        raise ExternalToolError(
            f"'{arguments[0]}' is not installed or not on PATH", hint=f"install it, or correct `{arguments[0]}`"
        )
    before = {path: _state(root / path) for path in wanted}
    log, code = _stream([program, *arguments[1:]], root)
    if code != 0:
        tail = "\n".join(log.splitlines()[-_TAIL:])
        told = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        printed = f"; it printed last:\n{tail}" if tail.strip() else " and printed nothing"
        hint = "see its log above" if tail.strip() else f"try it alone: {shlex.join(arguments)}"
        raise StepFailed(f"script '{name}' {told}{printed}", hint=hint, script=name)
    for path in wanted:
        if (after := _state(root / path)) is None:
            raise StepFailed(
                f"script '{name}' ended well and did not write '{path}'", hint="check `outs` and `metrics`"
            )
        if after == before[path]:
            hint = f"it looks left over from earlier: remove '{path}' and run again"
            raise StepFailed(f"script '{name}' ended well and did not touch '{path}'", hint=hint)
    return Files(root, list(wanted), {"log": log})


def _state(path: Path) -> Any:
    if path.is_dir():
        return sorted((name, *_stamp(file)) for name, file in walk(path).items())
    return _stamp(path) if path.exists() else None


def _stamp(file: Path) -> tuple[int, int, int]:
    stat = file.stat()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _stream(command: list[str], root: Path) -> tuple[str, int]:
    """Run a command, showing what it prints as it comes; ended with everything it started on Ctrl-C."""
    run = active_run()
    variables = os.environ | (run.environment() if run is not None else {}) | {"PYTHONUNBUFFERED": "1"}
    lines: list[str] = []
    process = subprocess.Popen(
        command,
        cwd=root,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            sys.stderr.write(f"  {line}")
        code = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
    return "".join(lines), code


def _end(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            return


def _metrics(path: Path) -> dict[str, float]:
    try:
        tree = msgspec.json.decode(path.read_bytes())
    except msgspec.DecodeError as error:
        raise InvalidData(
            f"the metrics file {path} is not JSON: {error}", hint='write it like {"accuracy": 0.9}'
        ) from None
    return dict(_flat("", tree))


def _flat(prefix: str, tree: Any) -> list[tuple[str, float]]:
    if isinstance(tree, dict):
        return [pair for name, item in tree.items() for pair in _flat(f"{prefix}.{name}".lstrip("."), item)]
    if isinstance(tree, int | float) and not isinstance(tree, bool) and prefix:
        return [(prefix, float(tree))]
    return []


def _log(name: str, params: Mapping[str, object], result: ScriptResult) -> None:
    run = active_run()
    if run is None:
        return
    run.log_metrics(result.metrics)
    run.log_text(result.log, f"scripts/{name}.log")
    for key, value in params.items():
        with contextlib.suppress(Conflict):  # two scripts of one pipeline may call different things alike
            run.log_param(key, value)
