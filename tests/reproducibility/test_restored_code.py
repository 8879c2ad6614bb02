"""Code comes back as it lay on disk: every byte, mode and link of what git holds, converts, or does not know."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mainspring.base.errors import Corrupted, NotFound
from mainspring.reproducibility.code import restore_code
from mainspring.store.workspace import Workspace
from mainspring.versioning import bumps, code, snapshot

pytestmark = pytest.mark.slow  # real repositories

Tree = dict[str, tuple[str, bytes | str]]


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=a test", "-c", "user.email=test@localhost", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode(errors="surrogateescape").strip()


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "a step")


def fill(root: Path) -> Path:
    """Make a project without a repository."""
    root.mkdir()
    (root / "mainspring.yaml").write_text("project: x\n")
    (root / ".gitignore").write_text(".mainspring/\n*.ignored\n")
    (root / "a.py").write_text("a = 1\n")
    (root / "long.py").write_text("the same\n" * 20)
    (root / "gone.py").write_text("gone\n")
    (root / "data.bin").write_bytes(bytes(range(256)))
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    return root


def fill_repository(root: Path) -> Path:
    """Make a project in a repository, with one commit that no other one has."""
    fill(root)
    (root / "name.txt").write_text(root.name)
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit(root)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in a repository, with one commit."""
    return fill_repository(tmp_path / "project")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Another repository."""
    return fill_repository(tmp_path / "library")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep git from reading what the machine's user likes."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def tree(root: Path) -> Tree:
    return dict(_tree(root))


def _tree(root: Path) -> Iterator[tuple[str, tuple[str, bytes | str]]]:
    for parent, folders, files in os.walk(root):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        folders[:] = [name for name in folders if name not in (".git", ".mainspring")]
        for name in [*files, *links]:
            path = Path(parent, name)
            if name == ".git" or name.endswith(".ignored"):
                continue
            if path.is_symlink():
                yield str(path.relative_to(root)), ("link", str(path.readlink()))
            else:
                mode = "x" if path.stat().st_mode & stat.S_IXUSR else "-"
                yield str(path.relative_to(root)), (mode, path.read_bytes())


def captured(root: Path) -> tuple[Workspace, dict[str, Any]]:
    workspace = Workspace(root)
    return workspace, code.capture(workspace)


def restored(root: Path, target: Path) -> tuple[dict[str, Any], list[str]]:
    """Record a project's code and rebuild it; return what was recorded, and what is missing."""
    workspace, recorded = captured(root)
    missing = restore_code(workspace, recorded, target, lambda _line: None)
    workspace.close()
    return recorded, missing


# One repository


def _edited(root: Path) -> None:
    (root / "a.py").write_text("a = 2 \n")
    (root / "data.bin").write_bytes(bytes(range(255, -1, -1)))
    (root / "a.py").chmod(0o755)
    (root / "run.sh").chmod(0o644)
    (root / "gone.py").unlink()
    git(root, "mv", "long.py", "longer.py")
    (root / "longer.py").write_text("the same\n" * 20 + "but one\n")


def _kinds(root: Path) -> None:
    (root / "a.py").unlink()
    (root / "a.py").symlink_to("data.bin")
    (root / "gone.py").unlink()
    (root / "gone.py").mkdir()
    (root / "gone.py" / "inside.py").write_text("1")


def _new(root: Path) -> None:
    (root / "tool.sh").write_text("#!/bin/sh\n")
    (root / "tool.sh").chmod(0o755)
    (root / "sub").mkdir()
    (root / "sub" / "to a").symlink_to("../a.py")
    (root / "to sub").symlink_to("sub")
    (root / "to nowhere").symlink_to("nowhere")
    (root / "to tmp").symlink_to("/tmp")


def _names(root: Path) -> None:
    for name in ("two\nlines.py", 'quote".py', " space ", "ü.py", os.fsdecode(b"caf\xe9.py")):
        (root / name).write_text("1\n")
        (root / f"{name}.tracked").write_text("1\n")
    git(root, "add", "--all", "--", "*.tracked")
    git(root, "commit", "--quiet", "--message", "names")
    for path in root.glob("*.tracked"):
        path.write_text("2\n")
    (root / os.fsdecode(b"caf\xe9.py")).chmod(0o755)


