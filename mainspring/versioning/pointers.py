"""Pointer files as DVC 3 writes them: what git holds of data."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mainspring.base.errors import InvalidData
from mainspring.base.files import write_atomic

if TYPE_CHECKING:
    from mainspring.versioning.contents import Contents

_ADDRESS = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?\b")


def pointer_path(path: Path) -> Path:
    """Return where the pointer of a file or folder is."""
    return path.with_name(path.name + ".dvc")


def write_pointer(path: Path, contents: Contents) -> bool:
    """Make the pointer beside ``path`` name its contents, and git ignore ``path``; say whether anything changed.

    What else a pointer of DVC's holds is kept.
    """
    pointer = pointer_path(path)
    tree = _read(pointer) if pointer.is_file() else {}
    out: dict[str, Any] = {"md5": contents.md5, "size": contents.size}
    if contents.is_folder:
        out["nfiles"] = len(contents.files)
    out |= {"hash": "md5", "path": path.name}
    outs = tree.get("outs") or [{}]
    kept = {key: value for key, value in outs[0].items() if key not in {*out, "nfiles"}}
    written = tree | {"outs": [out | kept, *outs[1:]]}
    ignored = ignore(path)
    if written == tree:
        return ignored
    write_atomic(pointer, yaml.safe_dump(written, sort_keys=False, allow_unicode=True).encode())
    return True


def read_pointer(path: Path) -> str | None:
    """Return the address that the pointer beside ``path`` names; None without a pointer.

    Raises:
        InvalidData: it is no pointer of DVC 3's, with a hint what to do.
    """
    pointer = pointer_path(path)
    if not pointer.is_file():
        return None
    outs = _read(pointer).get("outs") or [{}]
    md5 = outs[0].get("md5")
    if outs[0].get("hash") != "md5":
        raise InvalidData(
            f"{pointer} is a pointer of an old DVC, whose hashes are of another kind",
            hint=f"get the data with DVC, remove the pointer, then `mainspring data add {path.name}`",
            path=str(pointer),
        )
    return str(md5)


def named(folder: Path) -> set[str]:
    """Return every address that a pointer below ``folder`` names, or named in any commit that git knows there.

    What an old DVC wrote, or cannot be parsed, counts too: whatever looks like an address is one.
    """
    texts = [
        path.read_text(encoding="utf-8", errors="replace")
        for path in folder.rglob("*.dvc")
        if path.is_file() and ".mainspring" not in path.parts
    ]
    told = subprocess.run(
        ["git", "-C", str(folder), "log", "--all", "--reflog", "-p", "-m", "--format=", "--no-color", "--", "*.dvc"],
        capture_output=True,
        check=False,
    )
    return set(_ADDRESS.findall("\n".join([*texts, told.stdout.decode(errors="replace")])))


def _read(pointer: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(pointer.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _invalid(pointer, "it is not YAML") from error
    outs = tree.get("outs") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or not isinstance(outs, list) or not all(isinstance(out, dict) for out in outs):
        raise _invalid(pointer, "it has no list of 'outs'")
    return tree


def _invalid(pointer: Path, why: str) -> InvalidData:
    return InvalidData(
        f"{pointer} cannot be read: {why}", hint="resolve the merge conflict, or remove it and add the data again"
    )


def ignore(path: Path) -> bool:
    """Make git ignore a path; say whether it did not before."""
    file = path.with_name(".gitignore")
    line = f"/{path.name}"
    held = file.read_text(encoding="utf-8") if file.is_file() else ""
    if line in held.splitlines():
        return False
    separator = "" if not held or held.endswith("\n") else "\n"
    write_atomic(file, f"{held}{separator}{line}\n".encode())
    return True
