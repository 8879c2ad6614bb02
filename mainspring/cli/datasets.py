"""What the commands of datasets do and say. Shell prompts, hooks and scripts run them all the time: they load little."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from mainspring.cli import context
from mainspring.cli.harmless import harmless
from mainspring.cli.output import bytes_text, print_json
from mainspring.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mainspring.versioning.known import DatasetVersion
    from mainspring.versioning.states import DatasetStatus


def add(targets: Sequence[str] | None, *, recreated: bool = False, json: bool = False) -> None:
    """Store datasets, or all of the settings, as their next versions, and say which these are."""
    from mainspring.store.links import Linker
    from mainspring.versioning import data

    workspace = context.workspace()
    versions, ways = [], set()
    for target in targets or sorted(workspace.settings.datasets):
        linker = Linker(workspace.settings.state.links)  # each may lie on another file system
        with progress(f"adding {target}") as tick:
            versions.append(data.add(workspace, target, recreated=recreated, tick=tick, linker=linker))
        ways.add(linker.made)
    if json:
        print_json([row(version) for version in versions])
        return
    _print_columns(
        ("dataset", "number", "content", "size", "files"),
        [
            (version.dataset, version.number, content(version), bytes_text(version.size), version.files)
            for version in versions
        ],
    )
    if made := sorted(way for way in ways if way is not None):
        sys.stdout.write(f"stored by {', '.join(made)}\n")


def checkout(
    name: str, version: str | None = None, *, force: bool = False, restore: bool = False, json: bool = False
) -> None:
    """Make a dataset a version of it, and say which one."""
    from mainspring.store.links import Linker
    from mainspring.versioning import data

    workspace = context.workspace()
    linker = Linker(workspace.settings.state.links)
    with progress(f"restoring {name}") as tick:
        found = data.checkout(workspace, name, version, force=force, restore=restore, tick=tick, linker=linker)
    if json:
        print_json(row(found))
        return
    is_ = "is" if found.table_id is None else "is read at"
    by = f", by {linker.made}" if linker.made else ""
    said = f"{found.path} {is_} version {found.number} of {found.dataset} ({content(found)}{by})"
    sys.stdout.write(harmless(said) + "\n")


def status(*, json: bool = False) -> None:
    """Say how every dataset compares with its version."""
    from mainspring.versioning.status import status as compare

    with progress("comparing") as tick:
        found = compare(context.workspace(), tick=tick)
    if json:
        print_json(found)
    else:
        _print_columns(("dataset", "path", "version", "state", "what"), map(_status_row, found))


def row(version: DatasetVersion) -> dict[str, Any]:
    """Return a version as it is printed in JSON."""
    import msgspec

    from mainspring.base.clock import iso

    return msgspec.structs.asdict(version) | {"created_at": iso(version.created_at)}


def content(version: DatasetVersion) -> str:
    """Return what tells a version's content from another one's, as short as people like it."""
    return version.md5[:12] if version.table_id is None else f"table version {version.table_version}"


def _status_row(item: DatasetStatus) -> tuple[object, ...]:
    changes = f"+{item.added} ~{item.modified} -{item.deleted}" if item.state == "modified" else ""
    number = "—" if item.number is None else item.number
    return item.dataset, item.path, number, item.state, "  ".join(filter(None, (changes, item.problem)))


def _print_columns(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print lines in columns, without a console, whose start takes longer than a look at some files."""
    lines = [columns, *([harmless(str(cell)) for cell in cells] for cells in rows)]
    widths = [max(len(cells[column]) for cells in lines) for column in range(len(columns))]
    for cells in lines:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")


def sample_size(text: str) -> Callable[[int], int]:
    """Return what tells how many of all are meant by ``500`` or ``10%``: one at least.

    Raises:
        UsageError: it is neither.

    >>> sample_size("10%")(995), sample_size("500")(995), sample_size("0.01%")(995)
    (100, 500, 1)
    """
    number, _, rest = text.partition("%")
    try:
        value = float(number) if "%" in text else int(number)
    except ValueError:
        value = 0
    if rest or not 0 < value <= (100 if "%" in text else float("inf")):
        from mainspring.base.errors import UsageError

        raise UsageError(f"'{text}' is no size of a sample", hint="write a number of objects, or a part such as 10%")
    return lambda total: min(total, -int(-total * value // 100) if "%" in text else int(value))
