"""Writes a run with W&B's client, offline, into the folder it is started in. Needs nothing but that client."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any


def main(document: str, project: str) -> None:
    """Write the run that a document describes."""
    told = json.loads(Path(document).read_text(encoding="utf-8"))
    os.environ |= {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "WANDB_DISABLE_CODE": "true",
        "WANDB_DISABLE_GIT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_X_DISABLE_STATS": "true",
        "WANDB_X_DISABLE_META": "true",
    }
    wandb: Any = importlib.import_module("wandb")
    run = wandb.init(
        project=project or told["experiment"],
        id=told["id"],
        name=told["name"],
        group=told["experiment"],
        config=told["params"] | {"tags": told["tags"]},
        dir=".",
    )
    for step, row in rows(told["curves"]):
        run.log(row, step=step)
    for path, folder in told["files"]:
        place = Path(run.dir, path)  # a copy: what is saved from elsewhere becomes a link
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(folder, path), place)
        run.save(str(place), base_path=run.dir, policy="now")
    run.finish(exit_code=0 if told["status"] == "finished" else 1)


def rows(curves: dict[str, list[list[Any]]]) -> list[tuple[int, dict[str, float]]]:
    """Return what was logged, by step: W&B keeps one value of a metric a step (the last), and no step below 0."""
    found: dict[int, dict[str, float]] = {}
    for key, (steps, at, values) in curves.items():
        for step, moment, value in zip(steps, at, values, strict=True):
            if step >= 0:
                row = found.setdefault(step, {})
                row[key] = float(value)
                row["_timestamp"] = max(row.get("_timestamp", 0), moment / 1000)
    return sorted(found.items())


if __name__ == "__main__":
    main(*sys.argv[1:])
