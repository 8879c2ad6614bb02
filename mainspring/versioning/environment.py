"""The environment of a run: interpreter, libraries, machine, and the few variables that change numbers."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec

from mainspring.base.git import run_git
from mainspring.base.hashing import md5_file, sha256_file

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCKS = ("requirements.lock", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock", "requirements.txt")
"""Files that pin what is installed; the first that is there counts."""
VARIABLES = re.compile(r"OMP_.+|OPENBLAS_.+|MKL_.+|PYTHONHASHSEED|TZ|LC_ALL|ATEN_CPU_CAPABILITY|CUDA_VISIBLE_DEVICES")
"""Variables that are recorded; no other one is, since it may be a secret."""


def capture(root: Path | None = None) -> dict[str, Any]:
    """Return what the environment is: JSON-able, without secrets. ``root`` is the project, for its lock file."""
    lock = next((root / name for name in LOCKS if (root / name).is_file()), None) if root is not None else None
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "cpu": _cpu(),
        "distributions": distributions(),
        "origins": origins(),
        "threadpools": _threadpools(),
        "variables": {name: os.environ[name] for name in sorted(os.environ) if VARIABLES.fullmatch(name)},
        "lock": {"path": lock.name, "md5": md5_file(lock)} if lock is not None else None,
    }


def key() -> str:
    """Return a short hash of interpreter and installed distributions; the same in every process of one environment."""
    return _key(tuple(sys.path))


def distributions() -> dict[str, str]:
    """Return installed distributions by normalised name, with their versions."""
    return dict(_distributions(tuple(sys.path)))


def distributions_in(folders: Iterable[str]) -> dict[str, str]:
    """Return the distributions that lie in folders, as ``distributions``."""
    return dict(_distributions(tuple(folders)))


def origins() -> dict[str, dict[str, Any]]:
    """Return where distributions came from that are from no index, by name: ``kind`` (editable, local, vcs or archive),
    ``url`` without secrets, and what pins it: ``commit`` or ``sha256``. Of a folder in a git repository the commit is that of
    now, with ``-dirty`` behind it where the folder holds something else: what is installed editable changes under a run. Of a
    file that is there, the sha256 is that of now, if the installer recorded none."""
    return {name: _pinned(found) for name, found in _origins(tuple(sys.path)).items()}


def _pinned(origin: dict[str, Any]) -> dict[str, Any]:
    folder = Path(unquote(urlsplit(origin["url"]).path))
    if origin["kind"] == "local" and folder.is_file():
        return {**origin, "sha256": origin.get("sha256") or sha256_file(folder)}
    if origin["kind"] not in ("editable", "local") or not folder.is_dir():
        return dict(origin)
    described = run_git(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"], folder)
    return {**origin, "commit": described.stdout.decode().strip() or None}


@lru_cache(maxsize=4)
def _origins(path: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for folder in path:
        for file in sorted(Path(folder).glob("*.dist-info/direct_url.json")):  # PEP 610
            name = re.sub(r"[-_.]+", "-", file.parent.name.removesuffix(".dist-info").rpartition("-")[0]).lower()
            try:
                said = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
            except (OSError, msgspec.MsgspecError):
                continue
            if name and name not in found:
                found[name] = _origin(said)
    return found


def _origin(said: dict[str, Any]) -> dict[str, Any]:
    url = re.sub(r"(?<=://)[^/@]*@", "", str(said.get("url", "")))
    if isinstance(vcs := said.get("vcs_info"), dict):
        below = {"subdirectory": said["subdirectory"]} if said.get("subdirectory") else {}
        return {"kind": "vcs", "url": url, "vcs": vcs.get("vcs"), "commit": vcs.get("commit_id"), **below}
    if isinstance(folder := said.get("dir_info"), dict):
        return {"kind": "editable" if folder.get("editable") else "local", "url": url}
    archive = said.get("archive_info") or {}
    hashes = archive.get("hashes") or {}
    sha256 = hashes.get("sha256") or str(archive.get("hash", "")).removeprefix("sha256=") or None
    return {"kind": "local" if url.startswith("file:") else "archive", "url": url, "sha256": sha256}


@lru_cache(maxsize=4)
def _key(path: tuple[str, ...]) -> str:
    hasher = hashlib.sha256(f"{sys.implementation.cache_tag} {platform.python_version()} {platform.machine()}".encode())
    for name, version in sorted(_distributions(path).items()):
        hasher.update(f"\n{name}=={version}".encode())
    return hasher.hexdigest()[:32]


@lru_cache(maxsize=4)
def _distributions(path: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for folder in path:
        try:
            entries = sorted(place.name for place in Path(folder).iterdir())
        except OSError:
            continue
        for entry in entries:
            stem, dot, kind = entry.rpartition(".")
            if dot and kind in ("dist-info", "egg-info"):
                name, _, version = stem.rpartition("-") if kind == "dist-info" else stem.partition("-")
                if name:
                    found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version.partition("-py")[0])
    return dict(sorted(found.items()))


def _cpu() -> dict[str, Any]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"model": _cpu_model(), "machine": platform.machine(), "count": os.cpu_count(), "usable": usable}


@lru_cache(maxsize=1)
def _cpu_model() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _threadpools() -> list[dict[str, Any]]:
    from threadpoolctl import threadpool_info

    wanted = ("user_api", "internal_api", "version", "num_threads", "architecture", "threading_layer")
    pools = [{name: pool[name] for name in wanted if name in pool} for pool in threadpool_info()]
    return sorted(pools, key=lambda pool: [str(pool.get(name)) for name in wanted])
