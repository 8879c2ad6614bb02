"""A real server of Azure's blobs for the tests: Azurite, Microsoft's own, from npm."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from scripts.environments import FOLDER, Unavailable
from tests.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "azurite@3.37.0"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that every Azurite has, and its key, which its documentation prints."""
CONTAINER = "tests"
_VERSION = "2021-08-06"
_PATIENCE = 60


def connection(endpoint: str) -> str:
    """Return the connection string of the account at an endpoint."""
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={endpoint};"


def token() -> str:
    """Return a shared access signature of the account, for everything."""
    said = {"sv": _VERSION, "ss": "b", "srt": "sco", "sp": "rwdlac", "se": "2999-01-01T00:00:00Z", "spr": "https,http"}
    lines = [ACCOUNT, said["sp"], said["ss"], said["srt"], "", said["se"], "", said["spr"], said["sv"], "", ""]
    signature = hmac.digest(base64.b64decode(KEY), "\n".join(lines).encode(), hashlib.sha256)
    return urlencode(said | {"sig": base64.b64encode(signature).decode()})


@contextmanager
def running() -> Iterator[str]:
    """Start a server that holds an empty container, give its endpoint, and stop it afterwards.

    Raises:
        Unavailable: it cannot be had here.
    """
    program = _installed()
    folder = Path(tempfile.mkdtemp(prefix="azure-"))
    [port] = free_ports(1)
    command = [
        "node",
        str(program),
        "--silent",
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--location",
        str(folder),
    ]
    command += ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        _make_container(port, process, folder / "log")
        yield f"http://127.0.0.1:{port}/{ACCOUNT}"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _installed() -> Path:
    if shutil.which("npm") is None or shutil.which("node") is None:
        raise Unavailable("there is no npm (apt-get install npm)")
    place = FOLDER / PACKAGE
    program = place / "node_modules" / ".bin" / "azurite-blob"
    if not (place / "complete").exists():
        place.mkdir(parents=True, exist_ok=True)
        command = [
            "npm",
            "install",
            "--no-save",
            "--no-fund",
            "--no-audit",
            "--silent",
            "--prefix",
            str(place),
            PACKAGE,
        ]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise Unavailable((made.stderr.strip() or "npm failed").splitlines()[-1])
        (place / "complete").touch()
    return program


def _make_container(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        date = formatdate(usegmt=True)
        path = f"/{ACCOUNT}/{CONTAINER}"
        said = [
            "PUT",
            *[""] * 11,
            f"x-ms-date:{date}",
            f"x-ms-version:{_VERSION}",
            f"/{ACCOUNT}{path}",
            "restype:container",
        ]
        signature = hmac.digest(base64.b64decode(KEY), "\n".join(said).encode(), hashlib.sha256)
        headers = {
            "x-ms-date": date,
            "x-ms-version": _VERSION,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}",
            "Content-Length": "0",
        }
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("PUT", f"{path}?restype=container", headers=headers)
            assert connection.getresponse().status == 201, log.read_text()
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        else:
            return
        finally:
            connection.close()
