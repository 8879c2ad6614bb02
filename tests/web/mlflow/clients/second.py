"""Run by a full MLflow 2: the tracking part, and models logged as runs' artifacts."""

import json

import mlflow
import numpy as np
from mlflow import MlflowClient
from sklearn.linear_model import LinearRegression

client = MlflowClient()
mlflow.set_experiment("second")
features = np.arange(20.0).reshape(-1, 1)
model = LinearRegression().fit(features, features[:, 0] * 2)
with mlflow.start_run() as run:
    mlflow.log_param("p", 1)
    for step in range(5):
        mlflow.log_metric("loss", step, step=step)
    mlflow.log_dict({"a": [1]}, "x/config.json")
    info = mlflow.sklearn.log_model(model, "model", registered_model_name="line")
assert [point.value for point in client.get_metric_history(run.info.run_id, "loss")] == list(range(5))
assert client.get_run(run.info.run_id).info.status == "FINISHED"
for uri in (info.model_uri, "models:/line/1"):
    assert np.allclose(mlflow.pyfunc.load_model(uri).predict(features), features[:, 0] * 2), uri
client.set_registered_model_alias("line", "champion", 1)
assert client.get_model_version_by_alias("line", "champion").run_id == run.info.run_id
assert len(mlflow.search_runs(filter_string="metrics.loss > 3")) == 1
print(json.dumps({"mlflow": mlflow.__version__}))
