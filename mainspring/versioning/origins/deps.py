"""What a pointer holds of its origin, as ``dvc import-url`` writes it: what tells the content there from another one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mainspring.base.hashing import md5_bytes
from mainspring.store.sources.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

Dep = dict[str, Any]


def written(address: str, key: str, seen: Mapping[str, Seen], before: Dep | None = None) -> Dep:
    """Return the entry for what was seen at an address. One that named versions ``before`` does so again."""
    style = {"fs_config": before["fs_config"]} if before and "fs_config" in before else {}
    if names_versions(before or {}) and "" not in seen:
        files = [{"relpath": name, **_file(key, item)} for name, item in sorted(seen.items())]
        return {"hash": "md5", "path": address, **style, "files": files}
    if "" in seen:
        held = _file(key, seen[""])
    else:
        sizes = [item.size or 0 for item in seen.values()]
        held = {"md5": listing_address(key, seen), "size": sum(sizes), "nfiles": len(sizes)}
    return {**held, "hash": "md5", "path": address, **style}


def names_versions(dep: Dep) -> bool:
    """Say whether an entry of DVC's names the versions that a store keeps of each file (``--version-aware``)."""
    said = dep.get("fs_config")
    return bool(dep.get("files")) or (isinstance(said, dict) and said.get("version_aware") is True)


def listing_address(key: str, seen: Mapping[str, Seen]) -> str:
    """Return what DVC tells the files of an origin's folder by: the md5 of the list of their tags."""
    rows = [{key: item.etag, "relpath": name} for name, item in sorted(seen.items())]
    return md5_bytes(json.dumps(rows, sort_keys=True).encode()) + ".dir"


def is_same(dep: Dep, key: str, seen: Mapping[str, Seen]) -> bool:
    """Say whether an entry is that of what was seen."""
    noted = noted_files(dep, key)
    if noted is None:
        return "" not in seen and dep.get("md5") == listing_address(key, seen)
    return noted.keys() == seen.keys() and all(_is_same(noted[name], item) for name, item in seen.items())


def _is_same(noted: Seen, seen: Seen) -> bool:
    """Compare tags in small letters, as DVC keeps some. Versions of stores that keep them have one content each."""
    return noted.etag.lower() == seen.etag.lower() or (noted.version is not None and noted.version == seen.version)


def noted_files(dep: Dep, key: str) -> dict[str, Seen] | None:
    """Return the files of an origin that an entry names one by one, with their versions; None where it does not."""
    if isinstance(dep.get("files"), list):
        return {str(item["relpath"]): _noted(item, key) for item in dep["files"] if isinstance(item, dict)}
    return {"": _noted(dep, key)} if isinstance(dep.get(key), str) and not dep[key].endswith(".dir") else None


def _noted(item: Dep, key: str) -> Seen:
    return Seen(etag=str(item.get(key)), size=item.get("size"), version=item.get("version_id"))


def _file(key: str, item: Seen) -> Dep:
    held: Dep = {key: item.etag}
    if item.size is not None:
        held["size"] = item.size
    if item.executable:
        held["isexec"] = True
    if item.version is not None:
        held["version_id"] = item.version
    return held
