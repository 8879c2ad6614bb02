"""Pin what pyproject.toml asks for, with hashes and without host names.

``requirements.lock`` holds the newest versions, ``requirements.lowest.lock`` the lowest that pyproject.toml allows;
``--check`` says whether both are current, ``--upgrade`` takes newer releases than those already pinned.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEWEST = ROOT / "requirements.lock"
LOWEST = ROOT / "requirements.lowest.lock"
OPTIONS = [
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--no-annotate",
    "--all-extras",
    "--no-strip-extras",  # pip wants hashes for `pydantic[email]` under that very name
    "--quiet",
]
RESOLUTION = {NEWEST: ["--universal"], LOWEST: ["--resolution=lowest-direct"]}


def resolve(lock: Path, *, upgrade: bool) -> str:
    """Return the lock's text; pins that still fit are kept unless ``upgrade``."""
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "requirements.txt"
        if lock.exists() and not upgrade:
            written.write_text(lock.read_text() if lock == NEWEST else indirect(lock.read_text()))
        command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, *RESOLUTION[lock], "-o", str(written)]
        done = subprocess.run([*command, "pyproject.toml"], cwd=ROOT, stdout=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(done.returncode)
        return written.read_text()


def indirect(text: str) -> str:
    """Return the pins of what pyproject.toml doesn't name: what it names shall follow its bounds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    named = {normal(re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0]) for one in asked}
    return "\n".join(sorted(pin for pin in pins(text) if normal(re.split(r"[\[=]", pin)[0]) not in named)) + "\n"


def normal(name: str) -> str:
    """Return a distribution's name as an index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(text: str) -> set[str]:
    """Return the pinned names and versions of a lock."""
    return set(re.findall(r"^([A-Za-z0-9._-]+(?:\[[A-Za-z0-9._,-]+\])?==[^\s\\]+)", text, flags=re.MULTILINE))


def main() -> int:
    """Write the locks, or with ``--check`` compare them with what would be written."""
    code = 0
    for lock in RESOLUTION:
        text = resolve(lock, upgrade="--upgrade" in sys.argv)
        if "--check" not in sys.argv:
            lock.write_text(text)
        elif differing := sorted(pins(text) ^ pins(lock.read_text() if lock.exists() else "")):
            print(f"{lock.name} is out of date; run `make lock`. Differs: {differing}", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
