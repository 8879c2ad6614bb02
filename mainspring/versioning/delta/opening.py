"""Opening a Delta table at a version, and what its failures mean."""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from mainspring.base.errors import (
    Conflict,
    Corrupted,
    InvalidData,
    MainspringError,
    NotFound,
    Refused,
    StorageError,
    UsageError,
)
from mainspring.store.remotes.failures import reason
from mainspring.versioning.delta.commits import read_entry
from mainspring.versioning.delta.pins import Pin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deltalake import DeltaTable

    from mainspring.versioning.delta.commits import Entry
    from mainspring.versioning.delta.sources import Source

_BEYOND = re.compile(r"LogSegment end version (\d+) not the same as the specified end version (\d+)")
_UNKNOWN = re.compile(
    r"Unsupported table features required: \[(?P<features>.*?)\]|Unsupported: (?P<why>Feature '.*?'|.* version \d+)"
    r"|(?P<task>[A-Z][\w -]+ (?:is not supported for (?:read|write) operation '[\w ]+'|is not yet supported))"
)
_APPEND_ONLY = "append-only"
_LOST = re.compile(r"File not found: (\S+)")
_DENIED = re.compile(
    r"401 Unauthorized|403 Forbidden|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken"
)
_BY_STORE = re.compile(r"Generic (S3|GCS|MicrosoftAzure) error|error sending request")
_MARKS = re.compile(r"\x1b\[\d*m|↳")
_REMEDIES = {
    "its bucket does not exist": "create the bucket, or correct the `path` of the dataset",
    "its certificate is not trusted": "if its authority is your company's own, name the authority's certificate (a file in PEM)"
    " in SSL_CERT_FILE, which goes in place of this machine's",
}


def open_table(source: Source, version: int | None = None) -> DeltaTable:
    """Open a table at a version of its own, by default the newest. Read-only; its log is read, its rows are not.

    Raises:
        NotFound: there is no table, or it has no such version (any more).
        Corrupted: its log is damaged.
        StorageError: its store cannot be reached, or refuses us.
        UsageError: the library for Delta tables is not installed.
    """
    with translated(source, version):
        table: DeltaTable = _library().DeltaTable(source.uri, version=version, storage_options=source.options)
        return table


def open_pinned(source: Source, pin: Pin) -> DeltaTable:
    """Open a table at a pinned version, and make sure that it is the version that was pinned.

    Raises:
        Conflict: another table lies there now, or the version was committed anew.
        NotFound, Corrupted, StorageError: as ``open_table``.
    """
    table = open_table(source, pin.version)
    _check_same(source, pin, table)
    return table


def check_follows(source: Source, pin: Pin, table: DeltaTable) -> None:
    """Make sure that a table, opened at its newest version, went on from the one that was pinned.

    Raises:
        Conflict: another table lies there now, or its log was put back to an earlier state; it may have gone on from there.
        Corrupted, StorageError: as ``pin_of``.
    """
    newest = table.version()
    if newest < pin.version and str(table.metadata().id) == pin.id:
        raise Conflict(
            f"{source.shown} is at version {newest}, and {pin.version} was pinned: its log was put back",
            hint=_put_back(source),
            table=source.shown,
            version=pin.version,
        )
    if str(table.metadata().id) != pin.id and newest >= pin.version:
        with suppress(NotFound):  # some writers change the id with the columns; the log says so
            table = open_table(source, pin.version)
    _check_same(source, pin, table)


def _check_same(source: Source, pin: Pin, table: DeltaTable) -> None:
    found = str(table.metadata().id)
    if found != pin.id:
        raise Conflict(
            f"{source.shown} is another table than the one that was pinned: its id is {found}, and was {pin.id}",
            hint=f"it was made anew: put the old one back, or `mainspring data add {source.name} --recreated` to go on with it",
            table=source.shown,
            expected=pin.id,
            found=found,
        )
    entry = _entry(source, pin.version)
    if entry is not None and entry.at and pin.at and entry.at != pin.at:
        raise Conflict(
            f"version {pin.version} of {source.shown} is not the commit that was pinned: the log was put back or rewritten",
            hint=_put_back(source),
            table=source.shown,
            version=pin.version,
        )


def _put_back(source: Source) -> str:
    return f"bring the old log back, or `mainspring data add {source.name} --recreated` to go on with what is there"


def pin_of(source: Source, table: DeltaTable) -> Pin:
    """Return what names the rows of the version that a table is opened at.

    Commits that changed nothing, as those of a vacuum, are passed over. The moment is 0 where the commit was cleaned up.

    Raises:
        Corrupted: the commit cannot be read.
        StorageError: the store does not answer, or refuses us.
    """
    version = table.version()
    entry = _entry(source, version)
    while entry is not None and entry.is_idle and (before := _entry(source, version - 1)) is not None:
        version, entry = version - 1, before
    return Pin(id=str(table.metadata().id), version=version, at=entry.at if entry is not None else 0)


def _entry(source: Source, version: int) -> Entry | None:
    with translated(source):
        return read_entry(source, version)


