"""Run by an MLflow 2 of 2023: the tracking part, and the registry without models that need scikit-learn."""

import json

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param

client = MlflowClient()
mlflow.set_experiment("oldest")
with mlflow.start_run(run_name="one", tags={"team": "red"}) as run:
    mlflow.log_params({"depth": 3})
    for step in range(5):
        mlflow.log_metric("loss", step, step=step)
    client.log_batch(run.info.run_id, [Metric("many", i, i, i) for i in range(900)], [Param("b", "c")])
    mlflow.log_text("größe", "notes/ü.txt")
assert len(client.get_metric_history(run.info.run_id, "many")) == 900
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/ü.txt") == "größe"
assert [file.path for file in client.list_artifacts(run.info.run_id, "notes")] == ["notes/ü.txt"]
found = mlflow.search_runs(filter_string="metrics.loss > 3 and params.depth = '3'", order_by=["start_time DESC"])
assert list(found["run_id"]) == [run.info.run_id]
assert client.get_run(run.info.run_id).info.status == "FINISHED"
client.delete_run(run.info.run_id)
assert not list(client.search_runs([run.info.experiment_id]))
client.restore_run(run.info.run_id)
client.create_registered_model("old")
version = client.create_model_version("old", f"runs:/{run.info.run_id}/notes", run.info.run_id)
client.transition_model_version_stage("old", version.version, "Staging")
assert [item.version for item in client.get_latest_versions("old", ["Staging"])] == [version.version]
client.set_registered_model_alias("old", "champion", version.version)
assert client.get_model_version_by_alias("old", "champion").current_stage == "Staging"
print(json.dumps({"mlflow": mlflow.__version__}))
