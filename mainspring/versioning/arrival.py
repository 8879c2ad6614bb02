"""Taking in a model that was exported elsewhere: nothing of it is believed before it was checked."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from mainspring.base.clock import iso
from mainspring.base.errors import Conflict, Corrupted, InvalidData, NotFound
from mainspring.base.names import names_elsewhere
from mainspring.store.objects import walk
from mainspring.versioning import registry
from mainspring.versioning.artifact import load_artifact
from mainspring.versioning.export import (
    CARD,
    EVIDENCE,
    FORMAT_VERSION,
    MANIFEST,
    MODEL,
    SIGNATURE,
    SUMS,
    ExportManifest,
    sum_line,
)
from mainspring.versioning.labels import checked_description
from mainspring.versioning.materials import PACKED, policy, trust
from mainspring.versioning.records import versions as version_rows
from mainspring.versioning.records.versions import IMPORTED
from mainspring.versioning.registration import Arrival, Registered, record_arrivals
from mainspring.versioning.scratch import scratch
from mainspring.versioning.semver import check_catalogue_name, parse_version
from mainspring.versioning.signing import BUNDLE, Verifier

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.versioning.export import ExportedFile

_MOST_MANIFEST = 50_000_000


class _Metric(msgspec.Struct):
    """A metric with its interval, as far as it is read anywhere."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


class _Data(msgspec.Struct):
    """A dataset version that a run elsewhere read."""

    dataset: str
    number: int | None
    md5: str


_BLOCK = 1 << 20


def receive(
    workspace: Workspace, folder: Path, *, trust_pickle: bool = False, verify: Path | None = None
) -> list[Registered]:
    """Register every exported version in a folder (a version's own, or one with ``models/NAME/vX.Y.Z/`` in it).

    Each file is copied, and its size, md5 and sha256 compared on the way; with ``verify``, the file of a public key, every
    version has to be signed by it. When all were checked each model is loaded once under this workspace's policy of trust.
    All of them are registered, in one transaction, or none. A version keeps its number and comes in development; where it
    comes from is kept with its first stage. One that is here already, with the same bytes, is answered as existing.

    Raises:
        NotFound: there is no export in the folder.
        NotFound, UsageError: the key cannot be used.
        Corrupted: a file is missing, differs or is too much, or is not what was signed.
        InvalidData: names or paths that an export never has, or a newer format.
        Refused: a model is a pickle, or holds types, that are not trusted here.
        Conflict: a version is here with other bytes, or was deleted here.
    """
    verifier = None if verify is None else Verifier(verify)
    found = _exports(folder)
    if not found:
        raise NotFound(f"there is no exported model in {folder}", hint=f"name the folder that holds {MANIFEST}")
    with ExitStack() as copies:
        checked = []
        for place in found:
            copy = copies.enter_context(scratch(workspace))
            checked.append((copy, _checked(place, copy, verifier)))
        checked.sort(key=lambda pair: (pair[1].model, parse_version(pair[1].version)))
        _refuse_taken(workspace, [manifest for _, manifest in checked])
        signed_by = None if verifier is None else verifier.fingerprint
        arrived = [_arrived(workspace, copy, manifest, trust_pickle, signed_by) for copy, manifest in checked]
        return record_arrivals(workspace, arrived)


def signed(folder: Path) -> list[Path]:
    """Return those of the exports in a folder that have a signature, good or not."""
    return [place for place in _exports(folder) if (place / BUNDLE).is_file()]


def _exports(folder: Path) -> list[Path]:
    return [folder] if (folder / MANIFEST).is_file() else _below(folder)


def _below(folder: Path) -> list[Path]:
    for pattern in ("models/*/v*", "*/v*", "v*"):
        if found := sorted(path.parent for path in folder.glob(f"{pattern}/{MANIFEST}")):
            return found
    return []


