"""What ``dvc.lock`` says that DVC ran: which contents a stage read, and which it made of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mainspring.base.errors import MainspringError
from mainspring.base.settings import locked
from mainspring.base.settings.dvc import SKIPPED, find_outs
from mainspring.versioning import datasets
from mainspring.versioning.lineage import nodes
from mainspring.versioning.lineage.graph import Key, Node
from mainspring.versioning.pointers import read_pointer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from mainspring.store.workspace import Workspace

    Link = tuple[Key, Key, str]


class Ran(NamedTuple):
    """A stage as DVC last ran it, and the contents that it read and made."""

    node: Node
    key: Key
    read: list[Key]
    made: list[Key]


class LockedStages:
    """The stages of every ``dvc.lock`` of a workspace as it is in the working tree; what older commits said is not known.

    Of what a stage read, the data are nodes: datasets, files of datasets (which stand for them), and what other stages made.
    The rest, such as code, is among the facts of the stage.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        pointed = {path: self._shown(path) for path in find_outs(workspace.root)}
        self._names = pointed | {path: name for name, path in datasets.known_datasets(workspace).items()}
        locks = list(_locks(workspace.root, self._names.keys()))
        self.all = [self._ran(lock, name, body, base) for lock, stages in locks for name, body, base in stages]

    def reading(self, keys: Iterable[Key]) -> Iterator[Link]:
        """Give the stages that read some of these contents."""
        wanted = set(keys)
        return ((key, stage.key, "read by") for stage in self.all for key in stage.read if key in wanted)

    def made_by(self, keys: Iterable[Key]) -> Iterator[Link]:
        """Give what some of these stages made."""
        wanted = set(keys)
        return ((stage.key, key, "made") for stage in self.all if stage.key in wanted for key in stage.made)

    def making(self, keys: Iterable[Key]) -> Iterator[Link]:
        """Give the stages that made some of these contents."""
        wanted = set(keys)
        return ((stage.key, key, "made") for stage in self.all for key in stage.made if key in wanted)

    def read_by(self, keys: Iterable[Key]) -> Iterator[Link]:
        """Give what some of these stages read."""
        wanted = set(keys)
        return ((key, stage.key, "read by") for stage in self.all if stage.key in wanted for key in stage.read)

    def described(self, held: dict[str, Node], keys: set[Key]) -> dict[str, Node]:
        """Return nodes with those of the stages among the keys, and a word on contents that only ``dvc.lock`` names."""
        ran = [stage for stage in self.all if stage.key in keys]
        named = {str(key) for stage in ran for key in (*stage.read, *stage.made)}
        unrecorded = {name: node for name, node in held.items() if name in named and node.state == nodes.NOT_HERE}
        said = {name: msgspec.structs.replace(node, state="in dvc.lock") for name, node in unrecorded.items()}
        return held | said | {str(stage.key): stage.node for stage in ran}

    def _ran(self, lock: Path, name: str, body: dict[str, Any], base: Path) -> Ran:
        deps, outs = (list(_contents(base, body.get(part))) for part in ("deps", "outs"))
        read = [(path, md5, self._data(path, md5)) for path, md5 in deps]
        below = os.path.relpath(lock.parent, self._workspace.root)
        shown = name if below == os.curdir else f"{Path(below).as_posix()}/dvc.yaml:{name}"
        commands = body.get("cmd") or []
        facts = {
            "name": shown,
            "commands": [commands] if isinstance(commands, str) else commands,
            "params": body.get("params") or {},
            "other_deps": {self._shown(path): md5 for path, md5, key in read if key is None},
        }
        key = Key("stage", shown)
        at = lock.stat().st_mtime_ns // 1_000_000
        node = Node(id=str(key), kind="stage", label=shown, state="ran with DVC", at=at, facts=facts)
        made = [Key("dataset", self._name(path), md5) for path, md5 in outs]
        return Ran(node, key, list(dict.fromkeys(key for _, _, key in read if key is not None)), made)

    def _data(self, path: Path, md5: str) -> Key | None:
        if path in self._names:
            return Key("dataset", self._name(path), md5)
        for above in path.parents:
            if above in self._names:
                whole = self._holding(above, path.relative_to(above).as_posix(), md5)
                return None if whole is None else Key("dataset", self._name(above), whole)
        return None

    def _holding(self, folder: Path, name: str, md5: str) -> str | None:
        """Return the content of a dataset as its pointer names it, if a file or folder of it is the one that was read."""
        try:
            whole = read_pointer(folder)
            entries = self._workspace.objects.listing(whole) if whole and whole.endswith(".dir") else []
        except MainspringError:  # whoever asks for the data itself is told what is wrong with it
            return None
        return whole if any(entry.relpath == name and entry.md5 == md5 for entry in entries) else None

    def _name(self, path: Path) -> str:
        return self._names.get(path) or self._shown(path)

    def _shown(self, path: Path) -> str:
        return Path(os.path.relpath(path, self._workspace.root)).as_posix()


def _locks(root: Path, data: Collection[Path]) -> Iterator[tuple[Path, list[tuple[str, dict[str, Any], Path]]]]:
    """Give every ``dvc.lock`` outside of data, with its stages and the folders that their paths are relative to."""
    for parent, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and Path(parent, name) not in data)
        if locked.FILE in names:
            folder = Path(parent)
            said = locked.read_stages(folder / "dvc.yaml")
            stages = locked.read_stages(folder / locked.FILE)
            yield folder / locked.FILE, [(name, body, _base(folder, said, name)) for name, body in stages.items()]


def _base(folder: Path, said: dict[str, dict[str, Any]], name: str) -> Path:
    body = said.get(name) or said.get(name.partition("@")[0]) or {}
    return Path(os.path.normpath(folder / str((body.get("do") or body).get("wdir") or ".")))


def _contents(base: Path, items: Any) -> Iterator[tuple[Path, str]]:
    for item in items or []:
        if item.get("md5") and "://" not in item["path"]:
            yield Path(os.path.normpath(base / item["path"])), str(item["md5"])
