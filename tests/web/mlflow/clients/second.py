"""Run by a full MLflow 2: what its users write every day, against the server named by MLFLOW_TRACKING_URI."""

import json
import tempfile
from pathlib import Path

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression

client = MlflowClient()
mlflow.set_experiment("second")
features = np.arange(20.0).reshape(-1, 1)
target = features[:, 0] * 2
model = LinearRegression().fit(features, target)
with mlflow.start_run(tags={"team": "red"}, description="words") as run:
    mlflow.log_param("p", 1)
    for step in range(5):
        mlflow.log_metric("loss", step, step=step)
    mlflow.log_dict({"a": [1]}, "x/config.json")
    mlflow.log_table({"x": [1, 2]}, "table.json")
    mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), key="image", step=20, synchronous=True)
    mlflow.log_input(mlflow.data.from_numpy(features, name="line"), context="training")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "deep").mkdir()
        Path(folder, "deep", "größe.bin").write_bytes(b"x" * 100_000)
        mlflow.log_artifacts(folder, "files")
        back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="files", dst_path=folder)
        assert Path(back, "deep", "größe.bin").read_bytes() == b"x" * 100_000
    info = mlflow.sklearn.log_model(model, "model", input_example=features[:2], registered_model_name="line")
    with mlflow.start_run(nested=True):
        mlflow.log_metric("loss", 9)
found = client.get_run(run.info.run_id)
assert [point.value for point in client.get_metric_history(run.info.run_id, "loss")] == list(range(5))
assert (found.info.status, found.inputs.dataset_inputs[0].dataset.name) == ("FINISHED", "line")
assert len(mlflow.load_table("table.json", run_ids=[run.info.run_id])) == 2
assert {file.path for file in client.list_artifacts(run.info.run_id)} >= {"files", "model", "table.json", "x"}
images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
assert len(images) == 2, images

# autologging
mlflow.sklearn.autolog()
with mlflow.start_run() as trained:
    LinearRegression(fit_intercept=False).fit(features, target)
mlflow.sklearn.autolog(disable=True)
logged = mlflow.get_run(trained.info.run_id)
assert logged.data.params["fit_intercept"] == "False"
assert "training_r2_score" in logged.data.metrics
loaded = mlflow.sklearn.load_model(f"runs:/{trained.info.run_id}/model")
assert np.allclose(loaded.predict(features), target)
scored = mlflow.evaluate(info.model_uri, features, targets=target, model_type="regressor", evaluators="default")
assert scored.metrics["mean_absolute_error"] < 1e-6, scored.metrics

# search, deletion, restoration
assert list(mlflow.search_runs(filter_string="metrics.loss > 3 and tags.team = 'red'")["run_id"]) == [run.info.run_id]
assert len(mlflow.search_runs(search_all_experiments=True, order_by=["metrics.loss DESC"], max_results=1)) == 1
client.delete_run(trained.info.run_id)
assert client.get_run(trained.info.run_id).info.lifecycle_stage == "deleted"
client.restore_run(trained.info.run_id)
assert [item.name for item in client.search_experiments(filter_string="name = 'second'")] == ["second"]

# the registry: versions, stages, aliases, tags
second = mlflow.register_model(f"runs:/{trained.info.run_id}/model", "line", tags={"by": "hand"})
assert (second.version, second.run_id, second.current_stage) == ("2", trained.info.run_id, "None")
client.transition_model_version_stage("line", "1", "Production")
client.transition_model_version_stage("line", "2", "Staging")
latest = {item.current_stage: item.version for item in client.get_latest_versions("line")}
assert latest == {"Production": "1", "Staging": "2"}, latest
client.transition_model_version_stage("line", "2", "Production", archive_existing_versions=True)
assert client.get_model_version("line", "1").current_stage == "Archived"
client.set_registered_model_alias("line", "champion", 1)
assert client.get_model_version_by_alias("line", "champion").run_id == run.info.run_id
for uri in (
    info.model_uri,
    "models:/line/1",
    "models:/line@champion",
    "models:/line/Production",
    "models:/line/latest",
):
    assert np.allclose(mlflow.pyfunc.load_model(uri).predict(features), target), uri
client.update_model_version("line", "2", description="the second")
client.set_model_version_tag("line", "2", "checked", "yes")
client.set_registered_model_tag("line", "owner", "ada")
assert client.get_model_version("line", "2").tags.items() >= {"by": "hand", "checked": "yes"}.items()
assert client.get_registered_model("line").tags == {"owner": "ada"}
copied = client.copy_model_version("models:/line/1", "copy")
assert np.allclose(mlflow.pyfunc.load_model(f"models:/copy/{copied.version}").predict(features), target)
client.rename_registered_model("copy", "renamed")
assert [item.name for item in client.search_registered_models("name LIKE 're%'")] == ["renamed"]
client.delete_registered_model_alias("line", "champion")
client.delete_model_version("line", "1")
assert [item.version for item in client.search_model_versions("name='line'")] == ["2"]
client.delete_registered_model("renamed")
try:
    client.get_registered_model("renamed")
except MlflowException as error:
    assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error
else:
    raise AssertionError("a model was not deleted")
print(json.dumps({"mlflow": mlflow.__version__}))
