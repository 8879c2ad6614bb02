"""A real server, started as a user would start it, in a throw-away workspace that holds nothing but one version."""

from __future__ import annotations

import http.client
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import msgspec
import numpy as np
import polars as pl
import yaml

from mainspring.base.errors import ExternalToolError
from mainspring.store.objects import walk
from mainspring.store.workspace import Workspace
from mainspring.versioning.models import materialise
from mainspring.versioning.registration import Prepared, record
from mainspring.versioning.scoring import Scores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.versioning.models import ModelVersion
    from mainspring.versioning.signature import Signature

_START_SECONDS = 120
_STOP_SECONDS = 20
_REQUEST_SECONDS = 60
_READY = "listening on "
_TENSOR_TYPES = {
    "int64": "INT64",
    "float64": "FP64",
    "string": "BYTES",
    "boolean": "BOOL",
    "datetime": "BYTES",
    "date": "BYTES",
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An HTTP answer: its status and its JSON, or its text where it is none."""

    status: int
    body: Any


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A running server that answers for one version.

    ``infer`` and ``invoke`` send rows by the Open Inference Protocol V2 and by MLflow's ``/invocations``.
    """

    url: str
    name: str
    signature: Signature

    def infer(self, rows: pl.DataFrame) -> Scores:
        """Return the answers to rows, by V2; each column is a tensor.

        Raises:
            ExternalToolError: it answered something else than scores.
        """
        reply = self.post_infer(rows)
        outputs = {part["name"]: part for part in self._expect(reply, "outputs")}
        score = np.asarray(_floats(outputs["score"]["data"])).reshape(outputs["score"]["shape"])
        return Scores(score, self.signature.encode(outputs["label"]["data"]))

    def invoke(self, rows: pl.DataFrame) -> Scores:
        """Return the answers to rows, by ``/invocations`` with ``dataframe_split``.

        Raises:
            ExternalToolError: it answered something else than predictions.
        """
        reply = self.post_invocations(rows)
        labels = self._expect(reply, "predictions")
        return Scores(np.asarray(_floats(reply.body["scores"])), self.signature.encode(labels))

    def post_infer(self, rows: pl.DataFrame) -> Reply:
        """Send rows by V2 and return whatever comes back."""
        types = {column.name: _TENSOR_TYPES[column.dtype] for column in self.signature.inputs}
        tensors = [
            {
                "name": column.name,
                "shape": [rows.height],
                "datatype": types.get(column.name, "FP64"),
                "data": column.to_list(),
            }
            for column in rows.iter_columns()
        ]
        return self.post(f"/v2/models/{quote(self.name, safe='')}/infer", {"inputs": tensors})

    def post_invocations(self, rows: pl.DataFrame) -> Reply:
        """Send rows by ``/invocations`` and return whatever comes back."""
        split = {"columns": rows.columns, "data": [list(row) for row in rows.iter_rows()]}
        return self.post("/invocations", {"dataframe_split": split})

    def post(self, path: str, body: object) -> Reply:
        """Post JSON and return the answer, whatever its status.

        Raises:
            ExternalToolError: the server did not answer.
        """
        return self._request("POST", path, msgspec.json.encode(body))

    def get(self, path: str) -> Reply:
        """Get a path and return the answer, whatever its status.

        Raises:
            ExternalToolError: the server did not answer.
        """
        return self._request("GET", path, None)

    def _request(self, method: str, path: str, body: bytes | None) -> Reply:
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_REQUEST_SECONDS)
        try:
            connection.request(method, path, body=body, headers={"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ExternalToolError(f"the server at {self.url} did not answer {path}: {error}", path=path) from error
        finally:
            connection.close()
        try:
            return Reply(status=answer.status, body=msgspec.json.decode(data))
        except msgspec.DecodeError:
            return Reply(status=answer.status, body=data.decode(errors="replace"))

    def _expect(self, reply: Reply, key: str) -> Any:
        if reply.status != 200 or not isinstance(reply.body, dict) or key not in reply.body:
            said = reply.body.get("detail", reply.body) if isinstance(reply.body, dict) else reply.body
            raise ExternalToolError(
                f"the endpoint '{self.name}' answered {reply.status} to rows it should answer: {str(said)[:300]}",
                status=reply.status,
            )
        return reply.body[key]


def _floats(values: list[Any]) -> list[Any]:
    nan = float("nan")
    return [_floats(value) if isinstance(value, list) else nan if value is None else float(value) for value in values]


@contextmanager
def served(workspace: Workspace, version: ModelVersion, signature: Signature) -> Iterator[Endpoint]:
    """Serve a version by ``mainspring deploy`` and ``mainspring serve`` in a throw-away workspace; both end with it.

    The real workspace is only read. The server is ended by its own process id, whatever happens.

    Raises:
        ExternalToolError: the version could not be deployed, or the server did not come up; says what it said.
    """
    with tempfile.TemporaryDirectory(prefix="mainspring-endpoint-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        isolate(workspace, version, signature, root)
        _command(root, "deploy", version.reference, "--override", "skew check")
        with _server(root) as url:
            yield Endpoint(url=url, name=version.model, signature=signature)


def isolate(workspace: Workspace, version: ModelVersion, signature: Signature, root: Path) -> None:
    """Make a workspace in ``root`` whose only content is a copy of the version, with the same policy of trust."""
    settings = workspace.settings
    tree: dict[str, Any] = {"project": settings.project, "release": {"automatic": False, "canary": None}}
    if settings.model is not None:
        tree["model"] = {**msgspec.to_builtins(settings.model), "name": version.model}
    (root / "mainspring.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    copy = Workspace(root)
    try:
        stored = copy.objects.put_folder(walk(materialise(workspace, version)))
        prepared = Prepared(artifact=stored.md5, evidence=None, signature=signature, metrics={})
        record(
            copy, version.model, prepared, run_id=None, version=version.version, bump=None,
            actor=workspace.actor, reason="copied to be tried",
        )  # fmt: skip
    finally:
        copy.close()


def _arguments(root: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "mainspring", "--workspace", str(root), *words]


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("MAINSPRING_")}


def _command(root: Path, *words: str) -> None:
    done = subprocess.run(
        _arguments(root, *words), capture_output=True, cwd=root, env=_environment(), check=False, timeout=_START_SECONDS
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise ExternalToolError(
            f"`mainspring {words[0]}` failed in the throw-away workspace: {said[:500]}", exit_code=done.returncode
        )


@contextmanager
def _server(root: Path) -> Iterator[str]:
    log = root / "server.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            _arguments(root, "serve", "--port", "0", "--workers", "1"),
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=root,
            env=_environment(),
            start_new_session=True,
        )
    try:
        yield _wait_until_ready(process, log)
    finally:
        _end(process)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    lines: queue.Queue[str] = queue.Queue()

    def drain() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.decode(errors="replace").strip())

    threading.Thread(target=drain, daemon=True).start()
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(queue.Empty):
            line = lines.get(timeout=0.1)
            if line.startswith(_READY):
                return line.removeprefix(_READY).strip()
        if process.poll() is not None and lines.empty():
            break
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    raise ExternalToolError(f"the server did not come up: {said[-500:] or 'it said nothing'}", said=said[-2000:])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
