"""Runs in an interpreter with comet_ml: records an experiment offline in ./out."""

import math
from pathlib import Path

import comet_ml

experiment = comet_ml.OfflineExperiment(project_name="proj", workspace="ws", offline_directory="out", api_key="none")
experiment.set_name("first")
experiment.log_parameters({"lr": 0.1, "depth": 3, "net": {"a": 1}})
for step in range(50):
    experiment.log_metric("loss", 1 / (step + 1), step=step)
experiment.log_metric("odd", math.nan, step=1)
experiment.log_metric("odd", math.inf, step=2)
experiment.log_other("team", "red")
experiment.add_tag("a")
Path("f.txt").write_text("hi")
experiment.log_asset("f.txt", file_name="sub/f.txt")
print("a line")
experiment.end()
