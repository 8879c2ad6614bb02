"""Runs in an interpreter with MLflow 2 or 3: an experiment whose files go through the server, and one whose files do not.

The argument is the place of the latter's files; without it there is only the former. ``runs.json`` in the present folder
tells the runs: ``{experiment: run id}``.
"""

import json
import sys
from pathlib import Path

import mlflow
import mlflow.sklearn
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric
from sklearn.linear_model import LinearRegression

client = MlflowClient()
features = np.arange(8.0).reshape(-1, 1)
model = LinearRegression().fit(features, features[:, 0])
runs = {}
for name, place in zip(("proxied", "direct"), (None, *sys.argv[1:]), strict=False):
    experiment = mlflow.create_experiment(name, artifact_location=place, tags={"team": "grapes"})
    with mlflow.start_run(experiment_id=experiment, run_name=name, tags={"quote": "it's"}) as run:
        mlflow.log_param("name", "größe")
        client.log_batch(run.info.run_id, [Metric("loss", i / 2, 1_700_000_000_000 + i, i) for i in range(1000)])
        mlflow.log_text(f"hello {name}", "notes/a b.txt")
        named = {"name": "model"} if mlflow.__version__ > "3" else {"artifact_path": "model"}
        info = mlflow.sklearn.log_model(model, registered_model_name=name, pip_requirements=["scikit-learn"], **named)
    runs[name] = run.info.run_id
    for _ in range(2):
        mlflow.register_model(info.model_uri, name, tags={"by": "hand"})
    client.delete_model_version(name, "2")
    client.set_registered_model_alias(name, "champion", "3")
    client.transition_model_version_stage(name, "1", "Production")
    client.copy_model_version(f"models:/{name}/1", f"copy of {name}")
Path("runs.json").write_text(json.dumps(runs))
