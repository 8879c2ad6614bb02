"""Telling the story: what is typed, what it answers, and what it means."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape


class Teller:
    """Prints the story to the terminal and runs its commands in the demo's workspace."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.console = Console(highlight=False, width=144 if not sys.stdout.isatty() else None)
        self.started = time.monotonic()

    def act(self, title: str) -> None:
        """Begin a part of the story."""
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        self.console.print()
        self.console.rule(f"[bold]{escape(title)}[/]  [dim]{minutes}:{seconds:02d}[/]", align="left")

    def tell(self, text: str, *, style: str = "") -> None:
        """Say a sentence."""
        self.console.print(escape(text), style=style or None)

    def mainspring(self, *arguments: str, show: bool = True, expect: tuple[int, ...] = (0,), lines: int = 40) -> str:
        """Type a ``mainspring`` command, show what it prints, and return its standard output."""
        if show:
            self.console.print(f"[bold cyan]$ mainspring {escape(' '.join(_quoted(item) for item in arguments))}[/]")
        command = [sys.executable, "-m", "mainspring", *arguments]
        return self._run(command, show=show, expect=expect, lines=lines)

    def shell(self, *command: str, show: bool = True, expect: tuple[int, ...] = (0,), lines: int = 12) -> str:
        """Type any other command."""
        if show:
            self.console.print(f"[bold cyan]$ {escape(' '.join(_quoted(item) for item in command))}[/]")
        program = [sys.executable, "-m", *command] if command[0] == "pytest" else list(command)
        return self._run(program, show=show, expect=expect, lines=lines)

    def json(self, *arguments: str, expect: tuple[int, ...] = (0,)) -> Any:
        """Return what a command prints with ``--json``."""
        return json.loads(self.mainspring(*arguments, "--json", show=False, expect=expect))

    def _run(self, command: list[str], *, show: bool, expect: tuple[int, ...], lines: int) -> str:
        environment = {**os.environ, "COLUMNS": "140", "MAINSPRING_ACTOR": os.environ.get("MAINSPRING_ACTOR", "demo")}
        where = subprocess.STDOUT if show else subprocess.PIPE
        done = subprocess.run(
            command, cwd=self.workspace, stdout=subprocess.PIPE, stderr=where, text=True, env=environment, check=False
        )
        if show:
            self._show(done.stdout, lines)
        if done.returncode not in expect:
            self.console.print(escape(done.stdout[-3000:] + (done.stderr or "")[-3000:]))
            raise SystemExit(f"`{' '.join(command[2:])}` ended with {done.returncode}, expected {expect}")
        return done.stdout

    def _show(self, text: str, lines: int) -> None:
        printed = text.rstrip().splitlines()
        for line in printed[:lines]:
            self.console.print(f"  {escape(line)}", soft_wrap=True)
        if len(printed) > lines:
            self.console.print(f"  [dim]… {len(printed) - lines} more lines[/]")


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word
