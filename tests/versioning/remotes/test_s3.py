"""A real S3 server: credentials and where they come from, large objects, many objects, two writers, the commands."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mainspring.base.errors import StorageError
from mainspring.cli.main import run as command
from mainspring.store.remotes import inventory
from mainspring.store.remotes.parts import PART
from mainspring.versioning import data, exchange, pull
from mainspring.versioning.remotes import open_remote
from tests import s3
from tests.faults import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from mainspring.store.workspace import Workspace

    Make = Callable[..., Workspace]

pytestmark = pytest.mark.slow


def added(workspace: Workspace) -> Workspace:
    """Add the data of a workspace."""
    data.add(workspace, workspace.root / "data/months")
    return workspace


def profile(name: str, text: str) -> None:
    """Write a profile into the files of AWS."""
    Path(os.environ["AWS_SHARED_CREDENTIALS_FILE"]).write_text(f"[{name}]\n{text}")


KEYS = f"aws_access_key_id = {s3.KEY}\naws_secret_access_key = {s3.SECRET}\n"
TOLD = json.dumps(
    {"Version": 1, "AccessKeyId": s3.KEY, "SecretAccessKey": s3.SECRET, "Expiration": "2999-01-01T00:00:00Z"}
)


@pytest.mark.parametrize("way", ["environment", "default profile", "profile", "process", "settings"])
def test_credentials_come_from_the_usual_places(
    make: Make, s3_server: s3.Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    more: dict[str, str] = {}
    if way == "environment":
        for name, value in s3.VARIABLES.items():
            monkeypatch.setenv(name, value)
    elif way == "default profile":
        profile("default", KEYS)
    elif way == "profile":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        monkeypatch.setenv("AWS_SESSION_TOKEN", "wrong")
        profile("mine", KEYS)
        more = {"profile": "mine"}
    elif way == "process":
        (tmp_path / "told.json").write_text(TOLD)
        profile("mine", f"credential_process = cat {tmp_path / 'told.json'}\n")
        more = {"profile": "mine"}
    else:
        monkeypatch.setenv("MY_KEY", s3.KEY)
        monkeypatch.setenv("MY_SECRET", s3.SECRET)
        more = {"credentials": "{access_key_id: '${MY_KEY}', secret_access_key: '${MY_SECRET}'}"}
    workspace = added(make(url=s3_server.url(), endpoint=s3_server.endpoint, region=s3.REGION, **more))
    assert exchange.push(workspace).objects == 3
    assert exchange.push(workspace).objects == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("aws_access_key_id = tester\naws_secret_access_key = wrong-secret\n", "does not accept the credentials"),
        ("aws_access_key_id = nobody\naws_secret_access_key = wrong-secret\n", "does not accept the credentials"),
        (f"aws_access_key_id = {s3.READER}\naws_secret_access_key = {s3.READER_SECRET}\n", "does not allow this"),
        ("sso_session = work\n", "need the program 'aws'"),
        (f"credential_process = {sys.executable} -c 'print(wrong-secret)'\n", "gave no credentials"),
    ],
)
def test_credentials_that_do_not_work(
    make: Make, s3_server: s3.Server, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    profile("mine", text)
    workspace = make(url=s3_server.url(), endpoint=s3_server.endpoint, region=s3.REGION, profile="mine", retries=1)
    added(workspace)
    with pytest.raises(StorageError, match=said) as caught:
        exchange.push(workspace)
    assert "wrong-secret" not in caught.value.message + str(caught.value.hint).replace("print(wrong-secret)", "")
    assert s3.READER_SECRET not in caught.value.message


def test_an_object_of_many_parts(make: Make, s3_server: s3.Server, proxy: Proxy, keys: None) -> None:
    ours = make(files={}, url=s3_server.url(), endpoint=proxy.endpoint)
    content = os.urandom(2 * PART + 12_345)
    (ours.root / "large.bin").write_bytes(content)
    data.add(ours, ours.root / "large.bin")
    told: list[tuple[int, int, int]] = []
    assert exchange.push(ours, tick=lambda *moved: told.append(moved)).bytes == len(content)
    assert [moved for _, _, moved in told][:2] == [PART, 2 * PART]
    assert len([line for line in proxy.lines if line.startswith("PUT") and "partNumber" in line]) == 3
    ours.objects.path(data.log(ours, "large")[0].md5).unlink()
    (ours.root / "large.bin").unlink()
    pull.pull(ours)
    assert (ours.root / "large.bin").read_bytes() == content


def test_few_objects_are_asked_for_one_by_one_and_many_are_listed(
    make: Make, s3_server: s3.Server, proxy: Proxy, keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"data/{number}.csv": f"{number}\n" for number in range(200)}
    ours = make(files=files, url=s3_server.url(), endpoint=proxy.endpoint)
    data.add(ours, ours.root / "data")
    assert exchange.push(ours).objects == 201
    proxy.lines.clear()
    assert exchange.push(ours).present == 201
    assert [line.split()[0] for line in proxy.lines] == ["GET", "GET"]  # one folder, then everything
    proxy.lines.clear()
    monkeypatch.setattr(inventory, "_ONE_LISTING", 0)
    assert exchange.push(ours).present == 201
    assert {line.split()[0] for line in proxy.lines} == {"GET"}
    assert 100 < len(proxy.lines) <= 256
    proxy.lines.clear()
    (ours.root / "one.csv").write_text("1\n")
    data.add(ours, ours.root / "one.csv")
    exchange.push(ours, ["one.csv"])
    assert [line.split()[0] for line in proxy.lines] == ["HEAD"]  # the same content is there already


def test_two_push_at_once(make: Make, s3_server: s3.Server, keys: None) -> None:
    url = s3_server.url()
    files = {f"data/{number}.csv": f"{number}\n" for number in range(100)}
    both = [make(name, files=files, url=url, endpoint=s3_server.endpoint) for name in ("one", "two")]
    for workspace in both:
        data.add(workspace, workspace.root / "data")
    threads = [threading.Thread(target=exchange.push, args=(workspace,)) for workspace in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inventory.held(open_remote(both[0]))) == 101
    assert exchange.push(both[1]).objects == 0


def test_the_commands(
    make: Make, s3_server: s3.Server, keys: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = added(make(url=s3_server.url(), endpoint=s3_server.endpoint))
    monkeypatch.chdir(ours.root)
    assert command(["data", "push"]) == 0
    assert "3 objects" in capsys.readouterr().out
    assert command(["data", "push", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "remote": "store",
        "objects": 0,
        "bytes": 0,
        "present": 3,
        "lost": [],
    }
    assert command(["data", "remote", "list"]) == 0
    assert "default" in capsys.readouterr().out
    for path in (ours.root / "data/months").rglob("*.csv"):
        path.unlink()
    for path in ours.objects.files.glob("*/*"):
        path.unlink()
    assert command(["data", "verify"]) == 1
    assert command(["data", "verify", "--heal"]) == 0
    assert "3 objects were healed" in capsys.readouterr().out
    assert command(["data", "fetch", "months"]) == 0
    assert "all 3 objects are there" in capsys.readouterr().out
    assert command(["data", "pull", "months"]) == 0
    assert len(list((ours.root / "data/months").rglob("*.csv"))) == 2
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert command(["data", "fetch", "--all-versions", "--remote", "nowhere"]) == 3
    (ours.root / "data/months/new.csv").write_text("1\n")
    data.add(ours, "months")
    capsys.readouterr()
    assert command(["data", "push"]) == 3
    told = capsys.readouterr().err
    assert "does not accept the credentials" in told
    assert "hint:" in told


def test_models_go_when_they_are_asked_for(make: Make, s3_server: s3.Server, keys: None) -> None:
    from mainspring.versioning.registration import register
    from tests.versioning.versioning_samples import make_candidate

    ours = make(files={}, url=s3_server.url(), endpoint=s3_server.endpoint)
    version = register(ours, "fraud", make_candidate())
    assert exchange.push(ours).objects == 0
    assert exchange.push(ours, models=True).objects > 3
    for path in ours.objects.files.glob("*/*"):
        path.unlink()
    exchange.fetch(ours, models=True)
    assert ours.objects.has(str(version.artifact))
    assert ours.objects.has(str(version.evidence))
