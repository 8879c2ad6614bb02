"""Lineage: which files the pipeline's code reaches, and where it leans on notebooks."""

from __future__ import annotations

import subprocess
from pathlib import Path

from mainspring.audit.lineage import module_file, project_files, trace


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def test_imports_are_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pipeline.py": "import numpy\nimport features.text as t\nfrom shared import clean\nscript('python train.py --lr 1')",
            "features/__init__.py": "",
            "features/text.py": "from . import words\nfrom .words import count",
            "features/words.py": "",
            "shared.py": "import pipeline",
            "train.py": "",
            "unused.py": "",
        },
    )
    found = [path.relative_to(tmp_path).as_posix() for path in trace(tmp_path, [tmp_path / "pipeline.py"]).files]
    assert "unused.py" not in found
    assert {
        "features/__init__.py",
        "features/text.py",
        "features/words.py",
        "pipeline.py",
        "shared.py",
        "train.py",
    } <= set(found)
    assert module_file(tmp_path, "features") == tmp_path / "features" / "__init__.py"
    assert module_file(tmp_path, "numpy") is None


def test_notebooks_behind_the_code_are_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pipeline.py": '"""Once explore.ipynb."""\nimport papermill\npapermill.execute_notebook("explore.ipynb")\nimport old',
            "old.py": "#!/usr/bin/env python\n# In[3]:\nx = 1",
        },
    )
    uses = trace(tmp_path, [tmp_path / "pipeline.py"]).notebooks
    assert [(use.path.name, use.line) for use in uses] == [("old.py", 2), ("pipeline.py", 2), ("pipeline.py", 3)]


def test_code_that_does_not_parse_is_still_a_file(tmp_path: Path) -> None:
    write(tmp_path, {"pipeline.py": "def ("})
    assert trace(tmp_path, [tmp_path / "pipeline.py", tmp_path / "gone.py"]).files == [tmp_path / "pipeline.py"]


def test_what_git_ignores_is_no_project_file(tmp_path: Path) -> None:
    files = {"a.ipynb": "", "sub/b.ipynb": "", ".hidden/c.ipynb": "", "ignored/d.ipynb": "", ".gitignore": "ignored/\n"}
    write(tmp_path, files)
    assert [path.name for path in project_files(tmp_path, ".ipynb")] == ["a.ipynb", "d.ipynb", "b.ipynb"]
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert [path.name for path in project_files(tmp_path, ".ipynb")] == ["a.ipynb", "b.ipynb"]
