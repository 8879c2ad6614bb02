"""The registry and GTO's tags of the workspace's git repository: each written from the other, and compared.

Tags are only ever added here. None is moved, overwritten or removed, and nothing is pushed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from mainspring.base.errors import AlreadyExists, NotFound
from mainspring.base.git import git, run_git
from mainspring.base.yamls import parse
from mainspring.store.listings import Entry
from mainspring.versioning import code, gto, labels, registration, registry, snapshot
from mainspring.versioning.gto import InGit, Tag
from mainspring.versioning.records import versions as version_rows
from mainspring.versioning.semver import parse_version

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.registry import ModelVersion

_COMMIT = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
_FORMAT = f"%(refname:strip=2)%00{_COMMIT}%00%(creatordate:unix)%00%(contents)%00%1e"
_END = b"\x1e"


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that says what the registry says, or why there is none (``problem``); ``written`` once git has it."""

    tag: str
    commit: str | None = None
    message: str = ""
    problem: str | None = None
    written: bool = False


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Something in which git and the registry differ: ``what`` is a version or a stage; None where one has nothing."""

    model: str
    what: str
    registry: str | None
    git: str | None


def tag(workspace: Workspace, name: str | None = None, *, write: bool = True) -> list[Planned]:
    """Add the tags with which git says what the registry says of a model, or of all: its versions, and its stages.

    A version is tagged at the commit of its run. A tag of that name which is there stays as it is, whoever made it.
    Nothing is pushed.

    Raises:
        NotFound: there is no repository, or no such model.
        ExternalToolError: git is missing, or failed.
    """
    top = _top(workspace)
    plans: list[Planned] = []
    held = gto.state(read_tags(top))
    for model in [name] if name is not None else registry.names(workspace):
        versions = registry.versions(workspace, model)
        if not versions:
            registry.resolve(workspace, model)
        if not gto.can_name(model):
            problem = "GTO's names are lowercase letters, digits and dashes"
            plans.append(Planned(tag=f"{model}@…", problem=problem))
            continue
        plans += _of_versions(workspace, top, versions, held.get(model, InGit()))
        plans += _of_stages(versions, held.get(model, InGit()), plans)
    return [_write(workspace, top, plan) if write and plan.problem is None else plan for plan in plans]


def compare(workspace: Workspace, name: str | None = None) -> list[Difference]:
    """Return where git's tags and the registry differ, of a model or of all that either knows. Changes nothing."""
    held = gto.state(read_tags(_top(workspace)))
    models = [name] if name is not None else sorted({*held, *registry.names(workspace)})
    found: list[Difference] = []
    for model in models:
        mine = {version.version: version for version in registry.versions(workspace, model)}
        theirs = held.get(model, InGit())
        _, deleted = version_rows.highest(workspace.database, model)
        for version in sorted({*mine, *theirs.versions}, key=parse_version):
            here, there = mine.get(version), theirs.versions.get(version)
            commit = None if here is None else _commit(workspace, here)
            if here is None or there is None or (commit is not None and there.commit != commit):
                said = f"commit {(commit or 'unknown')[:12]}" if here else "deleted" if version in deleted else None
                gone = "taken back" if version in theirs.taken_back else None
                tagged = gone if there is None else f"commit {there.commit[:12]}"
                found.append(Difference(model=model, what=version, registry=said, git=tagged))
        for stage, word in gto.WRITTEN.items():
            in_stage = [version.version for version in mine.values() if version.stage == stage]
            tagged = _in_stage(theirs, stage)
            if (tagged is None) != (not in_stage) or (tagged is not None and tagged not in in_stage):
                said = ", ".join(in_stage) or None
                found.append(Difference(model=model, what=f"#{word}", registry=said, git=tagged))
    return found


