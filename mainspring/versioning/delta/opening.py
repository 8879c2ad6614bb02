"""Opening a Delta table at a version, and what its failures mean."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.errors import Conflict, Corrupted, InvalidData, MainspringError, NotFound, StorageError, UsageError
from mainspring.versioning.delta.pins import Pin
from mainspring.versioning.delta.sources import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deltalake import DeltaTable

    from mainspring.versioning.delta.sources import Source

_BEYOND = re.compile(r"LogSegment end version (\d+) not the same as the specified end version (\d+)")
_DENIED = re.compile(r"\b(401|403)\b|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|Forbidden")


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
    check_same(source, pin, pin_of(source, table))
    return table


def check_same(source: Source, wanted: Pin, found: Pin) -> None:
    """Compare a version of a table with what was pinned of it.

    Raises:
        Conflict: another table, or another commit.
    """
    if found.id != wanted.id:
        raise Conflict(
            f"{source.shown} is another table than the one that was pinned: its id is {found.id}, and was {wanted.id}",
            hint=f"it was made anew: put the old one back, or `mainspring data add {source.name} --recreated` to go on with it",
            table=source.shown,
            expected=wanted.id,
            found=found.id,
        )
    if wanted.at and found.at and found.at != wanted.at:
        raise Conflict(
            f"version {wanted.version} of {source.shown} is not the commit that was pinned: the log was put back or rewritten",
            hint=f"bring the old log back, or `mainspring data add {source.name}` to go on with what is there",
            table=source.shown,
            version=wanted.version,
        )


def pin_of(source: Source, table: DeltaTable) -> Pin:
    """Return what names the version that a table is opened at; the moment is 0 where its commit was cleaned up.

    Raises:
        StorageError: the store does not answer, or refuses us.
    """
    version = table.version()
    with translated(source):
        commit = _commit(source, f"{LOG}/{version:020}.json")
    at = 0
    for line in (commit or b"").splitlines():
        if b'"commitInfo"' in line:
            at = int(msgspec.json.decode(line)["commitInfo"].get("timestamp") or 0)
    return Pin(id=str(table.metadata().id), version=version, at=at)


def _commit(source: Source, name: str) -> bytes | None:
    """Return a file of the log; the library tells commits of older versions by wrong numbers."""
    try:
        if source.folder is not None:
            return (source.folder / name).read_bytes()
        from obstore.exceptions import BaseError, NotFoundError
        from obstore.store import from_url

        options: Any = dict(source.options or {})
        plain = options.pop("aws_allow_http", "false") == "true"
        options.pop("aws_conditional_put", None)
        store: Any = from_url(source.uri, config=options, client_options={"allow_http": plain})
        try:
            return bytes(store.get(name).bytes())
        except (NotFoundError, FileNotFoundError):
            return None
        except BaseError as error:
            raise OSError(str(error)) from error
    except FileNotFoundError:
        return None


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
    if isinstance(error, OSError) or "Generic S3 error" in said or "error sending request" in said:
        return StorageError(
            f"the store of {source.shown} did not answer: {_first(said)}",
            hint="check the address, `aws_endpoint_url` and the network",
            table=source.shown,
        )
    kind = Corrupted if doing == "read" else InvalidData
    return kind(
        f"the table {source.shown} cannot be {doing}: {_first(said)}",
        hint="check the files of _delta_log" if doing == "read" else "nothing was committed",
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
    return StorageError(
        f"the store of {source.shown} refuses our credentials",
        hint=f"{expired} (AWS_ACCESS_KEY_ID …, `options` of the dataset, or ~/.aws)",
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