def _checked(folder: Path, copy: Path, verifier: Verifier | None) -> ExportManifest:
    """Copy an export, and return what it says of itself if all of it is as it should be."""
    copied, _, _, own = _copy(folder, MANIFEST, copy, most=_MOST_MANIFEST)
    manifest = _read_manifest(copied)
    _check_names(manifest)
    _check_claims(manifest)
    _check_tree(folder, manifest)
    for file in manifest.files:
        _check_file(folder, file, copy)
    _check_sums(folder, copy, manifest, own)
    if _bytes(copy / SIGNATURE) != (_bytes(copy / MODEL / SIGNATURE) if _is_packed(manifest) else None):
        raise Corrupted(f"{folder / SIGNATURE} is not that of the model", file=SIGNATURE)
    if verifier is not None:
        _check_signature(folder, copy, verifier)
    return manifest


def _refuse_taken(workspace: Workspace, manifests: list[ExportManifest]) -> None:
    """Refuse versions whose numbers have other bytes here, or were deleted here."""
    held = {(one.model, one.version): one.artifact for one in registry.versions(workspace)}
    deleted = {name: version_rows.highest(workspace.database, name)[1] for name in {one.model for one in manifests}}
    taken, gone = [], []
    for manifest in manifests:
        version = str(parse_version(manifest.version))
        reference = f"{manifest.model}@{version}"
        if version in deleted[manifest.model]:
            gone.append(reference)
        elif (held.get((manifest.model, version)) or manifest.artifact) != manifest.artifact:
            taken.append(reference)
        else:
            held[manifest.model, version] = manifest.artifact
    if taken or gone:
        said = [f"{', '.join(taken)} is here already, with other bytes"] if taken else []
        said += [f"{', '.join(gone)} was deleted, and never comes back"] if gone else []
        hint = "nothing was registered; import the folders of other versions one by one, or all into another workspace"
        raise Conflict("; ".join(said), hint=hint, versions=taken + gone)


def _arrived(
    workspace: Workspace, copy: Path, manifest: ExportManifest, trust_pickle: bool, signed_by: str | None
) -> Arrival:
    """Load a model under this workspace's policy, and store what the version consists of."""
    packed = _is_packed(manifest)
    trusted, types = policy(workspace)
    loaded = load_artifact(copy / MODEL, trust_pickle=trusted or trust_pickle, trusted_types=types) if packed else None
    artifact = _stored(workspace, copy / MODEL, manifest.artifact) if manifest.artifact else ""
    evidence = _stored(workspace, copy / EVIDENCE, manifest.evidence) if manifest.evidence else None
    if loaded is not None and loaded.manifest.format == "joblib" and trust_pickle:
        trust(workspace, artifact)
    origin = manifest.origin
    return Arrival(
        model=manifest.model,
        version=manifest.version,
        artifact=artifact,
        evidence=evidence,
        metrics=manifest.metrics,
        description=checked_description(manifest.description),
        source=f"an export of project '{origin.project}' ({origin.actor}, {iso(origin.exported_at)})",
        history={IMPORTED: msgspec.to_builtins(origin) | {"signed_by": signed_by}},
    )


def _is_packed(manifest: ExportManifest) -> bool:
    return {file.path.removeprefix(f"{MODEL}/") for file in manifest.files if file.path != SIGNATURE} >= PACKED


def _stored(workspace: Workspace, folder: Path, address: str) -> str:
    stored = workspace.objects.put_folder(walk(folder, ignore=())).md5
    if stored != address:
        raise Corrupted(f"the files of {folder.name}/ are not those of {address}", address=address)
    return stored


# Checks