def _ends_of_lines(root: Path) -> None:
    (root / ".gitattributes").write_text("* text=auto\n*.txt text eol=crlf\n")
    for name in ("auto.py", "auto2.py", "c.txt", "d.txt"):
        (root / name).write_bytes(b"a\r\nb\r\n")
    commit(root)
    (root / "auto.py").write_bytes(b"a\r\nc\r\n")
    (root / "c.txt").write_bytes(b"a\r\nc\r\n")
    (root / "d.txt").write_bytes(b"a\nb\n")


def _ends_of_lines_by_settings(root: Path) -> None:
    git(root, "config", "core.autocrlf", "true")
    (root / "a.py").write_bytes(b"a = 1\r\n")


def _attributes_in_no_commit(root: Path) -> None:
    (root / ".git" / "info" / "attributes").write_text("*.py text eol=crlf\n")
    (root / "a.py").write_bytes(b"a = 1\r\n")


def _filter(root: Path) -> None:
    git(root, "config", "filter.case.clean", "tr a-z A-Z")
    git(root, "config", "filter.case.smudge", "tr A-Z a-z")
    git(root, "config", "filter.case.required", "true")
    (root / ".gitattributes").write_text("*.low filter=case\n")
    for name in ("same.low", "changed.low"):
        (root / name).write_text("hello\n")
        (root / name).chmod(0o755)
    commit(root)
    (root / "changed.low").write_text("world\n")


def _encoding(root: Path) -> None:
    (root / ".gitattributes").write_text("*.wide text working-tree-encoding=UTF-16LE\n*.id ident\n")
    (root / "a.wide").write_bytes("hé\n".encode("utf-16-le"))
    (root / "a.id").write_text("$Id$\n")
    commit(root)
    (root / "a.id").unlink()
    git(root, "checkout", "a.id")
    (root / "a.wide").write_bytes("hö\n".encode("utf-16-le"))


def _not_looked_at(root: Path) -> None:
    git(root, "update-index", "--skip-worktree", "a.py")
    git(root, "update-index", "--assume-unchanged", "long.py", "gone.py", "run.sh")
    (root / "a.py").write_text("a = 3\n")
    (root / "long.py").write_text("other\n")
    (root / "gone.py").unlink()


def _sparse(root: Path) -> None:
    for name in ("in", "out"):
        (root / name).mkdir()
        (root / name / "x.py").write_text("1")
    commit(root)
    git(root, "sparse-checkout", "set", "in")


def _merging(root: Path) -> None:
    git(root, "checkout", "--quiet", "-b", "other")
    (root / "a.py").write_text("other\n")
    commit(root)
    git(root, "checkout", "--quiet", "main")
    (root / "a.py").write_text("mine\n")
    commit(root)
    with pytest.raises(subprocess.CalledProcessError):
        git(root, "merge", "--quiet", "other")
    assert "<<<<" in (root / "a.py").read_text()


def _detached(root: Path) -> None:
    (root / "a.py").write_text("later\n")
    commit(root)
    git(root, "checkout", "--quiet", "HEAD~1")


def _taste(root: Path) -> None:
    for name, value in (
        ("diff.noprefix", "true"), ("diff.context", "0"), ("diff.interHunkContext", "9"), ("diff.relative", "true"),
        ("diff.renames", "copies"), ("diff.ignoreSubmodules", "all"), ("diff.submodule", "log"), ("color.ui", "always"),
        ("apply.whitespace", "error-all"), ("core.quotePath", "false"), ("submodule.recurse", "true"),
    ):  # fmt: skip
        git(root, "config", name, value)
        git(root, "config", "--global", name, value)
    _edited(root)


CHANGES = [
    _edited, _kinds, _new, _names, _ends_of_lines, _ends_of_lines_by_settings, _attributes_in_no_commit, _filter,
    _encoding, _not_looked_at, _sparse, _merging, _detached, _taste,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_everything_is_as_it_lay_on_disk(root: Path, tmp_path: Path, change: Callable[[Path], None]) -> None:
    change(root)
    expected = tree(root)
    _, missing = restored(root, tmp_path / "again")
    assert tree(tmp_path / "again") == expected
    assert missing == []


@pytest.mark.parametrize("change", [_ends_of_lines, _encoding, _sparse], ids=lambda change: change.__name__.strip("_"))
def test_what_git_only_converts_is_no_change(root: Path, change: Callable[[Path], None]) -> None:
    change(root)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "a step")
    _, recorded = captured(root)
    assert (recorded["dirty"], recorded["diff"]) == (False, None)


