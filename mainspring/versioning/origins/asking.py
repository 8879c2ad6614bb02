"""Whether what was imported is still the same where it came from. Nothing but this and another import asks there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.base.errors import MainspringError, NotFound, StorageError, did_you_mean
from mainspring.base.git import run_git
from mainspring.base.settings.dvc import find_outs
from mainspring.versioning import legacy
from mainspring.versioning.origins import addresses, deps
from mainspring.versioning.origins.folders import Folder
from mainspring.versioning.origins.opening import open_origin
from mainspring.versioning.pointers import LegacyPointer, read_origin, read_pointer
from mainspring.versioning.scratch import scratch
from mainspring.versioning.states import compare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.store.sources.seen import Seen, Source
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.origins.deps import Dep

OriginState = Literal["unchanged", "changed", "gone", "unknown"]
_COMMIT = re.compile("[0-9a-f]{7,40}")
_NAME = re.compile(r"[^~^:@{}\s]+")
"""What may be the name of a branch or tag, and nothing that git computes."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An imported dataset, where it came from, and what became of that; ``what`` says more where there is more to say."""

    dataset: str
    source: str
    state: OriginState
    what: str = ""


def ask(workspace: Workspace, targets: Sequence[str] = ()) -> list[Asked]:
    """Ask the sources of imported datasets, by default of all, whether they are still as they were; changes nothing.

    Of addresses entity tags are compared, of paths the content, and so it is where a web server tells neither tags nor times. A
    repository is changed when its branch or tag is another commit by now.

    Raises:
        NotFound: a target was not imported.
    """
    known = {_shown(workspace, out): out for out in find_outs(workspace.root)}
    found = {name: (out, entry[0]) for name, out in known.items() if (entry := _imported(out))}
    chosen = [_named(workspace, target, found) for target in targets] or sorted(found)
    return [_asked(workspace, name, *found[name]) for name in chosen]


def _imported(out: Path) -> list[Dep]:
    try:
        return [dep for dep in read_origin(out) if isinstance(dep.get("path"), str)]
    except MainspringError:  # of a pointer that cannot be read, the status of data tells
        return []


def _named(workspace: Workspace, target: str, found: dict[str, Any]) -> str:
    plain = target.removesuffix(".dvc")
    for place in (Path.cwd() / plain, workspace.root / plain):
        if (name := _shown(workspace, Path(os.path.normpath(place)))) in found:
            return name
    hint = did_you_mean(plain, found) or f"imported are: {', '.join(list(found)[:10]) or 'none'}"
    raise NotFound(f"'{target}' was not imported", hint=hint, target=target)


def _asked(workspace: Workspace, name: str, out: Path, dep: Dep) -> Asked:
    shown = str(dep["path"])
    try:
        if isinstance(dep.get("repo"), dict):
            repo = dep["repo"]
            shown = f"{shown} of {repo.get('url')}" + (f" at {repo['rev']}" if repo.get("rev") else "")
            state, what = _of_repository(workspace, repo)
        else:
            state, what = _of_address(workspace, out, dep)
    except NotFound as error:
        state, what = "gone", error.message
    except MainspringError as error:
        state, what = "unknown", error.message
    if state == "changed":
        what = "; ".join(filter(None, (what, f"take it: mainspring data import {name}")))
    return Asked(dataset=name, source=shown, state=state, what=what)


def _of_address(workspace: Workspace, out: Path, dep: Dep) -> tuple[OriginState, str]:
    source = open_origin(workspace, addresses.read(str(dep["path"]), out))
    if isinstance(source, Folder) and "hash" not in dep:
        source.look()
        is_same = legacy.compare(workspace, source.place, str(dep.get("md5"))) is None
        return ("unchanged" if is_same else "changed"), ""
    seen = source.look()
    is_same = deps.is_same(dep, source.key, seen)
    alone = seen.get("")
    if alone is not None and source.key == "checksum" and (not alone.is_told or (alone.tag is None and not is_same)):
        is_same = _is_content(workspace, out, source, alone)
    noted = None if is_same else deps.noted_files(dep, source.key)
    if noted is None or "" in noted or "" in seen:
        return ("unchanged" if is_same else "changed"), ""
    before, after = ({name: item.etag for name, item in files.items()} for files in (noted, seen))
    added, modified, deleted = compare(before, after)
    return "changed", f"+{added} ~{modified} -{deleted}"


def _is_content(workspace: Workspace, out: Path, source: Source, seen: Seen) -> bool:
    """Download what nothing but itself tells from other contents, and compare it with what the pointer holds."""
    try:
        wanted = read_pointer(out)
    except LegacyPointer:
        return False
    with scratch(workspace) as folder:
        md5, _ = source.read("", seen, folder / "content", lambda _: None)
    return md5 == wanted


def _of_repository(workspace: Workspace, repo: dict[str, Any]) -> tuple[OriginState, str]:
    url, rev, held = str(repo.get("url")), repo.get("rev"), str(repo.get("rev_lock"))
    if rev is not None and not _NAME.fullmatch(str(rev)):
        raise StorageError(f"'{rev}' is reckoned from {url}'s history, which is not asked for")
    names = ["HEAD"] if rev in (None, "HEAD") else [f"refs/heads/{rev}", f"refs/tags/{rev}^{{}}", f"refs/tags/{rev}"]
    done = run_git(["ls-remote", "--", url, *names], workspace.root)
    if done.returncode != 0:
        said = os.fsdecode(done.stderr).strip().splitlines()
        raise StorageError(f"git cannot ask {url}: {said[-1] if said else 'it did not say why'}")
    told = (line.partition("\t") for line in os.fsdecode(done.stdout).splitlines())
    found = {name: commit for commit, _, name in told}
    commit = next((found[name] for name in names if name in found), None)
    if commit is None and rev is not None and _COMMIT.fullmatch(str(rev)):
        return "unchanged", ""
    if commit is None:
        return "gone", f"it has no '{rev}' any more"
    if commit == held:
        return "unchanged", ""
    return "changed", f"it is at {commit[:12]} by now, and was at {held[:12]}"


def _shown(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.root).as_posix() if path.is_relative_to(workspace.root) else str(path)
