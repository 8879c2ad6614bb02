"""Push, fetch and pull through a folder: what goes, what comes, what is healed, what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import Corrupted, NotFound, Refused, SettingsError, StorageError, UsageError
from mainspring.versioning import data, exchange, pull
from mainspring.versioning.remotes import list_remotes, open_remote
from tests.versioning.remotes.scene import FILES, git, stored, tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace

    Make = Callable[..., Workspace]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def ours(make: Make, store: Path) -> Workspace:
    """A workspace whose data is added."""
    workspace = make(url="../store")
    for path in ("data/months", "data/airports.csv"):
        data.add(workspace, workspace.root / path)
    return workspace


@pytest.fixture
def clone(make: Make, ours: Workspace) -> Workspace:
    """Another workspace with the same pointers, as git would make it."""
    workspace = make("clone", files={}, url="../store")
    (workspace.root / "data").mkdir()
    for pointer in (ours.root / "data").glob("*.dvc"):
        shutil.copy(pointer, workspace.root / "data")
    return workspace


def flip(path: Path) -> None:
    """Change a byte where no eye falls on it."""
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def address(workspace: Workspace, path: str) -> str:
    """Return the address of a file of data/months."""
    listed = workspace.objects.listing(data.log(workspace, "months")[-1].md5)
    return next(entry.md5 for entry in listed if entry.relpath == path)


def test_what_was_pushed_is_pulled_elsewhere(ours: Workspace, clone: Workspace) -> None:
    assert exchange.push(ours).objects == 4
    assert (again := exchange.push(ours)).objects == 0
    assert again.present == 4
    assert [(item.dataset, item.state, item.problem) for item in data.status(clone)] == [
        ("data/airports.csv", "missing", "get it: mainspring data pull data/airports.csv"),
        ("data/months", "missing", "get it: mainspring data pull data/months"),
    ]
    pulled = pull.pull(clone)
    assert (pulled.objects, pulled.present) == (4, 0)
    assert tree(clone.root) == FILES
    assert [version.number for version in data.log(clone, "months")] == [1]
    assert {item.state for item in data.status(clone)} == {"up to date"}
    assert pull.pull(clone).objects == 0


@pytest.mark.parametrize("target", ["months/sub", "data/months/sub/ü 02.csv"])
def test_a_part_of_a_folder(ours: Workspace, clone: Workspace, target: str) -> None:
    exchange.push(ours)
    data_folder = clone.root / "data"
    if target.startswith("months/"):  # a name needs a dataset that is known
        (clone.root / "mainspring.yaml").write_text(
            "project: x\nremotes:\n  store: {url: ../store}\ndatasets:\n  months: {path: data/months}\n"
        )
        clone.__dict__.pop("settings", None)
    assert pull.pull(clone, [target]).objects == 2
    assert [path.name for path in data_folder.rglob("*.csv")] == ["ü 02.csv"]
    with pytest.raises(NotFound, match="has no file or folder"):
        pull.pull(clone, ["data/months/nothing"])
    (data_folder / "months/sub/ü 02.csv").write_text("mine")
    with pytest.raises(Refused, match="would be lost"):
        pull.pull(clone, [target])
    assert (data_folder / "months/sub/ü 02.csv").read_text() == "mine"
    pull.pull(clone, [target], force=True)
    assert (data_folder / "months/sub/ü 02.csv").read_text() == FILES["data/months/sub/ü 02.csv"]


def test_targets_are_names_paths_pointers_and_folders(ours: Workspace, store: Path) -> None:
    assert exchange.push(ours, ["airports"]).objects == 1
    assert exchange.push(ours, ["data/months.dvc"]).objects == 3
    assert exchange.push(ours, ["data"]).present == 4
    (ours.root / "data" / "later.csv.dvc").write_text("outs:\n- path: later.csv\n  hash: md5\n")  # names no content yet
    assert exchange.push(ours, ["data"]).present == 4
    with pytest.raises(NotFound, match="is no dataset"):
        exchange.push(ours, ["mnths"])


def test_older_versions_go_when_they_are_asked_for(ours: Workspace, store: Path) -> None:
    git(ours.root, "init", "-q")
    git(ours.root, "add", ".")
    git(ours.root, "commit", "-qm", "first")
    first = data.log(ours, "months")[0].md5
    (ours.root / "data/months/03.csv").write_text("a\n3\n")
    second = data.add(ours, "months").md5
    exchange.push(ours)
    assert second in stored(store)
    assert first not in stored(store)
    exchange.push(ours, all_versions=True)
    assert {first, second} <= stored(store)


def test_versions_of_history_that_are_lost_are_told_and_no_error(ours: Workspace) -> None:
    git(ours.root, "init", "-q")
    lost = "0123456789abcdef0123456789abcdef"
    (ours.root / "old.csv.dvc").write_text(f"outs:\n- md5: {lost}\n  hash: md5\n  path: old.csv\n")
    git(ours.root, "add", ".")
    git(ours.root, "commit", "-qm", "first")
    (ours.root / "old.csv.dvc").unlink()
    assert exchange.push(ours, all_versions=True).lost == [lost]


def test_an_object_that_is_missing_here_is_named_and_the_rest_goes(ours: Workspace, store: Path) -> None:
    ours.objects.path(address(ours, "01.csv")).unlink()
    with pytest.raises(
        NotFound, match=r"data/months/01\.csv: the stored bytes are neither here nor on the remote 'store'"
    ):
        exchange.push(ours)
    assert len(stored(store)) == 2
    assert not [md5 for md5 in stored(store) if md5.endswith(".dir")]


def test_an_object_that_is_damaged_here_is_not_pushed(ours: Workspace, store: Path) -> None:
    md5 = address(ours, "01.csv")
    flip(ours.objects.path(md5))
    with pytest.raises(Corrupted, match="quarantine"):
        exchange.push(ours)
    assert md5 not in stored(store)
    assert not [md5 for md5 in stored(store) if md5.endswith(".dir")]


def test_a_damaged_object_of_the_remote_is_never_taken(ours: Workspace, clone: Workspace, store: Path) -> None:
    exchange.push(ours)
    md5 = address(ours, "01.csv")
    flip(store / "files" / "md5" / md5[:2] / md5[2:])
    with pytest.raises(Corrupted, match=f"{md5} is damaged on the remote 'store'"):
        pull.pull(clone)
    assert not clone.objects.path(md5).exists()
    assert clone.objects.path(address(ours, "sub/ü 02.csv")).exists()
    assert not (clone.root / "data" / "months").exists()
    assert exchange.push(ours, replace=True).objects == 4
    pull.pull(clone)
    assert tree(clone.root) == FILES


def test_an_object_of_another_size_on_the_remote_is_pushed_again(ours: Workspace, store: Path) -> None:
    exchange.push(ours)
    md5 = address(ours, "01.csv")
    cut = store / "files" / "md5" / md5[:2] / md5[2:]
    cut.write_bytes(b"")
    assert exchange.push(ours).objects == 1
    assert cut.read_bytes() == FILES["data/months/01.csv"].encode()


def test_damage_here_is_healed_from_the_remote(ours: Workspace) -> None:
    exchange.push(ours)
    flip(ours.objects.path(address(ours, "01.csv")))
    ours.objects.path(address(ours, "sub/ü 02.csv")).unlink()
    flip(ours.objects.path(data.log(ours, "airports")[0].md5))
    healed, left = pull.verify_and_heal(ours)
    assert len(healed) == 3
    assert left == []
    assert len(list((ours.objects.root / "quarantine").iterdir())) == 2
    assert data.verify(ours) == []


def test_a_pull_heals_what_it_needs(ours: Workspace) -> None:
    exchange.push(ours)
    shutil.rmtree(ours.root / "data" / "months")
    flip(ours.objects.path(address(ours, "01.csv")))
    pull.pull(ours)
    assert tree(ours.root) == FILES


def test_what_cannot_be_healed_stays_bad(ours: Workspace, store: Path) -> None:
    md5 = data.log(ours, "airports")[0].md5
    ours.objects.path(md5).unlink()
    healed, left = pull.verify_and_heal(ours)
    assert healed == []
    assert [damage.md5 for damage in left] == [md5]


def test_a_full_disk_leaves_what_arrived_and_nothing_half(ours: Workspace, clone: Workspace, tmp_path: Path) -> None:
    from tests.disks import fill, small_disk

    (ours.root / "data/months/large.csv").write_bytes(os.urandom(3_000_000))
    data.add(ours, "months")
    exchange.push(ours)
    shutil.copy(ours.root / "data" / "months.dvc", clone.root / "data")
    with small_disk(tmp_path / "small", "2m") as disk:
        (clone.root / "mainspring.yaml").write_text(
            f"project: x\nstate: {{objects: '{disk}/objects'}}\nremotes:\n  store: {{url: ../store}}\n"
        )
        opened = type(clone)(clone.root)
        with pytest.raises(StorageError, match="no space left"):
            exchange.fetch(opened)
        assert list(opened.objects.verify()) == []
        assert not list((disk / "objects").glob("incoming/*"))
        fill(disk)
        with pytest.raises(StorageError, match="no space left"):
            exchange.fetch(opened)


def test_a_remote_that_is_not_there(make: Make, ours: Workspace, store: Path) -> None:
    shutil.rmtree(store)
    with pytest.raises(StorageError, match="does not exist"):
        exchange.fetch(
            make("other", files={"a.csv.dvc": (ours.root / "data/airports.csv.dvc").read_text()}, url="../store")
        )
    unmounted = make("unmounted", url="/nowhere/at/all")
    with pytest.raises(StorageError, match="does not exist"):
        exchange.push(unmounted)
    assert exchange.push(ours).objects == 4  # its folder's folder is there: it is made
    with pytest.raises(NotFound, match="no remote 'stor'") as caught:
        exchange.push(ours, remote="stor")
    assert "did you mean 'store'?" in str(caught.value.hint)
    with pytest.raises(UsageError, match="no remote yet"):
        exchange.push(make("bare"))


def test_remotes_of_the_settings_and_of_dvc(make: Make, tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(
        "[core]\n    remote = theirs\n"
        "['remote \"theirs\"']\n    url = ../elsewhere\n"
        "['remote \"below\"']\n    url = remote://theirs/folder\n"
        "['remote \"kept\"']\n    url = s3://bucket/x\n    version_aware = true\n"
        "['remote \"store\"']\n    url = s3://hidden/x\n"
    )
    (tmp_path / ".dvc" / "config.local").write_text("['remote \"theirs\"']\n    access_key_id = k\n")
    workspace = make(url="../store")
    with pytest.raises(SettingsError, match="keeps files by name"):
        list_remotes(workspace)
    config = tmp_path / ".dvc" / "config"
    config.write_text(config.read_text().replace("version_aware = true", ""))
    found = {item.name: (item.url, item.default) for item in list_remotes(workspace)}
    assert found == {
        "theirs": ("../elsewhere", True),
        "below": ("../elsewhere/folder", False),
        "kept": ("s3://bucket/x", False),
        "store": ("../store", False),
    }
    open_remote(workspace, "theirs", write=True)
    assert (tmp_path / "elsewhere").is_dir()


@pytest.mark.parametrize(
    ("remote", "said"),
    [
        ({"url": "ftp://host/x"}, "of no kind that is known"),
        ({"url": "s3://bucket", "endpoint": "nonsense"}, "is no address"),
        ({"url": "az://container/x"}, "cannot be opened"),
        ({"url": "s3://bucket", "profile": "nobody"}, "no profile 'nobody'"),
    ],
)
def test_settings_that_lead_nowhere(make: Make, remote: dict[str, str], said: str) -> None:
    workspace = make(**remote)
    with pytest.raises((SettingsError, StorageError), match=said) as caught:
        open_remote(workspace)
    assert caught.value.hint


def test_a_credential_in_the_settings_is_refused_and_not_shown(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make(url="s3://bucket", credentials="{secret_access_key: abc123}")
    with pytest.raises(SettingsError, match="a credential stands in the file") as caught:
        _ = workspace.settings
    assert "abc123" not in caught.value.message + str(caught.value.hint)
    monkeypatch.setenv("MY_SECRET", "abc123")
    workspace = make("other", url="s3://bucket", credentials="{secret_access_key: '${MY_SECRET}'}")
    assert workspace.settings.remotes["store"].credentials == {"secret_access_key": "abc123"}


def test_a_part_that_is_not_there_is_no_success(ours: Workspace, clone: Workspace) -> None:
    for target in ("data/months/nothing", "data/airports.csv/nothing"):
        with pytest.raises(NotFound, match="has no file or folder 'nothing'"):
            exchange.push(ours, [target])
    exchange.push(ours)
    for verb in (exchange.fetch, pull.pull):
        with pytest.raises(NotFound, match="has no file or folder 'nothing'"):
            verb(clone, ["data/months/nothing"])
