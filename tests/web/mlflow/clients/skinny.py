"""Run by MLflow's skinny client, version 3: tracking and registry without numpy, pandas or scikit-learn."""

import json
import time

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

client = MlflowClient()
experiment = client.create_experiment("skinny", tags={"a": "b"})
run = client.create_run(experiment, run_name="r", tags={"x": "y"})
now = int(time.time() * 1000)
points = [Metric(f"m{item % 5}", item / 3, now + item, item) for item in range(1000)]
client.log_batch(run.info.run_id, metrics=points[:900], params=[Param("p", "1")], tags=[RunTag("t", "2")])
for point in points[900:]:
    client.log_metric(run.info.run_id, point.key, point.value, point.timestamp, point.step)
client.log_metric(run.info.run_id, "later", 1.0, synchronous=False).wait()
history = client.get_metric_history(run.info.run_id, "m2")
assert [point.value for point in history] == [item / 3 for item in range(1000) if item % 5 == 2]
client.set_terminated(run.info.run_id, "FAILED", end_time=now + 5)
found = client.get_run(run.info.run_id)
assert (found.info.status, found.info.end_time) == ("FAILED", now + 5)
assert found.data.params == {"p": "1"}
assert found.data.metrics["m0"] == 995 / 3
client.update_run(run.info.run_id, status="FINISHED", name="renamed")
client.log_text(run.info.run_id, "text", "a/b.txt")
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a/b.txt") == "text"
for item in range(25):
    client.log_param(client.create_run(experiment).info.run_id, "number", str(item))
seen, token = [], None
while True:
    page = client.search_runs([experiment], max_results=10, page_token=token, order_by=["start_time ASC"])
    seen += [item.info.run_id for item in page]
    token = page.token
    if not token:
        break
assert len(seen) == len(set(seen)) == 26, len(seen)
assert len(client.search_runs([experiment], "tags.x = 'y' AND params.p = '1'")) == 1
client.create_registered_model("m", tags={"a": "b"}, description="d")
version = client.create_model_version("m", f"runs:/{run.info.run_id}/a", run_id=run.info.run_id)
assert (version.version, version.status, version.run_id) == ("1", "READY", run.info.run_id)
client.rename_registered_model("m", "n")
assert client.get_latest_versions("n")[0].version == "1"
client.delete_registered_model("n")
print(json.dumps({"mlflow": mlflow.__version__}))
