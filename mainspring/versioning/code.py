"""The code of a run: commit, what differs from it, and what git does not hold yet."""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from mainspring.base.git import failed, git, names, run_git
from mainspring.store.listings import Entry
from mainspring.versioning.contents import read_files
from mainspring.versioning.index import identity
from mainspring.versioning.scratch import scratch
from mainspring.versioning.worktree import converted_files, hidden_files, tracked_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mainspring.store.workspace import Workspace

LARGE_BYTES = 50_000_000
"""Files beyond this size that git does not hold are recorded by their hash only."""
_NEVER = (".git", ".mainspring")
_DIFF = [
    "diff", "--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", "--unified=3",
    "--inter-hunk-context=0", "--src-prefix=a/", "--dst-prefix=b/", "--no-relative", "--submodule=short",
    "--ignore-submodules=dirty", "-O/dev/null",
]  # fmt: skip
"""A difference that ``git apply`` takes, whatever somebody's settings want to see."""


def capture(workspace: Workspace) -> dict[str, Any]:
    """Return what the code is right now, with what is needed to have it again stored as objects.

    ``commit`` (None before the first), ``branch``, ``remote``, ``dirty``; ``diff``: address of the binary diff against the
    commit; ``untracked``: address of a folder of the files that git neither holds nor ignores; ``large``: those beyond
    50 MB, by hash only; ``skipped``: those that are no regular files, or may not be read; ``folder``: where in the
    repository the workspace is. Without a repository everything that ``.gitignore`` does not name counts as untracked.

    Where there are some: ``exact``: address of a folder of tracked files as they are on disk, where git converts them or was
    told not to look; ``absent``: address of the names of those that are not there; ``links`` and ``executables`` among the
    untracked; ``renamed``: names that are not UTF-8, quoted as in URLs, by what they are called here; ``repositories``: the
    same of each repository inside, of submodules for example, by its path.

    Raises:
        ExternalToolError: git is missing, or failed.
    """
    top = repository(workspace.root)
    if top is not None:
        return _of_repository(workspace, top) | {"folder": workspace.root.resolve().relative_to(top).as_posix()}
    with _bare(workspace) as arguments:
        others = names([*arguments, "ls-files", "-z", "--others", "--exclude-standard"], workspace.root)
    nothing = {"commit": None, "branch": None, "remote": None, "dirty": True, "diff": None}
    return nothing | _beside(workspace, workspace.root, others, "") | {"folder": "."}


def repository(folder: Path) -> Path | None:
    """Return the top of the git repository that holds a folder; None if none does, or it ignores the folder."""
    found = _text(["rev-parse", "--show-toplevel"], folder, allowed=(128,), unless="not a git repository")
    if found is None:
        return None
    top = Path(found)
    if folder != top and run_git(["check-ignore", "-q", str(folder)], top).returncode == 0:
        return None
    return top


def head(folder: Path) -> str | None:
    """Return the commit that is checked out; None without a repository or before the first commit."""
    top = repository(folder)
    return _text(["rev-parse", "--verify", "-q", "HEAD"], top, allowed=(1, 128)) if top is not None else None


def kept(recorded: Mapping[str, Any], below: str = "") -> dict[str, str]:
    """Return the addresses of everything that ``capture`` stored, by what it is.

    >>> kept({"diff": "1", "untracked": None, "repositories": {"lib": {"diff": "2"}}})
    {'diff': '1', 'lib/diff': '2'}
    """
    found = {
        f"{below}{kind}": recorded[kind] for kind in ("diff", "untracked", "exact", "absent") if recorded.get(kind)
    }
    for path, inner in (recorded.get("repositories") or {}).items():
        found |= kept(inner, f"{below}{path}/")
    return found


def place_of(recorded: Mapping[str, Any], name: str) -> str:
    """Return the name that a file has on disk, which may not be UTF-8."""
    quoted = (recorded.get("renamed") or {}).get(name)
    return name if quoted is None else os.fsdecode(unquote_to_bytes(quoted))


