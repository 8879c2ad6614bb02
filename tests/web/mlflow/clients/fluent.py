"""Run by a full MLflow 3: what its users write every day, against the server named by MLFLOW_TRACKING_URI."""

import json
import math
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

client = MlflowClient()
rng = np.random.default_rng(7)
frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
labels = (frame["a"] + rng.normal(size=200) > 0).astype(int)

# runs of the default experiment, nested runs, every kind of value
with mlflow.start_run(run_name="outer", tags={"team": "red"}) as outer:
    mlflow.log_params({"depth": 3, "rate": 0.1})
    for step in range(20):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metrics({"nan": math.nan, "inf": math.inf, "minus": -math.inf})
    with mlflow.start_run(nested=True, run_name="inner") as inner:
        mlflow.log_param("depth", 4)
    mlflow.set_tag("kind", "example")
    mlflow.log_text("hello", "notes/hello ü.txt")
    mlflow.log_dict({"a": 1}, "config.json")
    mlflow.log_table({"x": [1, 2]}, "table.json")
    mlflow.log_input(mlflow.data.from_pandas(frame, name="frame", targets=None), context="training")
run = mlflow.get_run(outer.info.run_id)
assert run.info.status == "FINISHED", run.info
assert run.info.experiment_id == "0"
assert run.data.params == {"depth": "3", "rate": "0.1"}
assert run.data.metrics["loss"] == 0.05
assert math.isnan(run.data.metrics["nan"])
assert run.data.metrics["inf"] == math.inf
assert run.data.metrics["minus"] == -math.inf
assert run.inputs.dataset_inputs[0].dataset.name == "frame"
assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == list(range(20))
assert mlflow.get_run(inner.info.run_id).data.tags["mlflow.parentRunId"] == run.info.run_id
assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/hello ü.txt") == "hello"
assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/config.json") == {"a": 1}
assert sorted(file.path for file in client.list_artifacts(run.info.run_id)) == ["config.json", "notes", "table.json"]
with tempfile.TemporaryDirectory() as folder:
    Path(folder, "deep").mkdir()
    Path(folder, "deep", "x.bin").write_bytes(b"x" * 100_000)
    client.log_artifacts(run.info.run_id, folder, "files")
    back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="files", dst_path=folder)
    assert Path(back, "deep", "x.bin").read_bytes() == b"x" * 100_000

# an experiment of one's own, autologging, a model with its signature
mlflow.set_experiment("wine")
mlflow.set_experiment("wine")
mlflow.sklearn.autolog()
with mlflow.start_run() as trained:
    model = LogisticRegression(C=0.5).fit(frame, labels)
logged = mlflow.get_run(trained.info.run_id)
assert logged.data.params["C"] == "0.5"
assert "training_accuracy_score" in logged.data.metrics
assert logged.outputs.model_outputs, logged
mlflow.sklearn.autolog(disable=True)
with mlflow.start_run() as run:
    info = mlflow.sklearn.log_model(model, name="model", input_example=frame.head(2), registered_model_name="wine")
    mlflow.log_metric("auc", 0.9, model_id=info.model_id)
again = mlflow.sklearn.load_model(info.model_uri)
assert (again.predict(frame) == model.predict(frame)).all()
found = mlflow.get_logged_model(info.model_id)
assert found.status == "READY", found
assert [metric.key for metric in found.metrics] == ["auc"]
assert mlflow.search_logged_models(experiment_ids=[found.experiment_id], output_format="list")

# the registry: versions, aliases, stages, tags
assert client.get_registered_model("wine").latest_versions[0].version == "1"
client.set_registered_model_alias("wine", "champion", "1")
assert client.get_model_version_by_alias("wine", "champion").version == "1"
for uri in ("models:/wine@champion", "models:/wine/1", "models:/wine/latest"):
    assert (mlflow.pyfunc.load_model(uri).predict(frame) == model.predict(frame)).all(), uri
second = mlflow.register_model(info.model_uri, "wine", tags={"by": "hand"})
assert second.version == "2"
client.update_model_version("wine", "2", description="the second")
client.set_model_version_tag("wine", "2", "checked", "yes")
version = client.get_model_version("wine", "2")
assert version.description == "the second"
assert {"by": "hand", "checked": "yes"}.items() <= version.tags.items()
client.transition_model_version_stage("wine", "1", "Staging")
assert client.get_model_version("wine", "1").current_stage == "Staging"
assert {item.version for item in client.search_model_versions("name='wine'")} == {"1", "2"}
assert [item.name for item in client.search_registered_models()] == ["wine"]
client.set_registered_model_tag("wine", "owner", "ada")
client.delete_registered_model_alias("wine", "champion")
client.delete_model_version("wine", "2")
assert [item.version for item in client.search_model_versions("name='wine'")] == ["1"]

# search, deletion, restoration
found = mlflow.search_runs(search_all_experiments=True, filter_string="params.depth = '3' and metrics.loss < 0.1")
assert list(found["run_id"]) == [outer.info.run_id]
assert len(client.search_experiments()) >= 2
mlflow.delete_run(inner.info.run_id)
assert inner.info.run_id not in set(mlflow.search_runs(["0"])["run_id"])
client.restore_run(inner.info.run_id)
assert inner.info.run_id in set(mlflow.search_runs(["0"])["run_id"])
experiment = client.get_experiment_by_name("wine")
client.delete_experiment(experiment.experiment_id)
client.restore_experiment(experiment.experiment_id)
client.rename_experiment(experiment.experiment_id, "wines")
assert client.get_experiment_by_name("wine") is None

# errors are MLflow's
try:
    client.get_run("0" * 32)
except mlflow.exceptions.MlflowException as error:
    assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error
try:
    client.log_param(outer.info.run_id, "depth", "9")
except mlflow.exceptions.MlflowException as error:
    assert error.error_code == "INVALID_PARAMETER_VALUE", error
else:
    raise AssertionError("a param was changed")
print(json.dumps({"mlflow": mlflow.__version__}))
