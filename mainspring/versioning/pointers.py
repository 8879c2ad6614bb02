"""Pointer files as DVC 3 writes them: what git holds of data."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mainspring.base.errors import InvalidData, StorageError
from mainspring.base.files import disk_error, write_atomic
from mainspring.base.folders import alone_in
from mainspring.base.hashing import md5_bytes
from mainspring.base.settings.locked import locked
from mainspring.versioning.states import command

if TYPE_CHECKING:
    from mainspring.versioning.contents import Contents

_ADDRESS = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?\b")
_USUAL = re.compile(
    r"outs:\n"
    r"- md5: (?P<md5>(?=[0-9b]*[acdef])[0-9a-f]{32}(?:\.dir)?)\n"
    r"  size: (?P<size>0|[1-9][0-9]{0,17})\n"
    r"(?:  nfiles: (?P<nfiles>0|[1-9][0-9]{0,17})\n)?"
    r"  hash: md5\n"
    r"  path: (?P<path>(?!(?i:y|n|yes|no|on|off|true|false|null)\n)[A-Za-z][A-Za-z0-9_./-]*)\n"
)
"""A pointer as nearly all are, each value of which is in YAML what it looks like."""
_UNLIKE_ITSELF = re.compile(r"[\\[\n]|[ \r]$")
"""In names that do not match themselves as lines of ``.gitignore``, as which they were written in former days."""
_UNCHECKED = frozenset(
    {"desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist", "isexec", "size", "nfiles"}
)
"""What DVC leaves out of a pointer's own checksum."""


def pointer_path(path: Path) -> Path:
    """Return where the pointer of a file or folder is."""
    return path.with_name(path.name + ".dvc")


class LegacyPointer(InvalidData):
    """A pointer of DVC 2's: its ``md5`` is of another kind, taken of text files after ``\\r\\n`` became ``\\n``."""

    def __init__(self, pointer: Path, name: str, md5: str) -> None:
        super().__init__(
            f"{pointer} is a pointer of an old DVC, whose hashes are of another kind",
            hint=f"status and checkout read it; bring it up to date: {command('add', name)}",
            path=str(pointer),
        )
        self.md5 = md5


def write_pointer(
    path: Path, contents: Contents, *, origin: dict[str, Any] | None = None, executable: bool | None = None
) -> bool:
    """Make the pointer of ``path`` name its contents, and git ignore ``path``; say whether anything changed.

    What else a pointer of DVC's holds is kept, and other files that it names. Whether its owner may execute a file is noted, by
    default as it is on disk.
    ``origin`` says where the contents come from (``frozen`` and ``deps``, as DVC's imports do).
    """
    pointer = find_pointer(path)
    tree = _read(pointer) if pointer.is_file() else {}
    out: dict[str, Any] = {"md5": contents.md5, "size": contents.size}
    if contents.is_folder:
        out["nfiles"] = len(contents.files)
    elif _may_run(path) if executable is None else executable:
        out["isexec"] = True
    out |= {"hash": "md5", "path": path.name}
    outs = list(tree.get("outs") or [{}])
    place = _position(pointer, outs, path)
    kept = {key: value for key, value in outs[place].items() if key not in {*out, "nfiles", "isexec"}}
    outs[place] = out | kept
    written = (origin or {}) | tree | (origin or {}) | {"outs": outs}
    if "cmd" in written or (len(written.get("deps") or []) == len(outs) == 1):  # others have none
        written = {"md5": _checksum(written)} | written | {"md5": _checksum(written)}
    ignored = ignore(path)
    if written == tree:
        return ignored
    write_atomic(pointer, _text(written).encode())
    return True


def _may_run(path: Path) -> bool:
    return path.is_file() and bool(path.stat().st_mode & stat.S_IXUSR)


class Pointed(NamedTuple):
    """What a pointer names: an address, None as long as it names none, and whether remotes keep what has it."""

    md5: str | None
    is_pushed: bool


def read_pointer(path: Path) -> str | None:
    """Return the address that the pointer of ``path`` names, or ``dvc.lock``; None without one, or when it names none yet.

    Raises:
        LegacyPointer: it is one of DVC 2's.
        InvalidData: it is no pointer, with a hint what to do.
    """
    return pointed(path).md5


def pointed(path: Path) -> Pointed:
    """Return what the pointer of ``path`` names, or ``dvc.lock``.

    Raises:
        LegacyPointer, InvalidData: as ``read_pointer``.
    """
    out = _out(path)
    md5 = out.get("md5")
    if out.get("hash", "md5") != "md5" or not isinstance(md5, str | None) or (md5 and not _ADDRESS.fullmatch(md5)):
        raise _invalid(find_pointer(path), "it names no md5")
    if md5 is not None and "hash" not in out:
        raise LegacyPointer(find_pointer(path), path.name, md5)
    return Pointed(md5, out.get("push") is not False)


def is_executable(path: Path) -> bool:
    """Say whether the pointer of a file says that its owner may execute it."""
    return bool(_out(path).get("isexec"))


def read_origin(path: Path) -> list[dict[str, Any]]:
    """Return what the pointer of a file or folder says that it came from; nothing of what was added here."""
    pointer = find_pointer(path)
    deps = _read(pointer).get("deps") if pointer.is_file() else None
    return [dep for dep in deps if isinstance(dep, dict)] if isinstance(deps, list) else []


def is_written_by_stage(path: Path) -> bool:
    """Say whether ``dvc.lock`` names a file or folder instead of a pointer."""
    return not find_pointer(path).is_file() and locked(path) is not None


def is_legacy(path: Path) -> bool:
    """Say whether the pointer of a file or folder is one of DVC 2's."""
    out = _out(path)
    return "md5" in out and "hash" not in out


