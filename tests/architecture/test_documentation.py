"""What is documented is what is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from mainspring.cli.main import PRINCIPLES, app

ROOT = Path(__file__).parents[2]


def test_the_generated_reference_is_current() -> None:
    done = subprocess.run([sys.executable, "scripts/reference.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def commands(group: object = None, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], object]]:
    group = group or typer.main.get_command(app)
    found: list[tuple[tuple[str, ...], object]] = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        found += commands(command, (*path, name)) if hasattr(command, "commands") else [((*path, name), command)]
    return found


@pytest.mark.parametrize(
    ("path", "command"), commands(), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_and_option_says_what_it_does(path: tuple[str, ...], command: object) -> None:
    assert command.help, path  # type: ignore[attr-defined]
    for parameter in command.params:  # type: ignore[attr-defined]
        assert getattr(parameter, "help", None), f"{' '.join(path)}: {parameter.name} has no help"


@pytest.mark.parametrize("principle", [name for name in PRINCIPLES if name not in {"project", "audit", "control"}])
def test_every_principle_has_its_page(principle: str) -> None:
    assert (ROOT / "docs" / f"{principle}.md").is_file()


def test_every_listing_speaks_json() -> None:
    for path, command in commands():
        if path[-1] in {"list", "history", "status", "log"}:
            assert "json" in {parameter.name for parameter in command.params}, path  # type: ignore[attr-defined]


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_commands_named_in_the_documentation_exist() -> None:
    known = {path[0] for path, _ in commands()}
    for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        for word in re.findall(
            r"(?<!from)(?:^|[`$ ])mainspring ([a-z]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE
        ):
            assert word in known or word in {"is", "does", "takes", "keeps", "speaks"}, (
                f"{page.name}: mainspring {word}"
            )
