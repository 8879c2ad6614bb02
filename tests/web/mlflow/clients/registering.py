"""One of several that register versions of one model and move stages and aliases at once; prints the numbers it got.

Run by a full MLflow or by its skinny client, against the server named by MLFLOW_TRACKING_URI. The arguments say which one
it is, how many versions it makes, and the file whose presence lets it begin.
"""

import json
import sys
import time
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

number, count, gate = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
client = MlflowClient()
Path(f"{gate}.{number}").touch()
while not gate.exists():
    time.sleep(0.005)
made, refused = [], []
for round in range(count):
    version = client.create_model_version("shared", f"s3://bucket/{number}/{round}", tags={"by": str(number)})
    made.append(int(version.version))
    for stage in ("Staging", "Production"):
        try:
            client.transition_model_version_stage(
                "shared", version.version, stage, archive_existing_versions=bool(round % 2)
            )
        except MlflowException as error:
            refused.append([error.error_code, error.message])
    client.set_registered_model_alias("shared", "champion", version.version)
    client.set_registered_model_alias("shared", f"of-{number}", version.version)
print(json.dumps({"made": made, "refused": refused}))