def _of_repository(workspace: Workspace, top: Path, below: str = "") -> dict[str, Any]:
    commit = _text(["rev-parse", "--verify", "-q", "HEAD"], top, allowed=(1, 128))
    branch = _text(["symbolic-ref", "--short", "-q", "HEAD"], top, allowed=(1,))
    remote = _text(["config", "--get", "remote.origin.url"], top, allowed=(1,))
    files = tracked_files(top)
    others = names(["ls-files", "-z", "--others", "--exclude-standard"], top)
    difference = b""
    hidden: list[str] = []
    beside: dict[str, Any] = {}
    if commit is None:
        others += [file.name for file in files]
    else:
        difference = git([*_DIFF, "HEAD"], top)
        hidden, absent = hidden_files(top, files)
        changed = names([*_DIFF, "--name-only", "-z", "HEAD"], top) if difference else []
        exact = sorted({*hidden, *converted_files(top, files, changed)})
        beside = _exact(workspace, top, exact, absent, below)
    nested = [name[:-1] for name in others if name.endswith("/")]
    inside = [file.name for file in files if file.is_repository] + nested
    inner = {
        path: _of_repository(workspace, top / path, f"{below}{path}/")
        for path in inside
        if (top / path / ".git").exists() and _is_utf8(path)
    }
    others = [name for name in others if name.removesuffix("/") not in inner]
    found = _beside(workspace, top, others, below)
    large = found["large"] + beside.pop("large", [])
    renamed = found.pop("renamed", {}) | beside.pop("renamed", {})
    new = difference or hidden or any(found.get(kind) for kind in ("untracked", "large", "skipped", "links"))
    return {
        "commit": commit,
        "branch": branch,
        "remote": re.sub(r"(?<=://)[^/]*@", "", remote) if remote else None,
        "dirty": commit is None or bool(new or nested) or any(one["dirty"] for one in inner.values()),
        "diff": workspace.objects.put_bytes(difference) if difference else None,
        **found,
        "large": large,
        **beside,
        **({"renamed": renamed} if renamed else {}),
        **({"repositories": inner} if inner else {}),
    }


def _exact(workspace: Workspace, top: Path, files: list[str], absent: list[str], below: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if files:
        found = _stored(workspace, f"exact {below}", {name: top / name for name in files}, "exact")
    if absent:
        found["absent"] = workspace.objects.put_bytes(b"".join(os.fsencode(name) + b"\0" for name in absent))
    return found


def _beside(workspace: Workspace, top: Path, others: Iterable[str], below: str) -> dict[str, Any]:
    """Return what lies beside what git holds, stored."""
    places: dict[str, Path] = {}
    links: dict[str, str] = {}
    skipped: list[str] = []
    for name in sorted(set(others)):
        place = top / name
        if any(part in _NEVER for part in Path(name).parts) or place.is_relative_to(workspace.state):
            continue
        if place.is_symlink() and _stays(place, top):
            links[name] = os.readlink(place)  # noqa: PTH115 - it is no place here
        elif place.is_file() and os.access(place, os.R_OK):
            places[name] = place
        elif place.exists():
            skipped.append(name)
    found = _stored(workspace, f"code {below}", places, "untracked") | {"skipped": [_shown(name) for name in skipped]}
    executables = [_shown(name) for name, place in places.items() if place.stat().st_mode & stat.S_IXUSR]
    return found | ({"links": links} if links else {}) | ({"executables": executables} if executables else {})


def _stays(link: Path, top: Path) -> bool:
    """Say whether a link means the same wherever the repository lies: of files outside, the contents are what counts."""
    target = os.readlink(link)  # noqa: PTH115 - it may be no place
    if not _is_utf8(f"{link}{target}"):
        return False
    goes_outside = not link.resolve().is_relative_to(top.resolve())
    return not goes_outside or (Path(target).is_absolute() and not link.is_file())


def _stored(workspace: Workspace, key: str, places: Mapping[str, Path], kind: str) -> dict[str, Any]:
    """Store files as a folder, and return its address; of large ones the hash has to do."""
    found = {_shown(name): place.stat() for name, place in places.items()}
    named = {_shown(name): str(place) for name, place in places.items()}
    renamed = {_shown(name): quote_from_bytes(os.fsencode(name)) for name in places if not _is_utf8(name)}
    big = {name for name, status in found.items() if status.st_size > LARGE_BYTES}

    def read(key: str, wanted: Iterable[str], *, store: bool) -> dict[str, str]:
        chosen = list(wanted)
        identities = {name: identity(found[name]) for name in chosen}
        return read_files(workspace, key, {name: named[name] for name in chosen}, identities, store=store)

    large = [
        {"path": name, "md5": md5, "size": found[name].st_size}
        for name, md5 in read(f"large {key}", sorted(big), store=False).items()
    ]
    entries = [
        Entry(name, md5) for name, md5 in read(key, (name for name in named if name not in big), store=True).items()
    ]
    size = sum(found[entry.relpath].st_size for entry in entries)
    address = workspace.objects.put_listing(entries, size).md5 if entries else None
    return {kind: address, "large": large} | ({"renamed": renamed} if renamed else {})


def _is_utf8(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _shown(name: str) -> str:
    """Return a name as text that can be written down."""
    return name if _is_utf8(name) else os.fsencode(name).decode("utf-8", "backslashreplace")


@contextmanager
def _bare(workspace: Workspace) -> Iterator[list[str]]:
    """Lend git an empty repository, so that it applies ``.gitignore`` where there is none."""
    with scratch(workspace) as folder:
        git(["init", "-q", "--bare", str(folder / "git")], folder)
        yield ["--git-dir", str(folder / "git"), "--work-tree", str(workspace.root)]


def _text(arguments: list[str], folder: Path, *, allowed: tuple[int, ...], unless: str = "") -> str | None:
    done = run_git(arguments, folder)
    if done.returncode == 0:
        return os.fsdecode(done.stdout).strip() or None
    if done.returncode in allowed and unless in os.fsdecode(done.stderr):
        return None
    raise failed(arguments, done)
