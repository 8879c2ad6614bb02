"""An MLflow server, asked over its REST API as its user: nothing of MLflow is needed here."""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from mainspring.base.errors import ExternalToolError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SECONDS = 120
_TRIES = 4
_BUSY = {429, 502, 503, 504}
_CHUNK = 1 << 20
_PROXIED = "mlflow-artifacts:"


class ServerRefusal(ExternalToolError):
    """A server answered with an error; ``status`` is HTTP's, ``passing`` says that it is worth another try."""

    def __init__(self, message: str, status: int, *, passing: bool) -> None:
        super().__init__(message)
        self.status = status
        self.passing = passing

    def unread(self, root: str) -> str:
        """Say that files below ``root`` could not be had, and who can do what about it."""
        text = f"could not be read: {self.message}"
        if self.status < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            return text
        return (
            f"{text}; the server failed to read {root or 'its store'}, its log says why: "
            "if it lacks the credentials of that store, start it with them, then import again"
        )


class MlflowServer:
    """A connection to a server. Failures of the network and of a busy server are tried again a few times.

    ``MLFLOW_TRACKING_TOKEN``, or ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``, are sent as MLflow's
    clients send them.

    Raises:
        UsageError: the address is none.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"'{address}' is no address of an MLflow server",
                hint="give the address of a running server, such as http://127.0.0.1:5000; "
                "for a folder or a database start one: mlflow server --backend-store-uri …",
            )
        self._parts = parts
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = f":{parts.port}" if parts.port else ""
        self.address = f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Accept": "*/*"} | _credentials(parts.username, parts.password)
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, /, **fields: Any) -> dict[str, Any]:
        """Return what the server answers to a call of ``/api/2.0/mlflow``.

        Raises:
            ExternalToolError: it cannot be reached, or answered with an error.
        """
        sent = {key: value for key, value in fields.items() if value is not None}
        target, body = f"/api/2.0/mlflow/{path}", None
        if method == "GET":
            target += f"?{urlencode(sent)}" if sent else ""
        else:
            body = msgspec.json.encode(sent)
        data = self._call(method, target, body, None)
        try:
            answer = msgspec.json.decode(data)
        except msgspec.MsgspecError:
            answer = None
        if not isinstance(answer, dict):
            raise ExternalToolError(
                f"{self.address} does not answer as an MLflow server does", hint="check the address"
            )
        return answer

    def pages(self, method: str, path: str, items: str, /, **fields: Any) -> Iterator[dict[str, Any]]:
        """Give the items of all pages of an answer."""
        token = None
        while True:
            page = self.ask(method, path, **fields, page_token=token)
            yield from page.get(items) or ()
            token = page.get("next_page_token")
            if not token:
                return

    def files_of_run(self, run_id: str) -> Iterator[str]:
        """Give the paths of a run's artifacts."""
        return self._walk("artifacts/list", "path", run_id=run_id)

    def files_of_model(self, model_id: str) -> Iterator[str]:
        """Give the paths of a logged model's files."""
        path = f"logged-models/{model_id}/artifacts/directories"
        return self._walk(path, "artifact_directory_path")

    def fetch_of_run(self, run_id: str, root: str, path: str, target: Path) -> None:
        """Write an artifact of a run to ``target``; ``root`` is where the server says that the run's artifacts are.

        Raises:
            ExternalToolError: as ``ask``.
        """
        question = urlencode({"run_uuid": run_id, "path": path})
        self._fetch(self._proxied(root, path) or f"/get-artifact?{question}", target)

    def fetch_of_model(self, model_id: str, root: str, path: str, target: Path) -> None:
        """Write a file of a logged model to ``target``; as ``fetch_of_run``."""
        question = urlencode({"artifact_file_path": path})
        direct = f"/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files?{question}"
        self._fetch(self._proxied(root, path) or direct, target)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _proxied(self, root: str, path: str) -> str | None:
        if not root.startswith(_PROXIED):
            return None
        below = urlsplit(root).path.strip("/")
        return f"/api/2.0/mlflow-artifacts/artifacts/{quote(f'{below}/{path}')}"

    def _walk(self, call: str, name: str, **fields: Any) -> Iterator[str]:
        folders: list[str | None] = [None]
        seen: set[str] = set()
        while folders:
            for file in self.pages("GET", call, "files", **fields, **{name: folders.pop()}):
                if file["path"] in seen:
                    continue
                seen.add(file["path"])
                if file.get("is_dir"):
                    folders.append(file["path"])
                else:
                    yield file["path"]

    def _fetch(self, target: str, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        self._call("GET", target, None, place)

    def _call(self, method: str, target: str, body: bytes | None, place: Path | None) -> bytes:
        for attempt in range(_TRIES):
            try:
                return self._once(method, target, body, place)
            except ServerRefusal as refusal:
                if not refusal.passing or attempt == _TRIES - 1:
                    raise
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if attempt == _TRIES - 1 or isinstance(error, ssl.SSLError):
                    raise ExternalToolError(
                        f"{self.address} cannot be reached: {error}",
                        hint="check the address; run the same command again to go on where it stopped",
                    ) from error
            time.sleep(0.25 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, target: str, body: bytes | None, place: Path | None) -> bytes:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(self._parts.hostname or "", self._parts.port, timeout=_SECONDS)
        headers = self._headers | ({"Content-Type": "application/json"} if body is not None else {})
        self._connection.request(method, self._prefix + target, body, headers)
        answer = self._connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise self._refusal(target, answer.status, answer.read())
        if place is None:
            return answer.read()
        expected, written = answer.length, 0
        with place.open("wb") as file:
            while chunk := answer.read(_CHUNK):
                written += file.write(chunk)
        if expected is not None and written != expected:
            raise http.client.IncompleteRead(b"", expected - written)
        return b""

    def _refusal(self, target: str, status: int, data: bytes) -> ServerRefusal:
        """Return MLflow's own error as it is told; a page for browsers means that the server failed in a way of its own."""
        passing = status in _BUSY
        try:
            said = str(msgspec.json.decode(data)["message"])
            passing = passing or status == http.HTTPStatus.INTERNAL_SERVER_ERROR
        except (msgspec.MsgspecError, KeyError, TypeError):
            text = data[:1000].decode(errors="replace").strip()
            said = http.client.responses.get(status, "") if text.startswith("<") else text
        path = target.partition("?")[0]
        told = f"{self.address} answered {status} to {path}: {' '.join(said.split())[:300]}"
        return ServerRefusal(told, status, passing=passing)


def _credentials(username: str | None, password: str | None) -> dict[str, str]:
    if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
        return {"Authorization": f"Bearer {token}"}
    username = username or os.environ.get("MLFLOW_TRACKING_USERNAME")
    password = password or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if not username:
        return {}
    return {"Authorization": f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"}
