"""Releases in the records: who may, what follows, and what races and crashes leave behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from mainspring.base.errors import Corrupted, NotFound, Refused, UsageError
from mainspring.serving import publication, releases, routes
from mainspring.store.workspace import Workspace
from mainspring.versioning import models
from serving.scene import add, gate, make_workspace

if TYPE_CHECKING:
    from pathlib import Path

SHADOW = "release: {shadow: {min_predictions: 5}}\n"
DIRECT = "release: {canary: null}\n"


def stages(workspace: Workspace) -> dict[str, str]:
    return {version.version: version.stage for version in models.versions(workspace, "m")}


def served(workspace: Workspace) -> dict[str, str]:
    return {route.role: route.version for route in routes.read(routes.path(workspace, "m")).routes}


def champion_and_next(workspace: Workspace) -> tuple[str, str]:
    """A first version in production, and a second with a passing gate against it."""
    first = add(workspace)
    gate(workspace, first, champion=None)
    releases.release(workspace, "m", first, reason="first")
    second = add(workspace, seed=1)
    gate(workspace, second, champion=first)
    return first, second


def test_the_first_version_becomes_champion_and_the_next_one_canary(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    assert (stages(workspace)[first], served(workspace)) == ("production", {"champion": first})
    made = releases.release(workspace, "m", second, reason="better", actor="ada")
    assert (made.state, made.previous, made.actor) == ("canary", first, "ada")
    assert served(workspace) == {"champion": first, "canary": second}
    assert stages(workspace) == {first: "production", second: "staging"}
    canary = routes.read(routes.path(workspace, "m")).route("canary")
    assert canary is not None
    assert canary.weight == 0.1


def test_shadow_comes_first_when_asked_for(tmp_path: Path, state: str) -> None:
    workspace = make_workspace(tmp_path, SHADOW + state)
    _, second = champion_and_next(workspace)
    assert releases.release(workspace, "m", second, reason="better").state == "shadow"
    assert served(workspace)["shadow"] == second
    workspace.close()


def test_without_a_canary_a_release_goes_straight_to_production(tmp_path: Path, state: str) -> None:
    workspace = make_workspace(tmp_path, DIRECT + state)
    first, second = champion_and_next(workspace)
    assert releases.release(workspace, "m", second, reason="better").state == "promoted"
    assert served(workspace) == {"champion": second}
    assert stages(workspace) == {first: "archived", second: "production"}
    workspace.close()


def test_immediate_skips_the_canary(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    assert releases.release(workspace, "m", second, reason="now").state == "canary"
    assert releases.release(workspace, "m", second, reason="now", immediate=True).state == "promoted"
    assert stages(workspace) == {first: "archived", second: "production"}
    assert len(releases.list_releases(workspace, "m")) == 2


def test_refusals_say_what_to_do(workspace: Workspace) -> None:
    first = add(workspace)
    with pytest.raises(Refused, match="never judged") as refusal:
        releases.release(workspace, "m", first, reason="x")
    assert "mainspring test m@1.0.0" in (refusal.value.hint or "")
    assert "--override" in (refusal.value.hint or "")
    gate(workspace, first, champion=None, outcome="fail")
    with pytest.raises(Refused, match=r"failed its gate \(metric\)"):
        releases.release(workspace, "m", first, reason="x")
    gate(workspace, first, champion=None, outcome="inconclusive")
    with pytest.raises(Refused, match="inconclusive"):
        releases.release(workspace, "m", first, reason="x")
    assert releases.current(workspace, "m") is None
    assert list(routes.files(workspace)) == []
    gate(workspace, first, champion=None)
    releases.release(workspace, "m", first, reason="x")
    second = add(workspace, seed=1)
    gate(workspace, second, champion=None)
    with pytest.raises(Refused, match=r"judged against no champion, and 1\.0\.0 is champion now"):
        releases.release(workspace, "m", second, reason="x")
    with pytest.raises(NotFound):
        releases.release(workspace, "m", "9.0.0", reason="x")
    with pytest.raises(UsageError):
        releases.release(workspace, "m", second, reason="x", override=" ")


def test_an_override_is_recorded_everywhere(workspace: Workspace) -> None:
    first, _ = champion_and_next(workspace)
    forced = add(workspace, seed=2)
    made = releases.release(workspace, "m", forced, reason="needed", override="the pager rings")
    assert made.override == "the pager rings"
    assert "never judged" in made.evidence["overridden"]
    table = routes.read(routes.path(workspace, "m"))
    assert table.override == "the pager rings"
    assert "the pager rings" in table.reason
    [move] = [move for move in models.history(workspace, "m") if move.version == forced and move.to_stage == "staging"]
    assert "needed" in move.reason
    assert first == served(workspace)["champion"]


def test_a_second_release_supersedes_the_first(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    third = add(workspace, seed=2)
    gate(workspace, third, champion=first)
    releases.release(workspace, "m", second, reason="a")
    releases.release(workspace, "m", third, reason="b")
    assert {release.version: release.state for release in releases.list_releases(workspace, "m")} == {
        first: "promoted",
        second: "superseded",
        third: "canary",
    }
    assert stages(workspace) == {first: "production", second: "archived", third: "staging"}
    assert served(workspace) == {"champion": first, "canary": third}


def test_releasing_twice_changes_nothing(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    made = releases.release(workspace, "m", second, reason="a")
    generation = releases.current(workspace, "m")
    assert releases.release(workspace, "m", second, reason="b") == made
    assert releases.current(workspace, "m") == generation
    again = releases.release(workspace, "m", first, reason="stay")
    assert (again.version, again.state) == (first, "promoted")
    assert served(workspace) == {"champion": first}
    assert stages(workspace)[second] == "archived"


def test_rollback_cancels_what_is_under_way(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    releases.release(workspace, "m", second, reason="a")
    taken = releases.rollback(workspace, "m", reason="no")
    assert (taken.version, taken.state, taken.evidence["ended"]["reason"]) == (second, "rolled_back", "no")
    assert served(workspace) == {"champion": first}
    assert stages(workspace) == {first: "production", second: "archived"}
    with pytest.raises(Refused, match="rolled back"):
        releases.release(workspace, "m", second, reason="again")
    gate(workspace, second, champion=first)
    assert releases.release(workspace, "m", second, reason="judged again").state == "canary"


def test_rollback_returns_to_the_version_before_and_forth(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    releases.release(workspace, "m", second, reason="a", immediate=True)
    assert releases.rollback(workspace, "m", reason="slow").version == second
    assert served(workspace) == {"champion": first}
    assert stages(workspace) == {first: "production", second: "archived"}
    with pytest.raises(Refused, match="no version before"):
        releases.rollback(workspace, "m", reason="more")
    releases.rollback(workspace, "m", reason="it was fine", to=second)
    assert stages(workspace) == {first: "archived", second: "production"}
    releases.rollback(workspace, "m", reason="it was not")
    assert served(workspace) == {"champion": first}
    third = add(workspace, seed=3)
    with pytest.raises(Refused, match="never in production"):
        releases.rollback(workspace, "m", reason="x", to=third)
    with pytest.raises(NotFound):
        releases.rollback(workspace, "nothing", reason="x")


@pytest.mark.parametrize("damage", ["delete", "garble", "stale"])
def test_a_crash_before_the_file_is_healed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    first, second = champion_and_next(workspace)
    file = routes.path(workspace, "m")

    def crash(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(releases, "publish", crash)
        with pytest.raises(KeyboardInterrupt):
            releases.release(workspace, "m", second, reason="a", immediate=True)
    assert served(workspace) == {"champion": first}
    assert stages(workspace)[first] == "production"
    if damage == "delete":
        file.unlink()
    elif damage == "garble":
        file.write_text("{")
    assert releases.reconcile(workspace) == ["m"]
    assert served(workspace) == {"champion": second}
    assert stages(workspace) == {first: "archived", second: "production"}
    assert releases.reconcile(workspace) == []


def test_a_version_that_cannot_be_loaded_changes_nothing(workspace: Workspace) -> None:
    _, second = champion_and_next(workspace)
    found = models.resolve(workspace, f"m@{second}")
    before = releases.current(workspace, "m")
    for entry in workspace.objects.listing(found.artifact):
        if entry.relpath.startswith("model."):
            stored = workspace.objects.path(entry.md5)
            stored.chmod(0o644)
            stored.write_bytes(b"damaged" + stored.read_bytes())
    with pytest.raises(Corrupted):
        releases.release(workspace, "m", second, reason="a")
    assert releases.current(workspace, "m") == before


def test_races_end_in_some_order_with_one_champion(workspace: Workspace) -> None:
    first, second = champion_and_next(workspace)
    third = add(workspace, seed=2)
    gate(workspace, third, champion=first)
    failures: list[BaseException] = []

    def act(work: Any) -> None:
        mine = Workspace(workspace.root)
        try:
            work(mine)
        except Refused:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            mine.close()

    works = [
        lambda w: releases.release(w, "m", second, reason="a", immediate=True),
        lambda w: releases.release(w, "m", third, reason="b", immediate=True),
        lambda w: releases.release(w, "m", third, reason="c"),
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
    assert champion is not None
    assert [version for version, stage in stages(workspace).items() if stage == "production"] == [champion.version]


def test_routes_survive_the_records(workspace: Workspace) -> None:
    champion_and_next(workspace)
    table = releases.current(workspace, "m")
    assert table is not None
    assert publication.table_of(publication.row_of(table, 0)) == table