def test_before_the_first_commit_and_without_a_repository(tmp_path: Path) -> None:
    root = fill(tmp_path / "project")
    _new(root)
    for target in ("none", "unborn", "staged"):
        if target == "unborn":
            git(root, "init", "--quiet")
        if target == "staged":
            git(root, "add", "--all")
            (root / "gone.py").unlink()
        expected = tree(root)
        restored(root, tmp_path / target)
        assert tree(tmp_path / target) == expected


def test_links_that_lead_outside_are_recorded_by_what_they_hold(root: Path, tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text("shared\n")
    (root / "shared.py").symlink_to("../shared.py")
    (tmp_path / "deeper").mkdir()
    restored(root, tmp_path / "deeper" / "again")
    assert (tmp_path / "deeper" / "again" / "shared.py").read_text() == "shared\n"


def test_a_workspace_in_a_linked_working_tree_below_the_top(root: Path, tmp_path: Path) -> None:
    (root / "deep").mkdir()
    (root / "mainspring.yaml").rename(root / "deep" / "mainspring.yaml")
    commit(root)
    git(root, "worktree", "add", "--quiet", str(tmp_path / "beside"))
    (tmp_path / "beside" / "a.py").write_text("beside\n")
    expected = tree(tmp_path / "beside")
    recorded, _ = restored(tmp_path / "beside" / "deep", tmp_path / "again")
    assert (recorded["folder"], tree(tmp_path / "again")) == ("deep", expected)


def test_a_shallow_clone(root: Path, tmp_path: Path) -> None:
    _edited(root)
    commit(root)
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{root}", "shallow")
    git(tmp_path, "config", "--global", "clone.rejectShallow", "true")
    expected = tree(tmp_path / "shallow")
    restored(tmp_path / "shallow", tmp_path / "again")
    assert tree(tmp_path / "again") == expected


def test_large_files_come_back_while_they_are_what_they_were(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "LARGE_BYTES", 1000)
    name = os.fsdecode(b"larg\xe9.bin")
    (root / name).write_bytes(b"x" * 1001)
    (root / name).chmod(0o755)
    expected = tree(root)
    workspace, recorded = captured(root)
    assert restore_code(workspace, recorded, tmp_path / "again", lambda _line: None) == []
    assert tree(tmp_path / "again") == expected
    (root / name).write_bytes(b"y" * 1001)
    assert restore_code(workspace, recorded, tmp_path / "later", lambda _line: None) == ["larg\\xe9.bin"]
    workspace.close()


def test_what_may_not_be_read_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "private.py").write_text("x")
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "private.py" and real(path, mode))
    _, recorded = captured(root)
    assert (recorded["skipped"], recorded["untracked"], recorded["dirty"]) == (["private.py"], None, True)


# Repositories in repositories


def test_submodules_and_what_is_changed_in_them(root: Path, library: Path, tmp_path: Path) -> None:
    git(library, "submodule", "--quiet", "add", str(fill_repository(tmp_path / "innermost")), "inner")
    commit(library)
    git(root, "submodule", "--quiet", "add", str(library), "lib")
    git(root, "submodule", "--quiet", "update", "--init", "--recursive")
    commit(root)
    clean, _ = restored(root, tmp_path / "clean")
    assert (tree(tmp_path / "clean"), clean["dirty"]) == (tree(root), False)
    _edited(root / "lib")
    _new(root / "lib" / "inner")
    git(root / "lib", "commit", "--quiet", "--message", "ahead", "a.py")
    expected = tree(root)
    dirty, missing = restored(root, tmp_path / "again")
    assert (tree(tmp_path / "again"), missing) == (expected, [])
    assert dirty["dirty"]
    assert dirty["repositories"]["lib"]["commit"] == git(root / "lib", "rev-parse", "HEAD")
    assert set(code.kept(dirty)) == {"diff", "lib/diff", "lib/inner/untracked"}


