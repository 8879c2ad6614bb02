"""Making the run again in its fresh folder, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import ExternalToolError, Refused
from mainspring.reproducibility.restore import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mainspring.versioning.snapshot import Snapshot

THREADS = re.compile(r"(?:OMP|OPENBLAS|MKL)_.+|ATEN_CPU_CAPABILITY|CUDA_VISIBLE_DEVICES|TZ|LC_ALL|PYTHONHASHSEED")
"""Variables that change numbers: they are set as they were recorded, and unset where they were not."""


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """How the process ended, and the last lines it printed."""

    code: int
    seconds: float
    last: tuple[str, ...]


def command(
    snapshot: Snapshot,
    *,
    by_pipeline: bool,
    original: Path,
    entrypoint: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> list[str]:
    """Return what the interpreter is called with: ``mainspring run``, or the script that the run was made by.

    ``entrypoint`` names a pipeline that is not the settings' one; it gets its ``parameters`` on the command line.

    Raises:
        Refused: the run was made by neither.
    """
    if by_pipeline:
        if entrypoint is None:
            return ["-m", "mainspring", "run", "--no-cache"]
        given = [word for name, value in (parameters or {}).items() for word in ("--param", f"{name}={value}")]
        return ["-m", "mainspring", "run", "--no-cache", entrypoint, *given]
    argv = [str(word) for word in snapshot.config.get("argv") or ()]
    script = Path(argv[0]) if argv else None
    if script is None or script.suffix != ".py":
        made = f"`{' '.join(argv)[:200]}`" if argv else "a command that was not recorded"
        raise Refused(
            f"the run was made by {made}, which cannot be started again",
            hint="make it in a pipeline (`mainspring run`), or by a script of the project",
        )
    return [_relative(word, original) for word in argv]


def _relative(word: str, original: Path) -> str:
    path = Path(word)
    return path.relative_to(original).as_posix() if path.is_absolute() and path.is_relative_to(original) else word


def rerun(
    interpreter: Path,
    arguments: Sequence[str],
    root: Path,
    *,
    recorded: Mapping[str, str],
    hash_seed: str | None,
    original: Path,
    say: Callable[[str], None],
    paths: Sequence[str] = (),
) -> Rerun:
    """Start the run and wait for its end; its lines go to ``say``. Of ``paths`` it imports first.

    Raises:
        ExternalToolError: the interpreter cannot be started.
    """
    environment = variables(os.environ, recorded, hash_seed=hash_seed, root=root, original=original)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [*paths, environment["PYTHONPATH"]]))
    last: deque[str] = deque(maxlen=20)
    started = time.monotonic()
    try:
        with subprocess.Popen(
            [str(interpreter), *arguments],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip():
                    last.append(line.rstrip())
                    say(line.rstrip())
    except OSError as error:
        raise ExternalToolError(f"{interpreter} could not be started: {error}") from error
    return Rerun(code=process.returncode, seconds=time.monotonic() - started, last=tuple(last))


def variables(
    present: Mapping[str, str], recorded: Mapping[str, str], *, hash_seed: str | None, root: Path, original: Path
) -> dict[str, str]:
    """Return the environment variables of the process: ours, with everything that changes numbers as it was recorded.

    What ties the present process to the original workspace is left out.
    """
    kept = {
        name: value
        for name, value in present.items()
        if not name.startswith("MAINSPRING_") and THREADS.fullmatch(name) is None
    }
    kept["PYTHONPATH"] = _outside(present.get("PYTHONPATH", ""), original)
    kept |= {name: value for name, value in recorded.items() if THREADS.fullmatch(name)}
    if hash_seed is not None:
        kept["PYTHONHASHSEED"] = hash_seed
    return kept | {
        "MAINSPRING_WORKSPACE": str(root),
        "MAINSPRING_ENVIRONMENT": ENVIRONMENT,
        "GIT_CEILING_DIRECTORIES": str(root.parent),
        "PYTHONUNBUFFERED": "1",
    }


def _outside(paths: str, original: Path) -> str:
    """Leave out the original project: its modules would hide the restored ones."""
    held = [path for path in paths.split(os.pathsep) if path and not Path(path).resolve().is_relative_to(original)]
    return os.pathsep.join(held)
