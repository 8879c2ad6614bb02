"""Runs in an interpreter with MLflow: fills the server of MLFLOW_TRACKING_URI with everything that an import takes."""

import math
import sys

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric
from sklearn.linear_model import LogisticRegression

many = int(sys.argv[1]) if len(sys.argv) > 1 else 0
client = MlflowClient()
frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
model = LogisticRegression().fit(frame, [0, 0, 1, 1])

wine = mlflow.create_experiment("wine", tags={"team": "grapes", "mlflow.note.content": "a note"})
mlflow.set_experiment("wine")
with mlflow.start_run(run_name="whole", tags={"quote": "it's"}, description="words") as run:
    mlflow.log_params({"depth": 3, "name": "größe"})
    for step in range(30):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    client.log_batch(run.info.run_id, [Metric("long", i * 0.5, 1_700_000_000_000 + i, i) for i in range(1000)])
    client.log_batch(
        run.info.run_id,
        [Metric("odd", math.nan, 5, 0), Metric("odd", math.inf, 6, 1), Metric("odd", -math.inf, 7, -1)],
    )
    mlflow.log_text("hello", "notes/a b.txt")
    mlflow.log_text("ü" * 3, "top.txt")
    mlflow.log_input(mlflow.data.from_pandas(frame, name="grapes"), context="training")
    info = mlflow.sklearn.log_model(
        model, name="model", registered_model_name="wine", params={"C": 1}, pip_requirements=["scikit-learn"]
    )
    mlflow.log_metric("auc", 0.9, model_id=info.model_id)
    with mlflow.start_run(nested=True, run_name="inner"):
        mlflow.log_metric("loss", 0.1)
failed = client.create_run(wine, run_name="failed")
client.set_terminated(failed.info.run_id, "FAILED")
client.create_run(wine, run_name="still running")
gone = client.create_run(wine, run_name="gone")
client.log_metric(gone.info.run_id, "loss", 7)
client.set_terminated(gone.info.run_id)
client.delete_run(gone.info.run_id)

old = client.create_experiment("old")
client.set_terminated(client.create_run(old, run_name="of the old").info.run_id)
client.delete_experiment(old)
client.set_terminated(client.create_run("0", run_name="of the default").info.run_id)

for _ in range(3):
    mlflow.register_model(info.model_uri, "wine", tags={"by": "hand"})
client.delete_model_version("wine", "3")
client.update_registered_model("wine", "grapes to bottles")
client.set_registered_model_tag("wine", "owner", "ada")
client.update_model_version("wine", "2", "the second")
client.set_registered_model_alias("wine", "champion", "2")
client.transition_model_version_stage("wine", "1", "Production")
client.transition_model_version_stage("wine", "2", "Production")
client.transition_model_version_stage("wine", "4", "Staging")
client.create_registered_model("empty")
client.create_registered_model("before")
client.create_model_version("before", info.model_uri, run.info.run_id, model_id=info.model_id)
client.copy_model_version("models:/before/1", "a copy")
client.rename_registered_model("before", "renamed")

for number in range(many):
    one = client.create_run(wine, run_name=f"many {number}")
    client.log_metric(one.info.run_id, "loss", number)
    client.log_text(one.info.run_id, str(number), "n.txt")
    client.set_terminated(one.info.run_id)
