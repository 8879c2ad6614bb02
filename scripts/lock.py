"""Pin what pyproject.toml asks for, with hashes and without host names; ``--check`` says whether the lock is current."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
OPTIONS = [
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-header",
    "--all-extras",
    "--quiet",
]


def resolve(*, upgrade: bool) -> str:
    """Return the lock's text; pins that still fit are kept unless ``upgrade``."""
    command = [sys.executable, "-m", "uv", "pip", "compile", *OPTIONS, "pyproject.toml"]
    if LOCK.exists() and not upgrade:
        command += ["--constraint", str(LOCK)]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    # "via" comments would name the path of the constraint file; nothing reads them.
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")) + "\n"


def pins(text: str) -> set[str]:
    """Return the pinned names and versions of a lock."""
    return set(re.findall(r"^([A-Za-z0-9._-]+==[^\s\\]+)", text, flags=re.MULTILINE))


def main() -> int:
    """Write the lock, or with ``--check`` compare it with what would be written."""
    if "--check" not in sys.argv:
        LOCK.write_text(resolve(upgrade="--upgrade" in sys.argv))
        return 0
    wanted, written = pins(resolve(upgrade=False)), pins(LOCK.read_text())
    if wanted == written:
        return 0
    print(f"requirements.lock is out of date; run `make lock`. Differs: {sorted(wanted ^ written)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