def _read_manifest(path: Path) -> ExportManifest:
    try:
        head = msgspec.json.decode(path.read_bytes())
        version = head.get("format_version") if isinstance(head, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            hint = "upgrade mainspring"
            raise InvalidData(f"the export has format version {version}, this reads up to {FORMAT_VERSION}", hint=hint)
        return msgspec.convert(head, ExportManifest)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Corrupted(f"{MANIFEST} cannot be read: {error}") from None


def _check_claims(manifest: ExportManifest) -> None:
    """Compare what nobody can check with what an export says in its place: it is shown later on."""
    checked_description(manifest.description)
    try:
        msgspec.convert(manifest.metrics, dict[str, float | _Metric | None])
        msgspec.convert(manifest.origin.data, list[_Data])
    except msgspec.ValidationError as error:
        raise Corrupted(f"{MANIFEST} cannot be read: of metrics or data, {error}") from None


def _check_names(manifest: ExportManifest) -> None:
    check_catalogue_name(manifest.model)
    parse_version(manifest.version)
    seen: set[str] = set()
    for file in manifest.files:
        parts = PurePosixPath(file.path).parts
        inside = file.path in (CARD, SIGNATURE) or (len(parts) > 1 and parts[0] in (MODEL, EVIDENCE))
        if names_elsewhere(file.path) or "\\" in file.path or "\0" in file.path or not inside or file.path in seen:
            raise InvalidData(f"{MANIFEST} names '{file.path}', where no export has a file", path=file.path)
        seen.add(file.path)


def _check_tree(folder: Path, manifest: ExportManifest) -> None:
    """Compare what is in the folder with what should be; links and devices are nothing an export has."""
    found: set[str] = set()
    for parent, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(parent, name)
            mode = path.lstat().st_mode
            relative = path.relative_to(folder).as_posix()
            if stat.S_ISREG(mode):
                found.add(relative)
            elif not stat.S_ISDIR(mode):
                raise InvalidData(f"{path} is no regular file", hint="an export holds no links", path=relative)
    wanted = {file.path for file in manifest.files} | {MANIFEST, SUMS}
    if odd := sorted((found - {BUNDLE}) ^ wanted):
        raise Corrupted(f"{folder} and its {MANIFEST} disagree about {', '.join(odd[:5])}", files=odd)


def _check_file(folder: Path, file: ExportedFile, copy: Path) -> None:
    _, size, md5, sha256 = _copy(folder, file.path, copy, most=file.size)
    if (size, md5, sha256) != (file.size, file.md5, file.sha256):
        raise Corrupted(f"{folder / file.path} differs from what {MANIFEST} says", file=file.path)


def _check_sums(folder: Path, copy: Path, manifest: ExportManifest, own: str) -> None:
    listed = sorted([*((file.path, file.sha256) for file in manifest.files), (MANIFEST, own)])
    wanted = "".join(sum_line(path, sha256) for path, sha256 in listed).encode()
    if _copy(folder, SUMS, copy, most=len(wanted))[0].read_bytes() != wanted:
        raise Corrupted(f"{folder / SUMS} and {MANIFEST} disagree", hint="run `sha256sum -c SHA256SUMS` in that folder")


def _check_signature(folder: Path, copy: Path, verifier: Verifier) -> None:
    if not (folder / BUNDLE).exists():
        raise Corrupted(f"{folder} is not signed: it has no {BUNDLE}", hint="ask whoever exported it for `--sign`")
    _copy(folder, BUNDLE, copy, most=_MOST_MANIFEST)
    try:
        verifier.verify(copy)
    except Corrupted as error:
        raise Corrupted(f"{folder}: {error.message}", hint="nothing was registered", **error.details) from None


def _copy(folder: Path, name: str, target: Path, *, most: int) -> tuple[Path, int, str, str]:
    """Copy a regular file of so many bytes at most, and return the copy with its size, md5 and sha256 as they were read."""
    copied = target / name
    copied.parent.mkdir(parents=True, exist_ok=True)
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # who opens a pipe would wait
    except OSError as error:
        raise Corrupted(f"{folder / name} cannot be read: {error.strerror}", file=name) from None
    with os.fdopen(descriptor, "rb") as source, copied.open("wb") as out:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InvalidData(f"{folder / name} is no regular file", hint="an export holds no pipes", path=name)
        while block := source.read(_BLOCK):
            md5.update(block)
            sha256.update(block)
            size += out.write(block)
            if size > most:
                raise Corrupted(f"{folder / name} has more than the {most} bytes that it may have", file=name)
    return copied, size, md5.hexdigest(), sha256.hexdigest()


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None