def find_pointer(path: Path) -> Path:
    """Return the pointer of a file or folder: ``PATH.dvc``, or another one beside it that names it."""
    pointer = pointer_path(path)
    if pointer.is_file() or not path.parent.is_dir():
        return pointer
    with os.scandir(path.parent) as entries:
        others = sorted(entry.path for entry in entries if entry.name.endswith(".dvc") and entry.is_file())
    for other in map(Path, others):
        with suppress(
            InvalidData, StorageError, PermissionError
        ):  # one that cannot be read is complained of where it is meant
            is_named = path.name in other.read_text(encoding="utf-8", errors="replace")
            if is_named and any(_names(other, out, path) for out in _read(other)["outs"]):
                return other
    return pointer


def _checksum(tree: dict[str, Any]) -> str:
    """Return what DVC compares a pointer with dependencies with, to see whether somebody changed it."""
    import json  # few pointers have dependencies

    rest = {key: value for key, value in tree.items() if key not in {"md5", "meta", "desc"}}
    return md5_bytes(json.dumps(_without(rest), sort_keys=True).encode())


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in _UNCHECKED}
    return [_without(item) for item in value] if isinstance(value, list) else value


def _out(path: Path) -> dict[str, Any]:
    pointer = find_pointer(path)
    if not pointer.is_file():
        return locked(path) or {}
    outs: list[dict[str, Any]] = _read(pointer)["outs"] or [{}]
    return outs[_position(pointer, outs, path)]


def _position(pointer: Path, outs: list[dict[str, Any]], path: Path) -> int:
    """Return which entry of a pointer is that of ``path``: the only one is, if it names no path."""
    for number, out in enumerate(outs):
        if _names(pointer, out, path) or (len(outs) == 1 and "path" not in out):
            return number
    far = next((str(out["path"]) for out in outs if os.sep in os.path.normpath(str(out.get("path", "")))), None)
    raise _elsewhere(pointer, far) if far else _invalid(pointer, f"it does not name '{path.name}'")


def _names(pointer: Path, out: dict[str, Any], path: Path) -> bool:
    return os.path.normpath(pointer.parent / str(out.get("path", ""))) == os.path.normpath(path)


def _read(pointer: Path) -> dict[str, Any]:
    try:
        text = pointer.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(pointer, "it is not YAML") from error
    except PermissionError as error:
        raise disk_error(error, pointer, doing="read") from error
    return _usual(text) or _parsed(pointer, text)


def _usual(text: str) -> dict[str, Any] | None:
    """Return what a pointer says that is as nearly all are: YAML's reader takes longer to load than a quick look."""
    match = _USUAL.fullmatch(text)
    if match is None:
        return None
    out = {"md5": match["md5"], "size": int(match["size"]), "hash": "md5", "path": match["path"]}
    return {"outs": [out | ({"nfiles": int(match["nfiles"])} if match["nfiles"] else {})]}


def _text(written: dict[str, Any]) -> str:
    """Return a pointer as text, as YAML's writer has it."""
    lines = "  ".join(f"{key}: {value}\n" for key, value in written["outs"][0].items())
    text = f"outs:\n- {lines}"
    if _usual(text) == written:
        return text
    import yaml

    from mainspring.base.yamls import parse

    text = str(yaml.safe_dump(written, sort_keys=False, allow_unicode=True))
    if parse(text) == written:
        return text
    return str(yaml.safe_dump(written, sort_keys=False, allow_unicode=False))  # what YAML takes for the end of a line


def _parsed(pointer: Path, text: str) -> dict[str, Any]:
    import yaml

    from mainspring.base.yamls import parse

    try:
        tree = parse(text)
    except yaml.YAMLError as error:
        raise _invalid(pointer, "it is not YAML") from error
    outs = tree.get("outs") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or not isinstance(outs, list) or not all(isinstance(out, dict) for out in outs):
        raise _invalid(pointer, "it has no list of 'outs'")
    if os.path.normpath(str(tree.get("wdir", os.curdir))) != os.curdir:
        raise _elsewhere(pointer, str(tree["wdir"]))
    return tree


def _invalid(pointer: Path, why: str) -> InvalidData:
    return InvalidData(
        f"{pointer} cannot be read: {why}", hint="resolve the merge conflict, or remove it and add the data again"
    )


def _elsewhere(pointer: Path, place: str) -> InvalidData:
    return InvalidData(
        f"{pointer} names what lies in another folder ({place}), which is not supported",
        hint="let DVC put its pointer beside it: dvc remove POINTER, then dvc add FILE",
    )


def ignore(path: Path) -> bool:
    """Make git ignore a path; say whether it did not before. What others add to the same file meanwhile stays."""
    with alone_in(path.parent):
        return _ignore(path)


def _ignore(path: Path) -> bool:
    file = path.with_name(".gitignore")
    held = os.fsdecode(file.read_bytes()) if file.is_file() else ""
    lines = {line.removesuffix("\r") for line in held.split("\n")}
    pattern = _pattern(path.name)
    if pattern in lines or (f"/{path.name}" in lines and not _UNLIKE_ITSELF.search(path.name)):
        return False
    separator = "" if not held or held.endswith("\n") else "\n"
    write_atomic(file, os.fsencode(f"{held}{separator}{pattern}\n"))
    return True


def _pattern(name: str) -> str:
    """Return the line of ``.gitignore`` that a name matches, and no other one; escaped as by DVC, and backslashes too.

    No line holds a newline, or ends with a carriage return: for these any control character matches, which few names have.
    """
    escaped = re.sub(r"[][*?!#\\]", r"\\\g<0>", name)
    escaped = re.sub(r"\n|\r$", "[[:cntrl:]]", escaped)
    return "/" + re.sub(r" (?= *$)", r"\\ ", escaped)
