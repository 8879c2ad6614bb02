"""Write docs/reference/ from the code; ``--check`` says whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from mainspring.base.settings.reference import json_schema, markdown
from mainspring.cli.main import app
from mainspring.web.mlflow import artifacts, server
from mainspring.web.mlflow.application import endpoints

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return file name → content of every generated page."""
    schema = msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode()
    return {
        "cli.md": "\n".join(["# The command line", "", *_cli()]) + "\n",
        "settings.md": markdown(),
        "mainspring.schema.json": schema + "\n",
        "mlflow.md": "\n".join(_mlflow()) + "\n",
    }


def _mlflow() -> Iterator[str]:
    yield "# The MLflow REST API: what is here"
    yield ""
    yield "Below `/api/2.0/mlflow/` (also `/ajax-api/2.0/mlflow/`, and `3.0` for both):"
    yield ""
    yield "| endpoint | what it does |"
    yield "|---|---|"
    for item in endpoints():
        yield f"| `{item.method} {item.path}` | {_first_line(item.handle)} |"
    yield ""
    yield "Below `/api/2.0/mlflow-artifacts/`:"
    yield ""
    yield "| endpoint | what it does |"
    yield "|---|---|"
    for proxied in [*artifacts.PROXY, *artifacts.STREAMS]:
        rest = "…" if proxied in artifacts.STREAMS else ""
        yield f"| `{proxied.method} {proxied.path}{rest}` | {_first_line(proxied.handle)} |"
    yield ""
    yield "Not here, and answered with 501 `NOT_IMPLEMENTED`, by the beginning of the path:"
    yield ""
    for beginning, what in server.MISSING.items():
        yield f"- `{beginning}`: {what}"


def _first_line(handle: Any) -> str:
    return (handle.__doc__ or "").strip().splitlines()[0]


def _cli() -> Iterator[str]:
    root = typer.main.get_command(app)
    yield " ".join((root.epilog or "").split())
    yield ""
    yield "Before or after every command: `--workspace DIR`, `--environment NAME`, `--debug`."
    yield "`mainspring --version` says which version this is."
    yield ""
    yield from _commands("mainspring", root)


def _commands(path: str, group: Any) -> Iterator[str]:
    for name, command in sorted(group.commands.items()):
        here = f"{path} {name}"
        if hasattr(command, "commands"):
            yield from _commands(here, command)
            continue
        arguments = [item for item in command.params if item.param_type_name == "argument"]
        options = [item for item in command.params if item.param_type_name == "option"]
        yield f"## {' '.join([here, *(item.metavar or item.name.upper() for item in arguments)])}"
        yield ""
        yield " ".join((command.help or "").split())
        yield ""
        for item in [*arguments, *options]:
            shown = ", ".join(item.opts) if item in options else item.metavar or item.name.upper()
            yield f"- `{shown}`: {' '.join((getattr(item, 'help', None) or '').split())}{_default(item)}"
        if arguments or options:
            yield ""


def _default(item: Any) -> str:
    silent = item.required or callable(item.default) or item.default in (None, False, (), [])
    return "" if silent else f" (default {item.default})"


def main() -> int:
    """Write the pages, or with ``--check`` compare them with what is there."""
    stale = [
        name for name, text in pages().items() if not (FOLDER / name).is_file() or (FOLDER / name).read_text() != text
    ]
    if "--check" in sys.argv:
        if stale:
            print(f"out of date: {', '.join(stale)}; run `make reference`", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
