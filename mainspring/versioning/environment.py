"""The environment of a run: interpreter, libraries, machine, and the few variables that change numbers."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from mainspring.base.hashing import md5_file

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
    return sorted(pools, key=lambda pool: (str(pool.get("user_api")), str(pool.get("internal_api"))))
