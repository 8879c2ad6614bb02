"""The stages of ``dvc.yaml`` as remembered steps of a pipeline."""

from __future__ import annotations

import os
import shlex
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mainspring.automation.active import runner
from mainspring.automation.script import ScriptResult, script
from mainspring.base.errors import NotFound, UsageError, did_you_mean
from mainspring.store.workspace import Workspace
from mainspring.versioning.stages import UNRESOLVED, read_stages
from mainspring.versioning.turns.repositories import working

if TYPE_CHECKING:
    from mainspring.versioning.stages import Stage


def run_stages(*names: str) -> dict[str, ScriptResult]:
    """Run stages of ``dvc.yaml``, by default all, each as a ``script`` step after those whose outs it needs.

    Those run too, as with ``dvc repro``, and are in what is returned. A stage whose command, deps and parameter files are as in
    an earlier run is not run again, unless it is ``always_changed``: its outs are put back. One that is ``frozen`` is not run,
    nor what only it needs: its outs are taken as they are. A shell reads the commands.
    ``dvc.lock`` is not written, so DVC itself takes them for changed until ``dvc commit``. While a stage runs, DVC's commands
    stay away from what it reads and writes, and it does not run while they are at work on that.

    Raises:
        NotFound: no such stage, or outs of a frozen one are missing.
        Conflict: DVC is at work on what a stage reads or writes.
        StepFailed, UsageError: as ``script``.
        InvalidData: ``dvc.yaml`` cannot be read.
    """
    current = runner()
    root = current.root if current is not None else Path.cwd()
    workspace = Workspace(root)
    stages = {stage.name: stage for stage in read_stages(workspace)}
    for name in names:
        if name not in stages:
            hint = did_you_mean(name, stages) or f"stages of dvc.yaml: {', '.join(stages) or 'none'}"
            raise NotFound(f"there is no stage '{name}'", hint=hint, stage=name)
    wanted = set(names or stages)
    for name, stage in reversed(stages.items()):
        if name in wanted and not stage.frozen:
            wanted.update(stage.needs)
    only_plans = current is not None and current.only_plans
    return {name: _run(workspace, stage, only_plans) for name, stage in stages.items() if name in wanted}


def _run(workspace: Workspace, stage: Stage, only_plans: bool) -> ScriptResult:
    if stage.frozen:
        return _as_it_is(workspace, stage)
    if UNRESOLVED in stage.why:
        raise UsageError(
            f"the stage '{stage.name}' is a template, and dvc.lock does not say what it stands for",
            hint="run it with DVC once (dvc repro), or write it out",
            stage=stage.name,
        )
    moved = [f"cd {shlex.quote(stage.folder)}"] if stage.folder != os.curdir else []
    command = " && ".join([*moved, *stage.commands])
    deps = list(dict.fromkeys([*stage.deps, *stage.params]))
    reads, writes = ([workspace.root / path for path in paths] for paths in (deps, stage.outs))
    with nullcontext() if only_plans else working(workspace, reads=reads, writes=writes):
        return script(
            "sh -c {command}",
            params={"command": command},
            deps=deps,
            outs=stage.outs,
            name=stage.name,
            cache=not stage.always_changed,
        )


def _as_it_is(workspace: Workspace, stage: Stage) -> ScriptResult:
    outs = [workspace.root / path for path in stage.outs]
    if missing := [path.relative_to(workspace.root).as_posix() for path in outs if not path.exists()]:
        raise NotFound(
            f"the stage '{stage.name}' is frozen, and what it once wrote is not there: {', '.join(missing)}",
            hint=f"put it back: mainspring data pull {shlex.quote(missing[0])}; or let it run: dvc unfreeze {stage.name}",
            stage=stage.name,
        )
    return ScriptResult(outs=outs, metrics={}, log="")
