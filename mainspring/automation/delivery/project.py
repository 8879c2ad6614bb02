"""Starting a project: a folder with settings, a pipeline, tests of every layer, and data to run it on."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from mainspring.base.errors import Conflict, ExternalToolError, UsageError
from mainspring.base.files import write_atomic
from mainspring.base.settings.load import FILE_NAME
from mainspring.store.workspace import Workspace
from mainspring.versioning.data import add

SCAFFOLD = Path(__file__).parent / "scaffold"


def create(folder: Path, *, name: str | None = None) -> list[Path]:
    """Write a project that runs as it is into ``folder``, its data versioned, in git; return the files written.

    In a folder that is a git repository already, nothing is committed. Files that exist are never overwritten.

    Raises:
        UsageError: the name cannot be a model's name.
        Conflict: the folder is a project already, or holds a file the scaffold would write.
        ExternalToolError: there is no git.
    """
    project = name or re.sub(r"[^a-z0-9-]+", "-", folder.resolve().name.lower()).strip("-") or "project"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", project):
        hint = "use letters, digits, dots, dashes and underscores"
        raise UsageError(f"'{project}' cannot be a project's name", hint=hint)
    if shutil.which("git") is None:
        hint = "install it, for example: apt-get install git"
        raise ExternalToolError("git is not installed, and a project keeps its code in it", hint=hint)
    templates = {path: _target(path) for path in sorted(SCAFFOLD.rglob("*")) if _is_template(path)}
    _refuse_overwriting(folder, [*templates.values(), DATA])
    written = []
    for template, relative in templates.items():
        text = template.read_text(encoding="utf-8").replace("{{ project }}", project)
        write_atomic(folder / relative, text.encode())
        written.append(folder / relative)
    _write_data(folder / DATA)
    workspace = Workspace(folder)
    add(workspace, DATA)
    workspace.close()
    if not _in_repository(folder):
        _first_commit(folder)
    return [*written, folder / DATA]


DATA = "data/measurements.parquet"


def _is_template(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _target(template: Path) -> str:
    relative = template.relative_to(SCAFFOLD).as_posix()
    return ".gitignore" if relative == "gitignore" else relative


def _refuse_overwriting(folder: Path, names: list[str]) -> None:
    if (folder / FILE_NAME).exists():
        raise Conflict(f"{folder} is a project already: it has a {FILE_NAME}", hint="choose another folder")
    held = [name for name in names if (folder / name).exists()]
    if held:
        hint = "move these files away, or choose another folder; nothing was written"
        raise Conflict(f"{folder} holds files that a new project would write: {', '.join(held)}", hint=hint)


def _write_data(path: Path) -> None:
    """Write the Wisconsin breast cancer measurements that scikit-learn ships: 569 rows, 30 features."""
    import polars as pl
    from sklearn.datasets import load_breast_cancer

    from mainspring.base.files import staged

    source = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in source.feature_names]
    frame = pl.DataFrame(source.data, schema=names).with_columns(pl.Series("benign", source.target, dtype=pl.Int64))
    with staged(path) as temporary:
        frame.write_parquet(temporary)


def _in_repository(folder: Path) -> bool:
    return (
        subprocess.run(["git", "rev-parse", "--git-dir"], cwd=folder, capture_output=True, check=False).returncode == 0
    )


def _first_commit(folder: Path) -> None:
    identity = ["-c", "user.name=mainspring", "-c", "user.email=mainspring@localhost"]
    has_identity = subprocess.run(["git", "config", "user.email"], cwd=folder, capture_output=True, check=False)
    for command in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "--all"],
        [*([] if has_identity.returncode == 0 else identity), "commit", "--quiet", "--message", "Start the project"],
    ):
        done = subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ExternalToolError(f"git {command[0]} failed in {folder}: {done.stderr.strip()}")