def test_a_submodule_that_was_taken_away_since(root: Path, library: Path, tmp_path: Path) -> None:
    git(root, "submodule", "--quiet", "add", str(library), "lib")
    commit(root)
    expected = tree(root)
    workspace, recorded = captured(root)
    git(root, "submodule", "--quiet", "deinit", "--force", "lib")
    restore_code(workspace, recorded, tmp_path / "again", lambda _line: None)
    assert tree(tmp_path / "again") == expected
    recorded["repositories"]["lib"]["commit"] = "0" * 40
    with pytest.raises(NotFound, match=r"commit 000000000000 is not in .*lib any more"):
        restore_code(workspace, recorded, tmp_path / "not", lambda _line: None)
    workspace.close()


def test_a_repository_that_nobody_made_a_submodule(root: Path, tmp_path: Path) -> None:
    fill_repository(root / "vendored")
    (root / "vendored" / "a.py").write_text("changed\n")
    recorded, missing = restored(root, tmp_path / "again")
    assert (tree(tmp_path / "again"), missing, recorded["dirty"]) == (tree(root), [], True)


# What is recorded


@pytest.mark.parametrize(
    "said",
    [
        {"executables": ["../outside"]},
        {"executables": ["/etc/hostname"]},
        {"links": {"../outside": "x"}},
        {"links": {"to": "..", "to/outside": "x"}},
        {"repositories": {"../outside": {"commit": None, "untracked": "0" * 32 + ".dir"}}},
    ],
)
def test_records_that_lead_outside_are_refused(root: Path, tmp_path: Path, said: dict[str, Any]) -> None:
    (tmp_path / "outside").write_text("x")
    workspace, recorded = captured(root)
    with pytest.raises(Corrupted, match="outside of the repository"):
        restore_code(workspace, recorded | said, tmp_path / "again", lambda _line: None)
    workspace.close()


def test_differences_name_files_links_and_repositories(root: Path, library: Path) -> None:
    git(root, "submodule", "--quiet", "add", str(library), "lib")
    commit(root)
    workspace = Workspace(root)
    before = snapshot.take(workspace)
    _edited(root)
    _new(root / "lib")
    git(root, "update-index", "--skip-worktree", "mainspring.yaml")
    (root / "mainspring.yaml").write_text("project: x  # mine\n")
    after = snapshot.take(workspace)
    found = {item.name for item in snapshot.diff(before, after, workspace.objects) if item.part == "code"}
    assert found == {
        "dirty", "changed a.py", "changed data.bin", "changed run.sh", "changed gone.py", "changed longer.py",
        "as on disk mainspring.yaml", "new file lib/tool.sh", "executable lib/tool.sh", "link lib/sub/to a",
        "link lib/to sub", "link lib/to nowhere", "link lib/to tmp", "lib/dirty",
    }  # fmt: skip
    workspace.close()


def test_what_changed_in_a_submodule_changed_the_code(root: Path, library: Path) -> None:
    git(root, "submodule", "--quiet", "add", str(library), "lib")
    commit(root)
    workspace = Workspace(root)
    first = snapshot.take(workspace)
    (root / "lib" / "a.py").write_text("a = 2\n")
    second = snapshot.take(workspace)
    git(root / "lib", "commit", "--quiet", "--all", "--message", "ahead")
    third = snapshot.take(workspace)
    assert bumps._code_changes(workspace, first, first) == []
    assert bumps._code_changes(workspace, first, second) == ["code that was not committed"]
    assert bumps._code_changes(workspace, first, third) == ["code that was not committed"]
    git(root / "lib", "update-index", "--skip-worktree", "long.py")
    (root / "lib" / "long.py").write_text("other\n")
    fourth = snapshot.take(workspace)
    assert bumps._code_changes(workspace, third, fourth) == ["code that git was told not to look at"]
    commit(root)
    assert bumps._code_changes(workspace, fourth, snapshot.take(workspace)) == ["code that was not committed"]
    workspace.close()


def test_a_password_in_the_address_is_left_out(root: Path) -> None:
    git(root, "remote", "add", "origin", "https://me:pass@word@example.org/x.git")
    _, recorded = captured(root)
    assert recorded["remote"] == "https://example.org/x.git"
