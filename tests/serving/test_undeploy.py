"""Endpoints that are ended: who leaves, what stays, what races, and what callers of a running server hear."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base.errors import Conflict, NotFound, Refused, UsageError
from mainspring.serving import releases, routes, servers
from mainspring.serving.gating import check_move
from mainspring.store.workspace import Workspace
from mainspring.versioning import models, registry
from mainspring.versioning.lineage.trace import trace
from mainspring.versioning.removal import delete_model, delete_version
from serving.scene import add, gate, make_workspace, server, wait_until
from serving.test_releases import champion_and_next, served, stages
from serving.test_server import ask, mainspring

if TYPE_CHECKING:
    from pathlib import Path


def test_the_champion_goes_to_the_archive_and_what_was_released_stays_on_record(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    releases.release(workspace, "m", second, reason="better")
    ended = releases.undeploy(workspace, "m", reason="nobody asks", actor="ada")
    assert [(release.version, release.state) for release in ended] == [(second, "undeployed"), (first, "undeployed")]
    assert [release.evidence["ended"]["from"] for release in ended] == ["canary", "promoted"]
    assert releases.list_releases(workspace, "m") == ended
    assert stages(workspace) == {first: "archived", second: "archived"}
    assert served(workspace) == {}
    for version, before in ((first, "production"), (second, "staging")):
        last = [move for move in models.history(workspace, "m") if move.version == version][-1]
        assert (last.from_stage, last.to_stage) == (before, "archived")
        assert (last.actor, last.reason) == ("ada", "undeployed: nobody asks")
    assert releases.reconcile(workspace) == []
    assert releases.advance(workspace) == []
    assert stages(workspace) == {first: "archived", second: "archived"}


def test_it_is_refused_where_there_is_nothing_to_end(workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        releases.undeploy(workspace, "m", reason="x")
    version = add(workspace)
    with pytest.raises(Refused, match="nothing is released at 'm'"):
        releases.undeploy(workspace, "m", reason="x")
    releases.release(workspace, "m", version, reason="x", override="a test")
    with pytest.raises(UsageError):
        releases.undeploy(workspace, "m", reason=" ")
    releases.undeploy(workspace, "m", reason="x")
    for verb in (releases.undeploy, releases.rollback):
        with pytest.raises(Refused, match="nothing is released at 'm'"):
            verb(workspace, "m", reason="x")


def test_it_is_deployed_again_later(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    releases.undeploy(workspace, "m", reason="a pause")
    with pytest.raises(Refused, match="there is no champion now"):
        releases.release(workspace, "m", second, reason="again")
    again = releases.release(workspace, "m", first, reason="again")
    assert (again.state, again.previous) == ("promoted", None)
    assert served(workspace) == {"champion": first}
    assert stages(workspace) == {first: "production", second: "development"}
    gate(workspace, second, champion=first)
    assert releases.release(workspace, "m", second, reason="better").state == "canary"


def test_the_model_can_be_deleted_and_its_name_begin_again(workspace: Workspace) -> None:
    first, _ = champion_and_next(workspace)
    with pytest.raises(Conflict, match="is the champion of the endpoint 'm'") as refused:
        delete_model(workspace, "m")
    assert "mainspring undeploy m" in str(refused.value.hint)
    [ended] = releases.undeploy(workspace, "m", reason="over")
    delete_version(workspace, "m", first)
    delete_model(workspace, "m")
    assert releases.list_releases(workspace, "m") == [ended]
    assert releases.reconcile(workspace) == []
    again = add(workspace, seed=2)
    assert again == first
    assert trace(workspace, f"m@{again}")["deployments"] == []
    made = releases.release(workspace, "m", again, reason="anew", override="a test")
    assert (made.state, served(workspace), stages(workspace)) == (
        "promoted",
        {"champion": again},
        {again: "production"},
    )
    assert [told["reason"] for told in trace(workspace, f"m@{again}")["deployments"]] == ["anew"]


def test_without_an_endpoint_stages_are_moved_by_hand_again(workspace: Workspace) -> None:
    first, _ = champion_and_next(workspace)
    version = registry.resolve(workspace, f"m@{first}")
    with pytest.raises(Refused):
        check_move(workspace, version, "staging")
    releases.undeploy(workspace, "m", reason="over")
    check_move(workspace, registry.resolve(workspace, f"m@{first}"), "production")
    registry.transition(workspace, "m", first, "production", reason="by hand")
    releases.reconcile(workspace)
    assert stages(workspace)[first] == "production"


def test_a_crash_before_the_file_is_healed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = champion_and_next(workspace)

    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(releases, "publish", crash)
        with pytest.raises(KeyboardInterrupt):
            releases.undeploy(workspace, "m", reason="over")
    assert served(workspace) == {"champion": first}
    assert stages(workspace)[first] == "archived"
    assert releases.reconcile(workspace) == ["m"]
    assert served(workspace) == {}
    assert stages(workspace)[first] == "archived"


def test_a_canary_that_was_judged_meanwhile_is_not_promoted(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = champion_and_next(workspace)
    releases.release(workspace, "m", second, reason="better")
    file = workspace.root / "mainspring.yaml"
    file.write_text(file.read_text() + "release: {canary: null}\n")  # from now on it is promoted at once
    judging, judge = Workspace(workspace.root), releases._judge

    def judge_and_be_overtaken(*given: Any) -> Any:
        judgement = judge(*given)
        assert judgement.decision == "promote"
        releases.undeploy(workspace, "m", reason="over")
        return judgement

    with monkeypatch.context() as patch:
        patch.setattr(releases, "_judge", judge_and_be_overtaken)
        assert releases.advance(judging) == []
    judging.close()
    assert served(workspace) == {}
    assert stages(workspace) == {first: "archived", second: "archived"}
    assert releases.list_releases(workspace, "m")[0].state == "undeployed"


@pytest.mark.parametrize("attempt", range(4))
def test_races_end_in_some_order_with_at_most_one_in_production(workspace: Workspace, attempt: int) -> None:
    first, second = champion_and_next(workspace)
    third = add(workspace, seed=2)
    gate(workspace, third, champion=first)
    releases.release(workspace, "m", second, reason="better")
    file = workspace.root / "mainspring.yaml"
    file.write_text(file.read_text() + "release: {canary: null}\n")
    failures: list[BaseException] = []
    begin = threading.Barrier(5)

    def act(work: Any) -> None:
        mine = Workspace(workspace.root)
        try:
            begin.wait()
            work(mine)
        except Refused:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            mine.close()

    works = [
        lambda w: releases.undeploy(w, "m", reason="over"),
        lambda w: releases.release(w, "m", third, reason="b", immediate=True, override="a race"),
        lambda w: releases.rollback(w, "m", reason="d"),
        releases.advance,
        releases.reconcile,
    ]
    threads = [threading.Thread(target=act, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    releases.reconcile(workspace)
    table = releases.current(workspace, "m")
    assert table is not None
    assert routes.read(routes.path(workspace, "m")) == table
    champion = table.route("champion")
    in_production = [version for version, stage in stages(workspace).items() if stage == "production"]
    assert in_production == ([champion.version] if champion else [])
    known = 0
    for move in models.history(workspace, "m"):  # at every moment at most one
        known += (move.to_stage == "production") - (move.from_stage == "production")
        assert known <= 1


@pytest.mark.slow
def test_a_running_server_stops_answering_and_begins_again(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, "release: {canary: {share: 0.5, min_predictions: 100000}}\n")
    _, second = champion_and_next(workspace)
    row = {
        "inputs": [
            {"name": "x", "shape": [1], "datatype": "FP64", "data": [0.5]},
            {"name": "z", "shape": [1], "datatype": "INT64", "data": [1]},
        ]
    }
    with server(workspace, workers=2) as running:
        client = running.client()
        assert ask(client)[0] == 200
        deployed = mainspring(workspace, "deploy", f"m@{second}", "--json")
        assert json.loads(deployed.stdout)["state"] == "canary"
        done = mainspring(workspace, "undeploy", "m", "--reason", "nobody asks", "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["champion"], told["workers"], told["reached"]) == (None, 2, 2)
        for path, body, status in (
            ("/v2/models/m/infer", row, 404),
            ("/v2/models/m/versions/1.0.0/infer", row, 404),
            ("/invocations", {"instances": [[0.5, 1]]}, 503),
            ("/labels", {"endpoint": "m", "labels": [{"prediction_id": "x", "label": True}]}, 404),
        ):
            answered = client.post(path, body)
            assert answered[0] == status, (path, answered)
            assert answered[1]["error"]
        for path in ("/v2/models/m", "/v2/models/m/ready", "/v2/models/m/versions/1.0.0"):
            status, answer, _ = client.get(path)
            assert status == 404
            assert answer["error"] == "'m' was undeployed: nothing answers for it"
        assert client.get("/v2")[1]["models"] == []
        assert client.get("/v2/health/ready")[0] == 200
        state = next(iter(servers.workers(workspace).values()))
        assert state.endpoints["m"].problem is None
        assert mainspring(workspace, "undeploy", "m", "--reason", "twice").returncode == 1
        assert mainspring(workspace, "models", "delete", "m", "--yes").returncode == 0
        again = add(workspace)
        assert mainspring(workspace, "deploy", f"m@{again}", "--override", "a test").returncode == 0
        wait_until(lambda: ask(client)[0] == 200, "answers again")
        assert client.post("/v2/models/m/infer", row)[0] == 200
        releases.undeploy(workspace, "m", reason="before a start")
        client.close()
        assert running.stop() == 0
    with server(workspace) as running:
        client = running.client()
        assert client.get("/v2/models/m")[0] == 404
        assert client.get("/v2/health/ready")[0] == 200
        client.close()
    log = (workspace.root / "server.log").read_text()
    assert "Traceback" not in log
    assert "cannot be" not in log
    workspace.close()
