from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mainspring.base.errors import ExternalToolError, NotFound, UsageError
from mainspring.base.randomness import set_seed
from mainspring.store.workspace import Workspace
from mainspring.versioning import code, config, data, environment, snapshot


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(workspace: Workspace) -> Workspace:
    (workspace.root / ".gitignore").write_text(".mainspring/\n*.secret\n")
    (workspace.root / "train.py").write_text("print(1)\n")
    git(workspace.root, "init", "-q")
    git(workspace.root, "add", ".")
    git(workspace.root, "commit", "-q", "-m", "first")
    return workspace


def untracked(workspace: Workspace, captured: dict[str, object]) -> dict[str, bytes]:
    entries = workspace.objects.listing(str(captured["untracked"]))
    return {entry.relpath: workspace.objects.read_bytes(entry.md5) for entry in entries}


def test_a_clean_commit(repository: Workspace) -> None:
    found = code.capture(repository)
    assert found["commit"] == git(repository.root, "rev-parse", "HEAD") == code.head(repository.root)
    assert (found["branch"], found["dirty"], found["diff"], found["untracked"]) == ("main", False, None, None)
    assert found["folder"] == "."


def test_what_is_not_committed_can_be_had_again(repository: Workspace, tmp_path: Path) -> None:
    (repository.root / "train.py").write_text("print(2)\n")
    (repository.root / "blob.bin").write_bytes(bytes(range(256)))
    git(repository.root, "add", "blob.bin")
    (repository.root / "new file ü.py").write_text("x = 1\n")
    (repository.root / "key.secret").write_text("hush")
    found = code.capture(repository)
    assert found["dirty"]
    assert untracked(repository, found) == {"new file ü.py": b"x = 1\n"}
    git(tmp_path, "clone", "-q", str(repository.root), "again")
    (tmp_path / "patch").write_bytes(repository.objects.read_bytes(found["diff"]))
    git(tmp_path / "again", "apply", str(tmp_path / "patch"))
    assert (tmp_path / "again" / "train.py").read_text() == "print(2)\n"
    assert (tmp_path / "again" / "blob.bin").read_bytes() == bytes(range(256))


def test_before_the_first_commit_and_without_a_repository(workspace: Workspace) -> None:
    (workspace.root / ".gitignore").write_text("*.secret\n")
    (workspace.root / "train.py").write_text("print(1)\n")
    (workspace.root / "key.secret").write_text("hush")
    without = code.capture(workspace)
    assert (without["commit"], without["branch"], without["dirty"]) == (None, None, True)
    assert set(untracked(workspace, without)) == {".gitignore", "mainspring.yaml", "train.py"}
    git(workspace.root, "init", "-q")
    git(workspace.root, "add", "train.py")
    before = code.capture(workspace)
    assert (before["commit"], before["branch"]) == (None, "main")
    assert before["untracked"] == without["untracked"]


def test_a_workspace_inside_of_a_repository(repository: Workspace, tmp_path: Path) -> None:
    inner = repository.root / "inner"
    inner.mkdir()
    (inner / "mainspring.yaml").write_text("project: inner\n")
    found = code.capture(Workspace(inner))
    assert (found["folder"], found["commit"] is not None) == ("inner", True)
    (repository.root / ".gitignore").write_text("inner/\n")
    ignored = code.capture(Workspace(inner))
    assert (ignored["folder"], ignored["commit"]) == (".", None)


def test_large_files_are_named_only(repository: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "LARGE_BYTES", 10)
    (repository.root / "big.bin").write_bytes(b"x" * 11)
    found = code.capture(repository)
    assert found["untracked"] is None
    assert [(item["path"], item["size"]) for item in found["large"]] == [("big.bin", 11)]
    assert found["dirty"]


def test_credentials_in_the_remote_are_left_out(repository: Workspace) -> None:
    git(repository.root, "remote", "add", "origin", "https://me:token@example.org/x.git")
    assert code.capture(repository)["remote"] == "https://example.org/x.git"


