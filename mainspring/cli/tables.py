"""Commands of datasets that are Delta tables, and `data diff` for every dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from mainspring.base.errors import UsageError
from mainspring.cli import context, output
from mainspring.cli.versioning import data_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.monitoring.data_diff import ColumnChange, DataDiff
    from mainspring.versioning.delta.deleting import Deletion
    from mainspring.versioning.delta.remains import Remains
    from mainspring.versioning.delta.vacuuming import Vacuum
    from mainspring.versioning.difference.rows import RowChanges

_JSON = typer.Option(False, "--json", help="Print JSON.")
_NAME = typer.Argument(help="Name of a dataset that is a Delta table.")
_ROWS = typer.Argument(help="File or folder of rows: Parquet, CSV or JSON lines.")
_EVOLVE = typer.Option(False, "--evolve", help="Let the table's columns follow the rows'.")
_SHOWN = 8


def register(app: typer.Typer) -> None:
    """Add the commands: they are part of `data`."""
    del app
    data_app.command("create")(create)
    data_app.command("append")(append)
    data_app.command("overwrite")(overwrite)
    data_app.command("merge")(merge)
    data_app.command("delete")(delete)
    data_app.command("history")(history)
    data_app.command("changes")(changes)
    data_app.command("compact")(compact)
    data_app.command("vacuum")(vacuum)
    data_app.command("diff")(diff)


def create(
    name: str = _NAME,
    rows: str = _ROWS,
    partition_by: str = typer.Option("", help="Columns whose values part the files, with commas between them."),
    change_feed: bool = typer.Option(
        False, "--change-feed", help="Keep what every commit changed, for `data changes`."
    ),
    json: bool = _JSON,
) -> None:
    """Make a Delta table of rows, at the dataset's path."""
    from mainspring.tracking.tables import Table

    table = Table(name, context.workspace())
    _committed(table.create(rows, partition_by=_words(partition_by), change_feed=change_feed), table.name, json)


def append(name: str = _NAME, rows: str = _ROWS, evolve: bool = _EVOLVE, json: bool = _JSON) -> None:
    """Add rows to a Delta table."""
    from mainspring.tracking.tables import Table

    table = Table(name, context.workspace())
    _committed(table.append(rows, evolve=evolve), table.name, json)


def overwrite(name: str = _NAME, rows: str = _ROWS, evolve: bool = _EVOLVE, json: bool = _JSON) -> None:
    """Replace all rows of a Delta table; those of before stay readable at their version."""
    from mainspring.tracking.tables import Table

    table = Table(name, context.workspace())
    _committed(table.overwrite(rows, evolve=evolve), table.name, json)


def merge(
    name: str = _NAME,
    rows: str = _ROWS,
    key: str = typer.Option(None, help="Columns that identify a row, with commas; by default those of the settings."),
    evolve: bool = _EVOLVE,
    json: bool = _JSON,
) -> None:
    """Replace the rows of a Delta table that have the keys of the given ones, and add those with new keys."""
    from mainspring.tracking.tables import Table

    table = Table(name, context.workspace())
    keys = None if key is None else _words(key)
    _committed(table.merge(rows, key=keys, evolve=evolve), table.name, json)


