"""What people do wrong, and what breaks: a clear error, an exit code, nothing lost, and no traceback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from tests.disks import small_disk

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "bad"
    done = mainspring(folder.parent, "init", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "bad"))


def mainspring(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mainspring", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )


def said(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    text = " ".join((done.stderr + done.stdout).split())
    for word in words:
        assert word in text, text


DATA = "data/measurements.parquet"


def test_a_truncated_table(folder: Path) -> None:
    path = folder / DATA
    path.write_bytes(path.read_bytes()[:1000])
    said(mainspring(folder, "run"), 1, "measurements.parquet")
    said(mainspring(folder, "drift", DATA, DATA), 3, "measurements.parquet", "hint:")


def test_an_empty_table(folder: Path) -> None:
    pl.read_parquet(folder / DATA).clear().write_parquet(folder / DATA)
    said(mainspring(folder, "run"), 1, "measurements")


def test_a_column_that_is_gone(folder: Path) -> None:
    pl.read_parquet(folder / DATA).drop("benign").write_parquet(folder / DATA)
    said(mainspring(folder, "run"), 1, "benign")


def test_data_that_are_not_there(folder: Path) -> None:
    (folder / DATA).unlink()
    done = mainspring(folder, "run")
    assert done.returncode != 0
    said(done, done.returncode, "measurements.parquet", "hint:")


def test_a_pipeline_that_raises(folder: Path) -> None:
    code = (folder / "features.py").read_text().replace("    if not 0 <", "    1 / 0\n    if not 0 <")
    (folder / "features.py").write_text(code)
    done = mainspring(folder, "run")
    assert done.returncode not in (0, 2)
    said(done, done.returncode, "ZeroDivisionError", "features.py")
    assert "Traceback" in mainspring(folder, "--debug", "run").stderr


def test_a_missing_git(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    done = mainspring(folder, "run", PATH=str(empty))
    assert done.returncode != 0
    said(done, done.returncode, "git", "hint:")
    said(mainspring(tmp_path, "init", str(tmp_path / "new"), PATH=str(empty)), 3, "git is not installed")
    assert not (tmp_path / "new").exists()


def test_settings_with_a_typing_error(folder: Path) -> None:
    settings = folder / "mainspring.yaml"
    settings.write_text(settings.read_text().replace("datasets:", "dataset:"))
    said(mainspring(folder, "runs", "list"), 2, "mainspring.yaml:5", "did you mean 'datasets'?")


def test_unknown_things(folder: Path, tmp_path: Path) -> None:
    said(mainspring(folder, "run", "--param", "learnin_rate=1"), 2, "did you mean 'learning_rate'?")
    said(mainspring(folder, "test", "nobody@1.0.0"), 3, "nobody")
    said(mainspring(folder, "data", "add", "nothing/here"), 3, "nothing/here")
    said(mainspring(folder, "frobnicate"), 2, "No such command")
    said(mainspring(tmp_path, "runs", "list"), 3, "mainspring init")


def test_a_damaged_object_is_not_served(folder: Path) -> None:
    assert mainspring(folder, "data", "add", "measurements").returncode == 0
    [held] = [path for path in (folder / ".mainspring/objects/files/md5").glob("*/*") if not path.name.endswith(".dir")]
    content = held.read_bytes()
    held.chmod(0o644)
    held.write_bytes(content[:50] + b"?" + content[51:])
    said(mainspring(folder, "data", "verify"), 1, "damaged")
    (folder / DATA).unlink()
    done = mainspring(folder, "data", "checkout", "measurements")
    assert done.returncode != 0
    said(done, done.returncode, "hint:")
    assert not (folder / DATA).exists()


def test_a_full_disk_loses_nothing(folder: Path, tmp_path: Path) -> None:
    """The state lies on a file system of two megabytes: what does not fit is refused, what was there stays."""
    with small_disk(tmp_path / "small", "2m") as small:
        shutil.rmtree(folder / ".mainspring")
        (folder / ".mainspring").symlink_to(small)
        assert mainspring(folder, "data", "add", "measurements").returncode == 0
        large = folder / "large.bin"
        large.write_bytes(os.urandom(4_000_000))
        done = mainspring(folder, "data", "add", "large.bin")
        said(done, 3, "no space left", "hint:")
        assert not (folder / "large.bin.dvc").exists()
        said(mainspring(folder, "data", "verify"), 0)
        (folder / DATA).unlink()
        assert mainspring(folder, "data", "checkout", "measurements").returncode == 0
        assert len(pl.read_parquet(folder / DATA)) == 569


def slow_fit(folder: Path) -> None:
    code = (folder / "pipeline.py").read_text()
    code = code.replace("import polars as pl", "import time\n\nimport polars as pl", 1)
    code = code.replace("    model = make_pipeline(", "    time.sleep(30)\n    model = make_pipeline(")
    (folder / "pipeline.py").write_text(code)


def begin(folder: Path) -> subprocess.Popen[str]:
    """Start a run, and wait until its first step is done."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mainspring", "run"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if '"cached"' in mainspring(folder, "plan", "--json").stdout:
            return process
    process.kill()
    raise AssertionError(f"the first step was never done: {process.communicate()}")


def test_interrupted_and_killed_runs_go_on_where_they_were(folder: Path) -> None:
    slow_fit(folder)
    first = begin(folder)
    said(mainspring(folder, "run"), 3, "hint:")  # a second one at the same time is told so
    first.send_signal(signal.SIGINT)
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "interrupted: " in errors
    assert "Traceback" not in errors
    second = begin(folder)
    second.kill()
    second.communicate()
    quick = (folder / "pipeline.py").read_text().replace("time.sleep(30)", "time.sleep(0)")
    (folder / "pipeline.py").write_text(quick)
    done = mainspring(folder, "run")
    assert done.returncode == 0, done.stderr
    assert "divide … cached" in done.stderr
