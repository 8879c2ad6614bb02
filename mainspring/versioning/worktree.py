"""What lies in a git repository's working tree otherwise than git would write it there.

Git converts what ``.gitattributes`` and its settings say (ends of lines, encodings, filters such as those of LFS), and does
not look at files that it was told to leave alone (``skip-worktree``, ``assume-unchanged``). A difference tells neither.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mainspring.base.git import git, names, run_git

if TYPE_CHECKING:
    from collections.abc import Iterable

_BLOCK = 1 << 20
_LINK, _REPOSITORY = "120000", "160000"
_CONVERTS = ("core.autocrlf", "core.attributesfile")


class Tracked(NamedTuple):
    """A file that git's index names, by its mode and the id of its content; git was told not to look at a hidden one."""

    name: str
    mode: str
    id: str
    is_hidden: bool

    @property
    def is_repository(self) -> bool:
        """Whether it stands for the commit of another repository."""
        return self.mode == _REPOSITORY


def tracked_files(top: Path) -> list[Tracked]:
    """Return what the index of a repository holds."""
    found = []
    for entry in names(["ls-files", "-z", "--stage", "-v"], top):
        said, _, name = entry.partition("\t")
        tag, mode, identity, _ = said.split(" ")
        found.append(Tracked(name, mode, identity, tag == "S" or tag.islower()))
    return found


def hidden_files(top: Path, files: Iterable[Tracked]) -> tuple[list[str], list[str]]:
    """Return those that git does not look at and that hold something else than it knows, and those that are not there."""
    changed, absent = [], []
    for file in files:
        if file.is_hidden and file.mode not in (_LINK, _REPOSITORY):
            place = top / file.name
            if not os.path.lexists(place):
                absent.append(file.name)
            elif place.is_file() and _id(place, file.id) != file.id:
                changed.append(file.name)
    return changed, absent


def converted_files(top: Path, files: list[Tracked], changed: Iterable[str]) -> list[str]:
    """Return files whose bytes may not be those that git keeps, since it converts them; ``changed`` is what differs anyway.

    Few repositories convert anything. In those, sizes tell what ends of lines do, and contents what other filters do.
    """
    if not _converts(top, files):
        return []
    odd = set(changed)
    regular = [file for file in files if file.mode not in (_LINK, _REPOSITORY)]
    filtered = _filtered(top, [file.name for file in regular])
    sizes = _sizes(top)
    found = []
    for file in regular:
        place = top / file.name
        try:
            status = place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISREG(status.st_mode):
            continue
        is_odd = file.name in odd or status.st_size != sizes.get(file.name, status.st_size)
        if is_odd or (file.name in filtered and _id(place, file.id) != file.id):
            found.append(file.name)
    return found


def attributes_file(top: Path) -> Path:
    """Return where a repository keeps attributes that are in no commit."""
    return top / os.fsdecode(git(["rev-parse", "--git-path", "info/attributes"], top)).rstrip("\n")


def _converts(top: Path, files: list[Tracked]) -> bool:
    if any(file.name.rpartition("/")[2] == ".gitattributes" for file in files) or (top / ".gitattributes").exists():
        return True
    if attributes_file(top).is_file():
        return True
    said = run_git(["config", "--get-regexp", f"^({'|'.join(_CONVERTS)})$"], top).stdout.decode(errors="replace")
    if any(line.lower() not in ("core.autocrlf false", "core.autocrlf no") for line in said.splitlines()):
        return True
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111 - there may be no home
    return Path("/etc/gitattributes").is_file() or Path(home, "git", "attributes").is_file()


def _filtered(top: Path, files: list[str]) -> set[str]:
    """Return the files with a filter or an encoding of their own."""
    said = names(
        ["check-attr", "-z", "--stdin", "filter", "working-tree-encoding", "ident"],
        top,
        feed=b"".join(os.fsencode(name) + b"\0" for name in files),
    )
    triples = zip(said[::3], said[1::3], said[2::3], strict=True)
    return {name for name, _, value in triples if value not in ("unspecified", "unset")}


def _sizes(top: Path) -> dict[str, int]:
    found = {}
    for entry in names(["ls-tree", "-r", "-l", "-z", "HEAD"], top):
        said, _, name = entry.partition("\t")
        size = said.split()[3]
        if size.isdigit():
            found[name] = int(size)
    return found


def _id(place: Path, like: str) -> str:
    """Return what git would call a file's bytes as they are, in the kind of ids that the repository has."""
    hasher = hashlib.new("sha1" if len(like) == 40 else "sha256", usedforsecurity=False)
    hasher.update(b"blob %d\0" % place.stat().st_size)
    with place.open("rb") as file:
        while block := file.read(_BLOCK):
            hasher.update(block)
    return hasher.hexdigest()