def register(workspace: Workspace, name: str | None = None) -> list[ModelVersion]:
    """Register the versions that only git's tags know, in development, under their numbers; return them.

    A version takes in the file that ``artifacts.yaml`` or ``dvc.yaml`` names at its commit, from git or, by its pointer, from
    the store; without one it says only where it is. What was deleted here stays so. Names with a folder are none of ours.
    Stages are not taken over: production has its gate.
    """
    top = _top(workspace)
    made: list[ModelVersion] = []
    for model, theirs in sorted(gto.state(read_tags(top)).items()):
        if name not in (None, model) or not gto.can_name(model) or "/" in model:
            continue
        _, deleted = version_rows.highest(workspace.database, model)
        held = {*deleted, *(version.version for version in registry.versions(workspace, model))}
        missing = sorted(parse_version(version) for version in theirs.versions if version not in held)
        for version in map(str, missing):
            tagged = theirs.versions[version]
            files, size, path = _files(workspace, top, model, tagged.commit)
            source = f"git tag {tagged.tag}, commit {tagged.commit}" + (f", {path}" if path else "")
            with suppress(AlreadyExists):
                labels.create_model(workspace, model)
            made.append(registration.record_files(workspace, model, files, source=source, size=size, version=version))
    return made


def read_tags(top: Path) -> list[Tag]:
    """Return the tags of a repository that GTO understands."""
    listed = git(["for-each-ref", f"--format={_FORMAT}", "refs/tags"], top)
    found: list[Tag] = []
    for record in listed.split(_END):
        name, _, rest = record.strip(b"\n").partition(b"\0")
        if gto.read(os.fsdecode(name)) is not None:
            commit, at, message, *_ = rest.split(b"\0")
            told = message.decode(errors="replace")
            found.append(Tag(tag=os.fsdecode(name), commit=commit.decode(), at=int(at or 0), message=told))
    return found


def _of_versions(workspace: Workspace, top: Path, versions: list[ModelVersion], held: InGit) -> list[Planned]:
    plans: list[Planned] = []
    for version in versions:
        name = f"{version.model}@v{version.version}"
        commit = _commit(workspace, version)
        if (there := held.versions.get(version.version)) is not None:
            if commit is not None and there.commit != commit:
                problem = f"is in git at commit {there.commit[:12]}, and the run had {commit[:12]}: left as it is"
                plans.append(Planned(tag=name, commit=there.commit, problem=problem))
            continue
        if held.deprecated:
            plans.append(Planned(tag=name, problem=f"git says that {version.model} is deprecated"))
        elif version.version in held.taken_back:
            plans.append(Planned(tag=name, problem="git says that it was taken back: left as it is"))
        elif commit is None:
            plans.append(Planned(tag=name, problem="no run recorded a commit for it"))
        elif run_git(["cat-file", "-e", f"{commit}^{{commit}}"], top).returncode != 0:
            plans.append(Planned(tag=name, commit=commit, problem=f"commit {commit[:12]} is not in this repository"))
        else:
            message = _message(workspace, version, f"Registering artifact {version.model} version v{version.version}")
            plans.append(Planned(tag=name, commit=commit, message=message))
    return plans


def _of_stages(versions: list[ModelVersion], held: InGit, plans: list[Planned]) -> list[Planned]:
    """Return the tags that bring git's stages to where the registry's are."""
    model = versions[0].model
    commits = {version: tag.commit for version, tag in held.versions.items()}
    commits |= {plan.tag.partition("@v")[2]: plan.commit for plan in plans if plan.commit and plan.problem is None}
    counter, found = held.counter, []
    for stage, word in gto.WRITTEN.items():
        here = [version for version in versions if version.stage == stage]
        there = _in_stage(held, stage)
        if here and here[-1].version != there and here[-1].version in commits:
            counter += 1
            subject = f"Assigning stage {word} to artifact {model} version v{here[-1].version}"
            message = f"{subject}\n\n{gto.VERSION_LINE}: {here[-1].reference}\n"
            found.append(Planned(tag=f"{model}#{word}#{counter}", commit=commits[here[-1].version], message=message))
        elif not here and there is not None:
            for used in [used for used, version in held.stages.items() if gto.STAGES.get(used) == stage]:
                counter += 1
                version = held.stages[used]
                message = f"Unassigning stage {used} from artifact {model} version v{version}\n"
                found.append(Planned(tag=f"{model}#{used}!#{counter}", commit=commits[version], message=message))
    return found