def test_git_missing(repository: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ExternalToolError, match="git is needed") as caught:
        code.capture(repository)
    assert caught.value.hint == "install git"


def test_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    (tmp_path / "uv.lock").write_text("locked")
    found = environment.capture(tmp_path)
    assert found["distributions"]["scikit-learn"] == importlib.metadata.version("scikit-learn")
    assert found["distributions"]["pyyaml"] == importlib.metadata.version("pyyaml")
    assert found["variables"]["OMP_NUM_THREADS"] == "1"
    assert "SECRET_TOKEN" not in found["variables"]
    assert found["lock"]["path"] == "uv.lock"
    assert environment.key() == environment.key()
    assert len(environment.key()) == 32


def test_the_key_changes_with_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment.key()
    (tmp_path / "thing-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert environment.key() != before
    assert environment.distributions()["thing"] == "1.0"


def test_config_keeps_variables_and_hides_secrets(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", "https://hooks.example.org/secret-path")
    (workspace.root / "mainspring.yaml").write_text(
        "project: x\nchannels:\n- {type: webhook, url: '${HOOK}'}\nstate: {database: 'postgresql://me:pw@db/x'}\n"
    )
    (workspace.root / "environments").mkdir()
    (workspace.root / "environments" / "production.yaml").write_text("seed: 7\n")
    found = config.capture(
        Workspace(workspace.root, environment="production"),
        {"rate": 0.1, "api_key": "123", "odd": object},
        ["run", "--token", "abc", "--password=xyz", "--rate=0.1"],
    )
    assert found["settings"]["channels"][0]["url"] == "${HOOK}"
    assert found["settings"]["state"]["database"] == "postgresql://me:***@db/x"
    assert found["settings"]["seed"] == 7
    assert found["environment"] == "production"
    assert found["parameters"] == {"rate": 0.1, "api_key": "***", "odd": "<class 'object'>"}
    assert found["argv"] == ["run", "--token", "***", "--password=***", "--rate=0.1"]


@pytest.mark.parametrize(
    "name", ["DB_PASSWORD", "passphrase", "db-pwd", "aws_secret", "hf_token", "API-KEY", "access_key", "Authorization"]
)
def test_what_is_named_like_a_secret_is_hidden(name: str) -> None:
    assert config.hide_secrets({"deep": [{name: "hush"}]}) == {"deep": [{name: "***"}]}


def test_what_only_resembles_a_secret_is_shown() -> None:
    shown = {"tokenizer": "bpe", "max_tokens": 5, "key": "id", "url": "https://host:80/a@b", "pwdist": "x"}
    assert config.hide_secrets(shown) == shown
    assert config.hide_secrets("a https://me:p@ss@host/x b") == "a https://me:***@host/x b"


def test_take_load_and_diff(repository: Workspace) -> None:
    (repository.root / "d.csv").write_text("a\n1\n")
    first_data = data.add(repository, repository.root / "d.csv")
    before = snapshot.take(
        repository, datasets=[first_data], randomness=set_seed(1), parameters={"rate": 0.1}, argv=["run"]
    )
    assert snapshot.load(repository, before.id) == before
    assert snapshot.load(repository, before.id[:20]) == before
    assert snapshot.diff(before, before) == []
    (repository.root / "d.csv").write_text("a\n2\n")
    (repository.root / "train.py").write_text("print(2)\n")
    after = snapshot.take(
        repository,
        datasets=[data.add(repository, "d")],
        randomness=set_seed(2),
        parameters={"rate": 0.2},
        argv=["run"],
    )
    found = {(item.part, item.name): (item.before, item.after) for item in snapshot.diff(before, after)}
    assert found["randomness", "seed"] == (1, 2)
    assert found["config", "parameters.rate"] == (0.1, 0.2)
    assert found["data", "d"][1].startswith("version 2 (")
    assert ("code", "diff") in found
    assert not [name for part, name in found if part == "environment"]
    with pytest.raises(NotFound):
        snapshot.load(repository, "nothing")
    with pytest.raises(UsageError, match="several"):
        snapshot.load(repository, before.id[:2])
