"""Tell the story from January to October 2013 in ``demo/``."""

from __future__ import annotations

import shutil
from pathlib import Path

from examples.flights.demo import acts, report
from examples.flights.demo.months import load
from examples.flights.demo.server import running
from examples.flights.demo.stage import Stage
from examples.flights.demo.teller import Teller

ROOT = Path(__file__).resolve().parents[3]


def main() -> None:
    """Play every act, write the report, and say where to look further."""
    folder = ROOT / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "examples" / "flights" / "project", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "gitignore").rename(folder / ".gitignore")
    teller = Teller(folder)
    stage = Stage(folder, teller, load())
    acts.first_release(stage)
    with running(folder, "serve", "--workers", "2") as port:
        stage.open_endpoint(port)
        acts.seasons(stage)
        acts.corrupted_month(stage)
        acts.forced_release(stage)
    acts.proof(stage)
    acts.ending(stage, report.write(stage))


if __name__ == "__main__":
    main()