def _in_stage(held: InGit, stage: str) -> str | None:
    return next((version for word, version in held.stages.items() if gto.STAGES.get(word) == stage), None)


def _message(workspace: Workspace, version: ModelVersion, subject: str) -> str:
    taken = snapshot.load(workspace, version.run_id) if version.run_id else None
    lines = [f"{gto.VERSION_LINE}: {version.reference}", f"Mainspring-Artifact: {version.artifact}"]
    lines += [f"Mainspring-Run: {version.run_id}"] if version.run_id else []
    lines += ["Mainspring-Uncommitted-Changes: true"] if taken and taken.code["dirty"] else []
    return "\n".join([subject, "", *lines, ""])


def _commit(workspace: Workspace, version: ModelVersion) -> str | None:
    if version.run_id is None:
        return None
    try:
        found: str | None = snapshot.load(workspace, version.run_id).code["commit"]
    except NotFound:
        return None
    return found


def _write(workspace: Workspace, top: Path, plan: Planned) -> Planned:
    assert plan.commit is not None
    who = ["-c", f"user.name={workspace.actor}", "-c", f"user.email={workspace.actor}@localhost"]
    known = run_git(["config", "user.email"], top).returncode == 0
    command = [*([] if known else who), "tag", "--annotate", "--cleanup=verbatim", "--file=-", plan.tag, plan.commit]
    done = run_git(command, top, feed=plan.message.encode())
    if done.returncode != 0:
        problem = os.fsdecode(done.stderr).strip().splitlines()
        return msgspec.structs.replace(plan, problem=problem[-1] if problem else "git refused it")
    return msgspec.structs.replace(plan, written=True)


def _files(workspace: Workspace, top: Path, model: str, commit: str) -> tuple[list[Entry], int, str | None]:
    """Return what the annotations of a commit say is a model's file: stored, with its size and its path."""
    for name in ("artifacts.yaml", "dvc.yaml"):
        shown = run_git(["show", f"{commit}:{name}"], top)
        tree: Any = _yaml(shown.stdout) if shown.returncode == 0 else None
        noted = tree.get("artifacts", tree).get(model) if isinstance(tree, dict) else None
        path = noted.get("path") if isinstance(noted, dict) else None
        if isinstance(path, str):
            return *_file(workspace, top, commit, path), path
    return [], 0, None


def _file(workspace: Workspace, top: Path, commit: str, path: str) -> tuple[list[Entry], int]:
    name = path.rsplit("/", 1)[-1]
    blob = run_git(["cat-file", "blob", f"{commit}:{path}"], top)
    if blob.returncode == 0:
        return [Entry(name, workspace.objects.put_bytes(blob.stdout))], len(blob.stdout)
    pointer = run_git(["cat-file", "blob", f"{commit}:{path}.dvc"], top)
    tree = _yaml(pointer.stdout) if pointer.returncode == 0 else None
    outs = tree.get("outs") if isinstance(tree, dict) else None
    out = outs[0] if isinstance(outs, list) and outs and isinstance(outs[0], dict) else {}
    md5 = out.get("md5")
    if not isinstance(md5, str) or not workspace.objects.has(md5):
        return [], 0
    size = int(out.get("size") or 0)
    return (list(workspace.objects.listing(md5)) if md5.endswith(".dir") else [Entry(name, md5)]), size


def _yaml(text: bytes) -> Any:
    try:
        return parse(text)
    except yaml.YAMLError:
        return None


def _top(workspace: Workspace) -> Path:
    top = code.repository(workspace.root)
    if top is None:
        raise NotFound(f"{workspace.root} is in no git repository", hint="git init, and commit the project")
    return top
