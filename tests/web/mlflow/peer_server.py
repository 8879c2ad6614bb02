"""Runs in the interpreter of an MLflow: its server's own handlers, asked by lines of JSON instead of sockets.

The argument is a folder for its state. A line is ``[method, path, fields]``, the answer ``[status, body]``.
"""

import json
import os
import sys

folder = sys.argv[1]
os.environ["_MLFLOW_SERVER_FILE_STORE"] = f"sqlite:///{folder}/mlflow.db"
os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = f"{folder}/artifacts"
os.environ["MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"] = "true"

from mlflow.server import app  # noqa: E402 - it reads the environment

client = app.test_client()
for line in sys.stdin:
    method, path, fields = json.loads(line)
    sent = {"query_string": fields} if method == "GET" else {"json": fields}
    answer = client.open(path, method=method, **sent)
    print("\x1e" + json.dumps([answer.status_code, answer.get_json(silent=True)]), flush=True)