def delete(
    name: str = _NAME,
    where: str = typer.Option(
        None,
        help="Which rows: \"id = 7 AND (city IN ('a', 'b') OR at < '2026-01-01')\"; also LIKE, BETWEEN, IS NULL, NOT.",
    ),
    everything: bool = typer.Option(
        False, "--all", help="Every row may go: without --where, or where all of them fit."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only say how many rows would go."),
    json: bool = _JSON,
) -> None:
    """Delete rows of a Delta table; versions before still have them, and which pinned ones is said."""
    import msgspec

    from mainspring.tracking.tables import Table

    table = Table(name, context.workspace())
    done = table.delete(where, everything=everything, dry_run=dry_run)
    left = table.remains(where) if where is not None else []
    told = msgspec.to_builtins(
        {"dataset": table.name, "table_version": done.version, "rows": done.rows, "remains": left}
    )
    output.emit(told, json=json, show=lambda: "\n".join(_deleted(table.name, done, left, dry_run=dry_run)))


def history(
    name: str = _NAME, limit: int = typer.Option(20, min=1, help="How many commits, newest first."), json: bool = _JSON
) -> None:
    """List the commits of a Delta table, newest first."""
    import msgspec

    from mainspring.base.clock import iso
    from mainspring.tracking.tables import Table

    found = Table(name, context.workspace()).history(limit=limit)
    rows = [msgspec.structs.asdict(commit) | {"at": iso(commit.at)} for commit in found]
    shown = [
        (row["version"], row["at"], row["operation"], row["run"], row["actor"], _figures(row["metrics"], row["forgot"]))
        for row in rows
    ]
    columns = ("version", "at", "operation", "run", "actor", "rows")
    output.emit(rows, json=json, show=lambda: output.table(columns, shown, title=name))


def changes(
    name: str = _NAME,
    after: int = typer.Argument(help="A version of the table; what came after it is told."),
    until: int = typer.Argument(None, help="A later version, by default the newest."),
    limit: int = typer.Option(20, min=0, help="How many rows at most; 0 tells all."),
    json: bool = _JSON,
) -> None:
    """Print the rows that commits inserted, updated and deleted, as the table's change feed has them."""
    from mainspring.tracking.tables import Table

    rows: list[dict[str, Any]] = []
    for batch in Table(name, context.workspace()).changes(after, until):
        rows += (batch.head(limit + 1 - len(rows)) if limit else batch).to_dicts()
        if limit and len(rows) > limit:
            break
    is_cut = len(rows) > limit > 0
    rows = rows[:-1] if is_cut else rows
    columns = list(rows[0]) if rows else ["_change_type"]
    shown = [tuple(row[column] for column in columns) for row in rows]
    output.emit(rows, json=json, show=lambda: output.table(columns, shown) if rows else "nothing changed")
    if is_cut:
        output.console(stderr=True).print(f"these are the first {limit}: --limit 0 tells all", markup=False)


def compact(
    name: str = _NAME,
    by: str = typer.Option(
        "", help="Columns to order all files by (Z-order), with commas; without, small files are joined."
    ),
    json: bool = _JSON,
) -> None:
    """Write the many small files of a Delta table as few large ones; no row changes, and older versions keep their files."""
    from mainspring.tracking.tables import Table

    table = Table(name, context.workspace())
    done = table.compact(by=_words(by))
    told = {"dataset": table.name, "table_version": done.version, "files": done.files, "before": done.before}
    files = "1 file" if done.files == 1 else f"{done.files} files"
    said = f"{files}, where {done.before} were" if by or done.files != done.before else f"{files}: nothing to join"
    output.emit(told, json=json, show=lambda: said)


def vacuum(
    name: str = _NAME,
    retention: str = typer.Option("7d", help="Files that left the table more recently stay, for those who still read."),
    orphans: bool = typer.Option(False, "--orphans", help="Also what the log does not name, and old change feeds."),
    forget: str = typer.Option("", help="Pinned versions of the table to give up all the same, with commas: for good."),
    accept_lost: bool = typer.Option(False, "--accept-lost", help="Versions that are given up may be lost."),
    remove: bool = typer.Option(False, "--remove", "--yes", help="Do it; otherwise it is only said what would go."),
    json: bool = _JSON,
) -> None:
    """Remove files of a Delta table that neither its newest version needs nor one that anybody pinned.

    Pinned is what dataset versions, snapshots of runs, and pointers in the working tree or in git's history name.
    """
    from mainspring.base.clock import milliseconds
    from mainspring.tracking.tables import Table

    hours = milliseconds(retention) // 3_600_000
    found = Table(name, context.workspace()).vacuum(
        retention_hours=hours, orphans=orphans, forget=_numbers(forget), accept_lost=accept_lost, remove=remove
    )
    output.emit(found, json=json, show=lambda: _vacuumed(found))


def diff(
    name: str = typer.Argument(help="Name or path of a dataset."),
    before: str = typer.Argument(
        None,
        help="A version (3), a version of the table itself (@12) or a moment (2026-03-01); by default the pointer's.",
    ),
    after: str = typer.Argument(None, help="Another one, by default what is there now."),
    key: str = typer.Option(None, help="Columns that identify a row, with commas; by default those of the settings."),
    rows: int = typer.Option(0, min=0, help="How many rows of each kind to show."),
    no_profile: bool = typer.Option(False, "--no-profile", help="Leave out how columns are distributed."),
    json: bool = _JSON,
) -> None:
    """Say what changed in a dataset: files, columns, rows, and how its columns are distributed."""
    from mainspring.monitoring.data_diff import diff as compare

    keys = None if key is None else _words(key)
    found = compare(context.workspace(), name, before, after, key=keys, profile=not no_profile, examples=rows)
    output.emit(found, json=json, show=lambda: _diff(found))


def _committed(version: int, name: str, json: bool) -> None:
    said = f"{name} is at version {version} of its table; `mainspring data add {name}` pins it"
    output.emit({"dataset": name, "table_version": version}, json=json, show=lambda: said)


def _deleted(name: str, done: Deletion, left: Sequence[Remains], *, dry_run: bool) -> list[str]:
    rows = "1 row" if done.rows == 1 else f"{done.rows:,} rows"
    if not done.rows:
        lines = [f"no rows of {name} fit, of {done.before:,}: nothing was committed"]
    elif dry_run:
        lines = [f"{rows} of {done.before:,} would go"]
    else:
        lines = [
            f"{rows} of {done.before:,} went",
            f"{name} is at version {done.version} of its table; `mainspring data add {name}` pins it",
        ]
    if left:
        shown = ", ".join(
            f"{each.version}{f' ({name}@{each.numbers[-1]})' if each.numbers else ''}{'?' if each.rows is None else ''}"
            for each in left
        )
        lines.append(f"pinned versions of the table that have such rows: {shown}; `data vacuum --forget` gives them up")
    return lines


def _vacuumed(found: Vacuum) -> str:
    done = "were removed" if found.removed else "would go; --remove does it"
    kept = ", ".join(map(str, found.kept)) or "none"
    lost = f"; lost already: {', '.join(map(str, found.lost))}" if found.lost else ""
    given = f"; given up: {', '.join(map(str, found.forgotten))}" if found.forgotten else ""
    return f"{len(found.files)} files {done}\nkept for pinned versions: {kept}{given}{lost}"


def _numbers(text: str) -> list[int]:
    words = _words(text)
    for word in words:
        if not word.removeprefix("@").isdigit():
            raise UsageError(f"'{word}' is no version of a table", hint="write them as they are listed: 0, 7")
    return [int(word.removeprefix("@")) for word in words]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _figures(metrics: dict[str, Any], forgot: Sequence[int]) -> str:
    words = {
        "num_added_rows": "+{}",
        "num_target_rows_inserted": "+{}",
        "num_target_rows_updated": "~{}",
        "num_target_rows_deleted": "-{}",
    }
    told = [shown.format(metrics[name]) for name, shown in words.items() if metrics.get(name)]
    if metrics.get("numFilesRemoved") is not None:
        told.append(f"{metrics['numFilesRemoved']} files → {metrics.get('numFilesAdded')}")
    return " ".join(told + ([f"gave up {', '.join(map(str, forgot))}"] if forgot else []))


def _diff(found: DataDiff) -> Any:
    from rich.console import Group
    from rich.text import Text

    parts: list[Any] = [Text(f"{found.dataset}: {found.before} → {found.after}")]
    if found.same:
        return Group(*parts, Text("nothing differs"))
    if found.files is not None and found.files_differ:
        for sign, names in (("+", found.files.added), ("-", found.files.removed), ("~", found.files.changed)):
            parts += [
                Text(f"file    {sign} {name!r}" if "\n" in name else f"file    {sign} {name}")
                for name in names[:_SHOWN]
            ]
            if len(names) > _SHOWN:
                parts.append(Text(f"file    {sign} {len(names) - _SHOWN} more: --json shows all"))
    for change in found.schema:
        types = " → ".join(kind for kind in (change.before, change.after) if kind is not None)
        parts.append(Text(f"column  {change.change} {change.column}: {types}"))
    if found.rows is not None:
        parts += [Text(line) for line in _row_lines(found.rows)]
        parts += _examples(found.rows)
    if found.profile:
        parts += ["", _profile(found.profile)]
    return Group(*parts)


def _row_lines(rows: RowChanges) -> list[str]:
    by = f"by {', '.join(rows.key)}" if rows.key else "as whole rows: they share no key"
    lines = [f"rows    {rows.before:,} → {rows.after:,}: +{rows.added:,} -{rows.removed:,} ~{rows.changed:,} ({by})"]
    if rows.columns:
        counted = ", ".join(f"{name} {n:,}" for name, n in list(rows.columns.items())[:_SHOWN])
        lines.append(f"        of {rows.looked_at:,} changed rows, so many differ in: {counted}")
    if rows.without_key:
        lines.append(f"        {rows.without_key:,} of them have no key (null or NaN)")
    if rows.repeated_keys:
        lines.append(f"        {rows.repeated_keys:,} keys are there several times")
    return lines


def _examples(rows: RowChanges) -> list[Any]:
    tables = []
    for title, found in (("added", rows.examples_added), ("removed", rows.examples_removed)):
        if found:
            tables.append(output.table(list(found[0]), [tuple(row.values()) for row in found], title=title))
    if rows.examples_changed:
        shown = [
            (*each.key.values(), ", ".join(f"{name}: {old} → {new}" for name, (old, new) in each.values.items()))
            for each in rows.examples_changed
        ]
        tables.append(output.table((*rows.key, "what"), shown, title="changed"))
    return tables


def _profile(columns: Sequence[ColumnChange]) -> Any:
    titles = ("column", "drift", "effect", "floor", "n", "nulls", "mean")
    return output.table(titles, [_profile_row(each) for each in columns])


def _profile_row(each: ColumnChange) -> tuple[object, ...]:
    found = each.finding
    effect = f"{found.method} {found.effect:.3g}" if found is not None and found.effect is not None else None
    means = [None if mean is None else f"{mean:.4g}" for mean in each.mean or ()]
    return (
        each.column,
        found.verdict.replace("_", " ") if found is not None else "not compared",
        effect,
        None if found is None or found.floor is None else f"{found.floor:.3g}",
        None if found is None else f"{found.n_reference:,} → {found.n:,}",
        f"{each.nulls[0]:,} → {each.nulls[1]:,}",
        f"{means[0]} → {means[1]}" if means else None,
    )