@contextmanager
def translated(source: Source, version: int | None = None, *, doing: str = "read") -> Iterator[None]:
    """Turn what the library raises into errors that say what to do."""
    exceptions = _library().exceptions
    try:
        yield
    except exceptions.TableNotFoundError as error:
        raise _no_table(source, version, error) from None
    except (exceptions.DeltaError, OSError) as error:
        raise _explained(source, version, doing, error) from error


def _no_table(source: Source, version: int | None, error: Exception) -> MainspringError:
    if _DENIED.search(str(error)):
        return _refused(source, error)
    if version is not None and _newest_opens(source):
        return _cleaned(source, version)
    return NotFound(
        f"there is no Delta table at {source.shown}",
        hint=f"check the path of '{source.name}', or make it: mainspring data create {source.name} ROWS.parquet",
        table=source.shown,
    )


def _explained(source: Source, version: int | None, doing: str, error: Exception) -> MainspringError:
    said = str(error)
    if "failed validation check" in said:
        return InvalidData(
            f"{source.shown} does not take these rows: a rule of the table (a column that is never null, a constraint) forbids"
            f" some: {' '.join(said.partition('invalid data:')[2].split())[:200]}",
            hint="nothing was written; correct the rows",
            table=source.shown,
        )
    if (refused := refusal(source, error, doing=doing)) is not None:
        return refused
    if beyond := _BEYOND.search(said):
        return NotFound(
            f"{source.shown} has no version {beyond[2]}: its newest is {beyond[1]}",
            hint=f"see `mainspring data history {source.name}`",
            table=source.shown,
        )
    if "contiguous commit files" in said or "No files in log segment" in said or "No table metadata" in said:
        if version is not None and _newest_opens(source):
            return _cleaned(source, version)
        return Corrupted(
            f"the log of the table {source.shown} is damaged: a commit file is missing",
            hint="bring the files of _delta_log back from a backup; nothing was read or written",
            table=source.shown,
        )
    if _DENIED.search(said):
        return _refused(source, error)
    if isinstance(error, OSError) or _BY_STORE.search(said):
        return _unreached(source, said)
    if lost := _LOST.search(said):
        return Corrupted(
            f"a file of {source.shown} is not there: {lost[1]}",
            hint="bring it back from a backup, or read another version",
            table=source.shown,
        )
    kind = Corrupted if doing == "read" else InvalidData
    return kind(
        f"the table {source.shown} cannot be {doing}: {_first(said)}",
        hint="check the files of _delta_log" if doing == "read" else "nothing was committed",
        table=source.shown,
    )


def refusal(source: Source, error: Exception, *, doing: str) -> MainspringError | None:
    """Return what an error says if the table itself forbids what was asked for, or the library cannot do it; else None."""
    said = str(error)
    if _APPEND_ONLY in said:
        return append_only(source)
    if (unknown := _UNKNOWN.search(said)) is None:
        return None
    what = unknown["features"] or unknown["why"] or unknown["task"]
    kind = InvalidData if doing == "read" else Refused
    return kind(
        f"{source.shown} cannot be {doing} like that: the library for Delta tables cannot do it ({what})",
        hint="a newer `deltalake` may; otherwise use the engine that it was written with",
        table=source.shown,
        features=what,
    )


def append_only(source: Source) -> Refused:
    """Return the error that rows of a table may not be changed."""
    return Refused(
        f"{source.shown} only takes rows (delta.appendOnly): none may be changed or deleted",
        hint="append instead; or whoever it belongs to takes that property away",
        table=source.shown,
    )


def _cleaned(source: Source, version: int) -> NotFound:
    return NotFound(
        f"version {version} of {source.shown} cannot be read any more: its log was cleaned up",
        hint=f"see which versions there are: mainspring data history {source.name}",
        table=source.shown,
    )


def _newest_opens(source: Source) -> bool:
    library = _library()
    try:
        library.DeltaTable(source.uri, storage_options=source.options)
    except (library.exceptions.DeltaError, OSError):
        return False
    return True


def _refused(source: Source, error: Exception) -> StorageError:
    expired = (
        "they have expired: get new ones" if "Expired" in str(error) else "check that they may read and write there"
    )
    scheme = source.uri.partition("://")[0]
    places = {
        "gs": "GOOGLE_APPLICATION_CREDENTIALS …, or `options` of the dataset",
        "s3": "AWS_ACCESS_KEY_ID …, `options` of the dataset, or ~/.aws",
    }
    where = places.get(scheme.removesuffix("a"), "AZURE_STORAGE_KEY …, or `options` of the dataset")
    return StorageError(
        f"the store of {source.shown} refuses our credentials", hint=f"{expired} ({where})", table=source.shown
    )


def _unreached(source: Source, said: str) -> StorageError:
    why, hint = reason(OSError(" ".join(_MARKS.sub("", said).split())))
    return StorageError(
        f"the store of {source.shown} cannot be reached: {why}",
        hint=_REMEDIES.get(why, hint.replace("the remote's", "the dataset's")),
        table=source.shown,
    )


def _first(said: str) -> str:
    return said.strip().splitlines()[0][:200] if said.strip() else "no reason was given"


def _library() -> Any:
    try:
        import deltalake
        import deltalake.exceptions
    except ImportError:
        raise UsageError(
            "this dataset is a Delta table, and the library for them is not installed",
            hint="pip install 'mainspring[delta]'",
        ) from None
    return deltalake
