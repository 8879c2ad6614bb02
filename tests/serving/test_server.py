"""Servers as users run them: swapped, killed, misled, and stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import psutil
import pytest

from mainspring.base.errors import UsageError
from mainspring.serving import predictions, releases, routes, servers
from mainspring.serving.supervisor import serve
from serving.scene import Client, Running, add, make_workspace, server, wait_until
from serving.test_releases import champion_and_next, stages

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace

pytestmark = pytest.mark.slow

ROW = {"instances": [[0.5, 1]]}


def ask(client: Client, row: Any = None, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
    headers = {"x-mainspring-key": key} if key else {}
    return client.ask("POST", "/invocations", row or ROW, headers)


def version(client: Client) -> str:
    return ask(client)[2]["x-mainspring-version"]


def mainspring(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mainspring", "--workspace", str(workspace.root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class Load:
    """Clients that ask without pause, and remember every answer."""

    def __init__(self, running: Running, clients: int = 3) -> None:
        self.running = running
        self.answers: list[tuple[int, str, str]] = []
        self.failures: list[BaseException] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def _run(self, number: int) -> None:
        client = self.running.client()
        random = np.random.default_rng(number)
        try:
            while not self._stop.is_set():
                row = [round(float(random.normal()), 6), int(random.integers(0, 5))]
                status, answer, headers = ask(client, {"instances": [row]})
                role = headers.get("x-mainspring-role", str(answer))
                self.answers.append((status, headers.get("x-mainspring-version", ""), role))
        except BaseException as error:
            self.failures.append(error)
        finally:
            client.close()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def everywhere(running: Running, wanted: str) -> bool:
    """Whether fresh connections, which spread over the workers, all meet the version."""
    seen = set()
    for _ in range(12):
        client = running.client()
        seen.add(version(client))
        client.close()
    return seen == {wanted}


def test_swaps_under_load_lose_nothing_and_reach_every_worker(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    with server(workspace, "--no-guard", workers=2) as running:
        assert len(running.workers()) == 2
        with Load(running) as load:
            for _ in range(3):
                releases.release(workspace, "m", second, reason="up", immediate=True, override="a test")
                wait_until(lambda: everywhere(running, second), "the new version everywhere")
                table = releases.current(workspace, "m")
                assert table is not None
                assert servers.wait_for(workspace, "m", table.generation) == (2, 2)
                releases.rollback(workspace, "m", reason="down")
                wait_until(lambda: everywhere(running, first), "the old version everywhere")
        assert load.failures == []
        assert {status for status, *_ in load.answers} == {200}
        assert {version for _, version, _ in load.answers} == {first, second}
        assert running.stop() == 0
    counted = predictions.predictions(workspace, "m").height
    assert counted >= len(load.answers)
    assert not list(servers.folder(workspace).glob("*"))


def test_a_failing_canary_is_rolled_back_by_the_guard_alone(tmp_path: Path) -> None:
    settings = "release: {canary: {share: 0.5, min_predictions: 100000}}\n"
    workspace = make_workspace(tmp_path, settings)
    first = add(workspace)
    releases.release(workspace, "m", first, reason="first", override="a test")
    with server(workspace) as running:
        broken = add(workspace, "Broken")
        made = mainspring(workspace, "deploy", f"m@{broken}", "--override", "a try", "--json")
        assert made.returncode == 0, made.stderr
        shown = json.loads(made.stdout)
        assert (shown["state"], shown["override"], shown["reached"], shown["workers"]) == ("canary", "a try", 1, 1)
        with Load(running, clients=2) as load:
            wait_until(lambda: releases.list_releases(workspace, "m")[0].state == "rolled_back", "the rollback")
            client = running.client()
            wait_until(lambda: all(version(client) == first for _ in range(20)), "the champion for all")
            client.close()
        assert load.failures == []
        assert {status for status, *_ in load.answers} == {200}
        assert {"champion", "fallback"} <= {role for _, _, role in load.answers}
    ended = releases.list_releases(workspace, "m")[0].evidence["ended"]
    assert "error rate" in ended["reason"]
    assert stages(workspace)[broken] == "archived"
    listed = json.loads(mainspring(workspace, "releases", "list", "--json").stdout)
    assert [(row["version"], row["state"]) for row in listed] == [(broken, "rolled_back"), (first, "promoted")]
    workspace.close()


def test_a_canary_that_labels_show_worse_is_rolled_back(tmp_path: Path) -> None:
    settings = "release: {canary: {share: 0.5, min_predictions: 100000}}\n"
    workspace = make_workspace(tmp_path, settings)
    first = add(workspace)
    releases.release(workspace, "m", first, reason="first", override="a test")
    inverted = add(workspace, "Inverted")
    releases.release(workspace, "m", inverted, reason="worse", override="a test")
    with server(workspace) as running:
        client = running.client()
        random = np.random.default_rng(0)
        for _ in range(6):
            labels = []
            for number in range(40):
                x, z = float(random.normal()), int(random.integers(0, 5))
                _, answer, _ = ask(client, {"instances": [[x, z]]}, key=str(random.integers(1_000_000) + number))
                labels.append({"prediction_id": answer["prediction_ids"][0], "label": x + 0.3 * z > 0.5})
            assert client.post("/labels", {"labels": labels})[0] == 200
        wait_until(lambda: releases.list_releases(workspace, "m")[0].state == "rolled_back", "the rollback")
        client.close()
    assert "loss (accuracy)" in releases.list_releases(workspace, "m")[0].evidence["ended"]["reason"]
    workspace.close()


def test_a_shadow_sees_everything_and_answers_nobody(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "release: {shadow: {min_predictions: 100000, max_error_rate: 1.0}}\n")
    first, second = champion_and_next(workspace)
    releases.release(workspace, "m", second, reason="better")
    with server(workspace, "--no-guard") as running:
        client = running.client()
        ids = []
        for _ in range(20):
            _, answer, headers = ask(client)
            assert (headers["x-mainspring-role"], headers["x-mainspring-version"]) == ("champion", first)
            ids += answer["prediction_ids"]
        client.close()
    seen = predictions.predictions(workspace, "m", roles=["shadow"])
    assert sorted(seen["prediction_id"]) == sorted(ids)
    assert set(seen["version"]) == {second}
    assert len(predictions.predictions(workspace, "m")) == 20
    workspace.close()


def test_keys_stick_to_their_version(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "release: {canary: {share: 0.5}}\nserving: {routing_key: z}\n")
    _, second = champion_and_next(workspace)
    releases.release(workspace, "m", second, reason="better")
    with server(workspace, "--no-guard", workers=2) as running:
        chosen: dict[str, set[str]] = {}
        for number in range(60):
            client = running.client()
            header = f"customer-{number % 10}" if number % 2 else None
            row = {"instances": [[0.1, number % 10]]}
            _, _, headers = ask(client, row, key=header)
            chosen.setdefault(header or f"z={number % 10}", set()).add(headers["x-mainspring-version"])
            client.close()
    assert all(len(versions) == 1 for versions in chosen.values())
    assert len(set.union(*chosen.values())) == 2
    workspace.close()


def test_rows_of_one_request_go_where_their_callers_go(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "release: {canary: {share: 0.5}}\nserving: {routing_key: z}\n")
    first, _ = champion_and_next(workspace)
    inverted = add(workspace, "Inverted")
    releases.release(workspace, "m", inverted, reason="a try", override="a test")
    rows = [[0.3 * number - 2, number] for number in range(12)]
    with server(workspace, "--no-guard") as running:
        client = running.client()
        alone = [ask(client, {"instances": [row]}) for row in rows]
        _, together, headers = ask(client, {"instances": rows})
        _, keyed, who = ask(client, {"instances": rows}, key="one caller")
        client.close()
        assert running.stop() == 0
    assert together["scores"] == pytest.approx([answer["scores"][0] for _, answer, _ in alone], rel=1e-12)
    assert together["predictions"] == [answer["predictions"][0] for _, answer, _ in alone]
    assert set(headers["x-mainspring-version"].split(", ")) == {first, inverted}
    assert len(who["x-mainspring-version"].split(", ")) == 1
    kept = predictions.predictions(workspace, "m")
    asked = kept.filter(pl.col("prediction_id").is_in(together["prediction_ids"])).sort("prediction_id")
    assert asked["key"].to_list() == [str(number) for number in range(12)]
    assert asked["version"].to_list() == [found["x-mainspring-version"] for _, _, found in alone]
    assert len(kept.filter(pl.col("prediction_id").is_in(keyed["prediction_ids"]))["version"].unique()) == 1
    workspace.close()


def test_acknowledged_labels_survive_kill_9_and_the_worker_comes_back(workspace: Workspace) -> None:
    champion_and_next(workspace)
    with server(workspace, "--no-guard") as running:
        client = running.client()
        ids = [ask(client)[1]["prediction_ids"][0] for _ in range(5)]
        labels = [{"prediction_id": identity, "label": True} for identity in ids]
        assert client.post("/labels", {"labels": labels})[0] == 200
        [worker] = running.workers()
        os.kill(worker, signal.SIGKILL)
        client.close()
        assert sorted(predictions.labels(workspace, "m")["prediction_id"]) == sorted(ids)

        def answers() -> bool:
            fresh = running.client()
            try:
                return ask(fresh)[0] == 200
            except OSError:
                return False
            finally:
                fresh.close()

        wait_until(answers, "a new worker")
        assert running.workers() != [worker]
        assert running.stop() == 0


def test_broken_routes_leave_the_old_ones_in_use_and_are_reported(workspace: Workspace) -> None:
    first, _ = champion_and_next(workspace)
    with server(workspace, "--no-guard") as running:
        client = running.client()
        file = routes.path(workspace, "m")
        good = file.read_bytes()
        table = routes.read(file)
        for text in ("{", good.decode().replace(table.routes[0].artifact, "0" * 32 + ".dir").replace('n": 1', 'n": 2')):
            file.write_text(text)
            wait_until(lambda: b'mainspring_route_problem{endpoint="m",worker="0"} 1.0' in client.get("/metrics")[1])
            assert version(client) == first
        file.write_bytes(good)
        wait_until(lambda: b'mainspring_route_problem{endpoint="m",worker="0"} 0.0' in client.get("/metrics")[1])
        client.close()
    assert "the new routes cannot be used" in (workspace.root / "server.log").read_text()


def test_models_appear_without_a_restart(workspace: Workspace) -> None:
    with server(workspace, "--no-guard") as running:
        client = running.client()
        assert client.get("/v2/health/live")[0] == 200
        assert client.get("/v2/models/m/ready")[0] == 404
        assert ask(client)[0] == 503
        champion_and_next(workspace)
        wait_until(lambda: client.get("/v2/models/m/ready")[0] == 200, "the model")
        assert ask(client)[0] == 200
        client.close()


def test_a_slow_request_is_finished_before_the_end(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    slow = add(workspace, "Odd")
    releases.release(workspace, "m", slow, reason="first", override="a test")
    with server(workspace, "--no-guard") as running:
        answers: list[int] = []

        def late() -> None:
            client = running.client()
            answers.append(ask(client, {"instances": [[14, 1]]})[0])
            client.close()

        threads = [threading.Thread(target=late) for _ in range(3)]
        for thread in threads:
            thread.start()
        probe = running.client()
        ask(probe)
        probe.close()
        assert running.stop() == 0
        for thread in threads:
            thread.join()
        finished = answers.count(200)
    assert finished == len(answers)
    assert len(predictions.predictions(workspace, "m")) >= finished
    workspace.close()


def test_nothing_is_left_when_the_supervisor_is_killed(workspace: Workspace) -> None:
    champion_and_next(workspace)
    with server(workspace, workers=2) as running:
        children = psutil.Process(running.process.pid).children(recursive=True)
        assert len(children) == 3
        running.process.kill()
        running.process.wait()
        _, alive = psutil.wait_procs(children, timeout=30)
        assert alive == []
        [home] = servers.folder(workspace).iterdir()
        assert not servers.memory(home.name).exists()
    assert servers.running(workspace) == []
    starting = servers.folder(workspace) / "starting"
    starting.mkdir()
    with server(workspace, "--no-guard"):
        assert (
            len(list(servers.folder(workspace).iterdir())) == 2
        )  # its own, and that of one which has not said a word yet
    os.utime(starting, (0, 0))
    with server(workspace, "--no-guard"):
        assert len(list(servers.folder(workspace).iterdir())) == 1


def test_a_token_is_demanded_when_set_and_needed_to_leave_the_machine(workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="without a token"):
        serve(workspace, host="0.0.0.0", port=0)
    champion_and_next(workspace)
    with server(workspace, "--no-guard", "--host", "0.0.0.0", MAINSPRING_TOKEN="secret") as running:
        client = running.client()
        for path in ("/v2/health/live", "/v2/health/ready", "/ping", "/health"):
            assert client.get(path)[0] == 200
        for method, path in (
            ("GET", "/v2"),
            ("GET", "/metrics"),
            ("GET", "/version"),
            ("GET", "/v2/models/m"),
            ("GET", "/v2/models/m/ready"),
            ("POST", "/v2/models/m/infer"),
            ("POST", "/v2/models/m/versions/1.0.0/infer"),
            ("POST", "/invocations"),
            ("POST", "/labels"),
            ("GET", "/nothing"),
            ("DELETE", "/ping/"),
        ):
            for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic secret"}):
                assert client.ask(method, path, None, given)[0] == 401, path
                client.close()
        assert client.ask("POST", "/invocations", ROW, {"authorization": "Bearer secret"})[0] == 200
        client.close()


def test_a_port_in_use_is_refused(workspace: Workspace) -> None:
    champion_and_next(workspace)
    with server(workspace, "--no-guard") as running, pytest.raises(UsageError, match="cannot listen"):
        serve(workspace, port=running.port, workers=1)
    with pytest.raises(UsageError, match="cannot listen"):
        serve(workspace, port=70000)
