"""Stored models as folders on this machine, and as objects that predict."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.errors import Corrupted, Refused
from mainspring.base.files import write_atomic
from mainspring.base.hashing import md5_file
from mainspring.base.ids import new_id
from mainspring.versioning.artifact import MANIFEST, Artifact, load_artifact
from mainspring.versioning.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.registry import ModelVersion

PACKED = frozenset({MANIFEST, "signature.json"})
"""Files that every artifact has that was packed here."""


def materialise(workspace: Workspace, version: ModelVersion) -> Path:
    """Return the folder of a version's artifact under ``.mainspring/models/``: whole, verified, shared, read-only.

    Raises:
        NotFound, Corrupted: the store has lost or damaged it.
        Refused: it holds another tool's files.
    """
    check_packed(workspace, version.artifact, version.reference)
    return materialise_address(workspace, version.artifact)


def is_packed(workspace: Workspace, artifact: str) -> bool:
    """Say whether a version's files are an artifact that was packed here, and not those of another tool."""
    if not artifact:
        return False
    return {entry.relpath for entry in workspace.objects.listing(artifact)} >= PACKED


def check_packed(workspace: Workspace, artifact: str, what: str) -> None:
    """Refuse to work with what was not packed here.

    Raises:
        Refused: there are no files, or they are another tool's.
        NotFound, Corrupted: the store has lost or damaged their listing.
    """
    if is_packed(workspace, artifact):
        return
    said = "holds files of another tool, such as a folder that MLflow logged" if artifact else "has no files here"
    raise Refused(
        f"{what} {said}: it cannot be loaded, tested or served",
        hint="register the model file itself: `mainspring models register NAME FILE --sample ROWS`",
        artifact=artifact,
    )


def stored_signature(workspace: Workspace, artifact: str) -> Signature:
    """Return the signature of a stored artifact without loading its model.

    Raises:
        Refused: that is no artifact of ours but files of another kind.
    """
    check_packed(workspace, artifact, artifact or "a version whose bytes are elsewhere")
    for entry in workspace.objects.listing(artifact):
        if entry.relpath == "signature.json":
            return msgspec.json.decode(workspace.objects.read_bytes(entry.md5), type=Signature)
    raise AssertionError("every artifact that was packed has a signature")


def materialise_address(workspace: Workspace, address: str) -> Path:
    """Return the folder of an artifact given by its address, as ``materialise``.

    Raises:
        Refused: that is no address.
    """
    if not (address.endswith(".dir") and len(address) == 36 and address[:32].isalnum()):
        raise Refused(f"'{address}' is not the address of an artifact")
    folder = workspace.state / "models" / address
    if folder.is_dir() and _whole(workspace, address, folder):
        return folder
    fresh = folder.parent / f".{address}.{new_id()[-12:]}.tmp"
    try:
        workspace.objects.restore(address, fresh, mode=0o444)
        with _alone(folder):
            if folder.is_dir() and _whole(workspace, address, folder):  # somebody else was first, and reads it by now
                return folder
            if folder.is_dir():
                aside = folder.parent / f".{address}.{new_id()[-12:]}.damaged.tmp"
                folder.rename(aside)
                shutil.rmtree(aside, ignore_errors=True)
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process or thread puts something in the place of a folder."""
    with Path(folder.parent, f".{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _whole(workspace: Workspace, address: str, folder: Path) -> bool:
    wanted = {entry.relpath: entry.md5 for entry in workspace.objects.listing(address)}
    found = {
        Path(parent, name).relative_to(folder).as_posix()
        for parent, _, names in os.walk(folder)
        for name in names
        if not parent.endswith("__pycache__")
    }
    return found == set(wanted) and all(md5_file(folder / name) == md5 for name, md5 in wanted.items())


def load(workspace: Workspace, version: ModelVersion) -> Artifact:
    """Return a version's artifact, ready to predict, under the workspace's policy of what may be loaded.

    Raises:
        NotFound, Corrupted, Refused, InvalidData: as ``materialise`` and ``load_artifact``.
    """
    folder = materialise(workspace, version)
    trust_pickle, trusted_types = policy(workspace, version.artifact)
    try:
        return load_artifact(folder, trust_pickle=trust_pickle, trusted_types=trusted_types)
    except Corrupted as error:
        error.details.setdefault("model", version.reference)
        raise


def policy(workspace: Workspace, artifact: str | None = None) -> tuple[bool, tuple[str, ...]]:
    """Return whether pickles are trusted, and the types that are beyond the built-in ones.

    Both are in the settings; besides, somebody may have trusted the one pickle at the address ``artifact`` here.
    """
    model = workspace.settings.model
    here = artifact is not None and _trust_mark(workspace, artifact).is_file()
    return bool(here or (model and model.trust_pickle)), tuple(model.trusted_types) if model else ()


def trust(workspace: Workspace, artifact: str) -> None:
    """Remember, in this workspace alone, that somebody trusts the pickle inside of one artifact."""
    write_atomic(_trust_mark(workspace, artifact), b"")


def _trust_mark(workspace: Workspace, artifact: str) -> Path:
    return workspace.state / "trusted" / artifact
