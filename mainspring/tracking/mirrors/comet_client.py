"""Writes a run with Comet's client as an offline archive into the folder it is started in. Needs nothing but that client."""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any


def main(document: str, project: str) -> None:
    """Write the run that a document describes."""
    told = json.loads(Path(document).read_text(encoding="utf-8"))
    os.environ |= {"COMET_LOGGING_CONSOLE": "ERROR", "COMET_DISABLE_ANNOUNCEMENT": "1"}
    comet: Any = importlib.import_module("comet_ml")
    switched_off = dict.fromkeys(
        ("log_code", "log_graph", "log_env_details", "log_git_metadata", "log_git_patch", "parse_args"), False
    )
    experiment = comet.OfflineExperiment(
        project_name=project or told["experiment"],
        offline_directory=".",
        experiment_key=told["id"],
        auto_output_logging=False,
        **switched_off,
    )
    experiment.set_name(told["name"])
    experiment.log_parameters(told["params"])
    experiment.log_others(told["tags"] | {"status": told["status"], "experiment": told["experiment"]})
    for key, (steps, _, values) in told["curves"].items():
        for step, value in zip(steps, values, strict=True):
            experiment.log_metric(key, float(value), step=step)
    for path, folder in told["files"]:
        experiment.log_asset(str(Path(folder, path)), file_name=path)
    experiment.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
