"""Workspaces with small real models, and real servers on free ports, for the tests of serving."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sklearn.linear_model import LinearRegression, LogisticRegression

from mainspring.base.clock import now
from mainspring.base.ids import new_id
from mainspring.serving import servers
from mainspring.store.workspace import Workspace
from mainspring.versioning import models
from mainspring.versioning.candidate import Candidate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEADLINE = 30.0
ODD_MODULE = '''
import re
import time

import numpy as np
from sklearn.linear_model import LogisticRegression


class Odd(LogisticRegression):
    """Raises when the first input is 13, takes its time at 14, hangs at 15, and at 16 with the interpreter's lock."""

    def predict_proba(self, X):
        first = np.asarray(X)[:, 0]
        if (first == 13).any():
            raise RuntimeError("thirteen")
        if (first == 14).any():
            time.sleep(0.3)
        if (first == 15).any():
            time.sleep(3600)
        if (first == 16).any():
            re.match("(a+)+$", "a" * 60 + "b")
        return super().predict_proba(X)


class Slow(Odd):
    """Takes longer than a call on the event loop may."""

    def predict_proba(self, X):
        time.sleep(0.005)
        return super().predict_proba(X)


class Broken(LogisticRegression):
    """Fails on about every second row, but never on the rows it was made with."""

    def predict_proba(self, X):
        if (np.round(np.asarray(X)[:, 0] * 1e6) % 2 == 1).any():
            raise RuntimeError("broken")
        return super().predict_proba(X)


class Inverted(LogisticRegression):
    """Says the opposite."""

    def predict_proba(self, X):
        return super().predict_proba(X)[:, ::-1]
'''


class Client:
    """A client on one kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json"} if data is not None else {}
        self.connection.request(method, path, data, sent | (headers or {}))
        answer = self.connection.getresponse()
        raw = answer.read()
        kind = answer.getheader("content-type", "")
        return answer.status, json.loads(raw) if "json" in kind and raw else raw, dict(answer.getheaders())

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any, dict[str, str]]:
        return self.ask("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})

    def get(self, path: str) -> tuple[int, Any, dict[str, str]]:
        return self.ask("GET", path)

    def close(self) -> None:
        self.connection.close()


class Running:
    """A server process."""

    def __init__(self, process: subprocess.Popen[str], port: int, workspace: Workspace) -> None:
        self.process = process
        self.port = port
        self.workspace = workspace

    def client(self) -> Client:
        return Client(self.port)

    def workers(self) -> list[int]:
        return [state.pid for state in servers.workers(self.workspace).values()]

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


def wait_until(check: Callable[[], Any], what: str = "it") -> Any:
    """Poll until something is true."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {DEADLINE} s")


@contextmanager
def server(workspace: Workspace, *arguments: str, workers: int = 1, **environment: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(workspace.root), "serve", "--port", "0"]
    with (workspace.root / "server.log").open("a") as errors:
        process = subprocess.Popen(
            [*command, "--workers", str(workers), *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=os.environ | environment,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://"), (line, (workspace.root / "server.log").read_text())
        yield Running(process, int(line.rsplit(":", 1)[1]), workspace)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(DEADLINE)
        if process.stdout is not None:
            process.stdout.close()


def make_workspace(root: Path, extra: str = "") -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    (root / "odd.py").write_text(ODD_MODULE)
    settings = "project: x\nmodel: {name: m, trusted_types: [odd.Odd, odd.Broken, odd.Inverted, odd.Slow]}\n"
    (root / "mainspring.yaml").write_text(settings + extra)
    return Workspace(root)


def rows(n: int = 200, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    x = random.normal(size=n).round(3)
    z = random.integers(0, 5, n)
    return pl.DataFrame({"x": x, "z": z, "y": (x + 0.3 * z + random.normal(size=n) * 0.3 > 0.5)})


def candidate(kind: str = "LogisticRegression", *, root: Path | None = None, seed: int = 0) -> Candidate:
    """A model of x (float) and z (int): a class of scikit-learn, or one of the module ``odd``."""
    table = rows(seed=seed)
    if kind == "regression":
        table = table.with_columns(y=pl.col("x") * 2 + pl.col("z"))
        model: Any = LinearRegression()
    elif kind == "multiclass":
        low, high = pl.when(pl.col("x") < -0.5).then(pl.lit("a")), pl.col("x") < 0.5
        table = table.with_columns(y=low.when(high).then(pl.lit("b")).otherwise(pl.lit("c")))
        model = LogisticRegression()
    elif kind == "LogisticRegression":
        model = LogisticRegression(C=1.0 + seed)
    else:
        assert root is not None
        sys.path.insert(0, str(root))
        sys.modules.pop("odd", None)
        try:
            model = getattr(importlib.import_module("odd"), kind)(C=1.0 + seed)
        finally:
            sys.path.remove(str(root))
    train, holdout = table[:120], table[120:]
    model.fit(train.select("x", "z").to_numpy(), train["y"].to_numpy())
    return Candidate(model=model, train=train, holdout=holdout, features=["x", "z"], target="y", container="numpy")


def add(workspace: Workspace, kind: str = "LogisticRegression", *, name: str = "m", seed: int = 0) -> str:
    """Register a model and return its version."""
    sys.path.insert(0, str(workspace.root))
    try:
        return models.register(workspace, name, candidate(kind, root=workspace.root, seed=seed)).version
    finally:
        sys.path.remove(str(workspace.root))


def gate(workspace: Workspace, version: str, *, champion: str | None, outcome: str = "pass", name: str = "m") -> None:
    """Record a gate as the testing room does."""
    from sqlalchemy import insert

    from mainspring.store.schema.testing import gates

    verdicts = [{"check": "metric", "status": outcome, "required": True}]
    with workspace.database.write() as connection:
        row = {"id": new_id(), "model": name, "version": version, "champion": champion, "at": now()}
        connection.execute(insert(gates).values(**row, outcome=outcome, verdicts=verdicts))
