"""Push, push again and fetch many small files through S3, beside the real ``dvc``: CPU of the client, and seconds.

Run: ``python -m bench.data.remotes [FILES] [BYTES]`` (10,000 files of 10 kB by default). Every command is a process of its
own, with its start. The server (SeaweedFS) runs beside it and is not counted; DVC's site cache starts empty.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.data import costs
from bench.data.costs import DVC
from scripts.environments import environment
from tests import s3

if TYPE_CHECKING:
    from bench.data.costs import Cost

TARGETS = {"push": 8.0, "push, nothing to do": 10.0, "once more": 10.0, "fetch": 3.0}


def cost(command: list[str], folder: Path) -> Cost:
    """Run a command to its end."""
    return costs.cost(command, folder, s3.VARIABLES)


def median_cost(command: list[str], folder: Path) -> Cost:
    """Run a command that changes nothing some times, and return the medians."""
    return costs.median(cost(command, folder) for _ in range(5))


def make_data(folder: Path, files: int, size: int) -> None:
    """Write files of random bytes, 1,000 a folder."""
    for number in range(files):
        place = folder / "data" / f"{number // 1000:03d}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:07d}.bin").write_bytes(os.urandom(size))


def ours(folder: Path, server: s3.Server) -> dict[str, Cost]:
    """Measure the platform in a new workspace."""
    program = [str(Path(sys.executable).parent / "mainspring")]
    (folder / "mainspring.yaml").write_text(
        f"project: bench\nremotes:\n  store: {{url: '{server.url()}', endpoint: '{server.endpoint}'}}\n"
    )
    cost([*program, "data", "add", "data"], folder)
    found = {"push": cost([*program, "data", "push"], folder)}
    found["push, nothing to do"] = cost([*program, "data", "push"], folder)
    found["once more"] = median_cost([*program, "data", "push"], folder)
    shutil.rmtree(folder / ".mainspring" / "objects")
    return found | {"fetch": cost([*program, "data", "fetch"], folder)}


def theirs(folder: Path, server: s3.Server) -> dict[str, Cost]:
    """Measure DVC in a new repository."""
    program = str(environment(DVC).parent / "dvc")
    cost(["git", "init", "-q"], folder)
    cost([program, "init", "-q"], folder)
    cost([program, "config", "core.site_cache_dir", str(folder / "site")], folder)
    cost([program, "remote", "add", "-d", "store", server.url()], folder)
    cost([program, "remote", "modify", "store", "endpointurl", server.endpoint], folder)
    cost([program, "add", "-q", "data"], folder)
    found = {"push": cost([program, "push", "-q"], folder)}
    found["push, nothing to do"] = cost([program, "push", "-q"], folder)
    found["once more"] = median_cost([program, "push", "-q"], folder)  # it remembers what the remote holds
    shutil.rmtree(folder / ".dvc" / "cache")
    shutil.rmtree(folder / "site")
    return found | {"fetch": cost([program, "fetch", "-q"], folder)}


def main(files: int, size: int) -> None:
    """Print the costs of both and how many times DVC's are ours."""
    with tempfile.TemporaryDirectory(prefix="bench-remotes-") as name, s3.running() as server:
        folders = Path(name) / "ours", Path(name) / "theirs"
        make_data(folders[0], files, size)
        shutil.copytree(folders[0] / "data", folders[1] / "data")
        our, their = ours(folders[0], server), theirs(folders[1], server)
    print(f"{files} files of {size} bytes, S3 on this machine\n")
    print(f"{'':22}{'CPU s':>18}{'×':>7}{'wall s':>18}{'×':>7}{'target':>9}")
    print(f"{'':22}{'ours':>9}{'dvc':>9}{'':>7}{'ours':>9}{'dvc':>9}")
    for what, target in TARGETS.items():
        mine, other = our[what], their[what]
        print(
            f"{what:22}{mine.cpu:9.2f}{other.cpu:9.2f}{other.cpu / mine.cpu:7.1f}"
            f"{mine.wall:9.2f}{other.wall:9.2f}{other.wall / mine.wall:7.1f}{f'≥{target:g}':>9}"
        )


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*(given + [10_000, 10_240][len(given) :]))
