"""Virtual environments for peers and clients that have to stay out of our own: made once, kept in ``.environments/``.

from scripts.environments import environment
python = environment("mlflow==3.17.2")
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).parent.parent / ".environments"


class Unavailable(Exception):
    """The environment cannot be made here: no network, no such package, no room."""


def environment(*requirements: str) -> Path:
    """Return the interpreter of an environment that holds these requirements, made if it is missing.

    Processes that ask for the same one at once make it once. ``MAINSPRING_ENVIRONMENTS`` names another folder.

    Raises:
        Unavailable: it cannot be made; the message is the installer's last line.
    """
    folder = Path(os.environ.get("MAINSPRING_ENVIRONMENTS", FOLDER))
    name = hashlib.sha256(" ".join(requirements).encode()).hexdigest()[:12]
    place = folder / f"{requirements[0].partition('=')[0]}-{name}"
    python = place / "bin" / "python"
    if (place / "complete").exists():
        return python
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=False)
            _install(python, requirements)
            (place / "complete").touch()
    return python


def _install(python: Path, requirements: tuple[str, ...]) -> None:
    """Install with uv from our own environment; it needs no pip in the other one."""
    uv = Path(sys.executable).parent / "uv"
    command = [str(uv), "pip", "install", "--quiet", "--python", str(python), *requirements]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Unavailable((made.stderr.strip() or "the installer failed").splitlines()[-1])


if __name__ == "__main__":
    print(environment(*sys.argv[1:]))
