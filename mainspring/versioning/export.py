"""Models as folders outside of the store: ``models/NAME/v1.2.0/`` with everything that is recorded of a version.

``manifest.json`` says what the folder holds and where it comes from, ``model/`` are the model's files, ``evidence/`` (when
asked for) the rows it was trained and judged on; ``sha256sum -c SHA256SUMS`` checks it anywhere. ``model.sig``, if it was
signed, covers all of these.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.base.clock import now
from mainspring.base.errors import Conflict
from mainspring.base.files import sync_folder
from mainspring.base.hashing import md5_file, sha256_file
from mainspring.base.ids import new_id
from mainspring.versioning import registry
from mainspring.versioning.card import card
from mainspring.versioning.described import describe
from mainspring.versioning.materials import is_packed, stored_signature
from mainspring.versioning.records.versions import IMPORTED
from mainspring.versioning.signing import Signer

if TYPE_CHECKING:
    from pathlib import Path

    from mainspring.store.workspace import Workspace
    from mainspring.versioning.registry import ModelVersion

FORMAT_VERSION = 1
MANIFEST, SUMS, CARD, SIGNATURE = "manifest.json", "SHA256SUMS", "MODEL_CARD.md", "signature.json"
MODEL, EVIDENCE = "model", "evidence"


class ExportedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of an export; ``size`` in bytes."""

    path: str
    size: int
    md5: str
    sha256: str


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version was made, as it was recorded there; moments in milliseconds since 1970."""

    project: str
    exported_at: int
    created_at: int
    actor: str
    run: str | None
    commit: str | None
    remote: str | None
    dirty: bool | None
    data: list[dict[str, Any]]
    history: list[dict[str, Any]]
    before: dict[str, Any] | None = None
    """The origin that it had already when it came to where it was exported."""


class ExportManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder holds. ``artifact`` and ``evidence`` are addresses in the store; ``files`` are all but this and the sums."""

    format_version: int
    model: str
    version: str
    artifact: str
    evidence: str | None
    metrics: dict[str, Any]
    description: str | None
    origin: Origin
    files: list[ExportedFile]


def export(
    workspace: Workspace, reference: str, folder: Path, *, with_rows: bool = False, sign: Path | None = None
) -> list[Path]:
    """Write ``models/NAME/vX.Y.Z/`` below a folder, of ``NAME@VERSION`` or of every version of ``NAME``; return the folders.

    A version is there whole or not at all. Without ``with_rows`` the rows it was trained and judged on stay here. ``sign``
    is the file of a private key that signs every version.

    Raises:
        NotFound, Corrupted: there is no such version, or the store lost or damaged its files.
        NotFound, UsageError: the key cannot be used; nothing was written.
        Conflict: its folder is there already; what was written before it stays.
    """
    signer = None if sign is None else Signer(sign)
    name, at, _ = reference.partition("@")
    resolved = registry.resolve(workspace, reference)
    found = [resolved] if at else [one for one in registry.versions(workspace, name) if one.artifact]
    return [_version(workspace, version, folder, with_rows, signer) for version in found]


def _version(workspace: Workspace, version: ModelVersion, folder: Path, with_rows: bool, signer: Signer | None) -> Path:
    target = folder / "models" / version.model / f"v{version.version}"
    if target.exists():
        raise Conflict(f"{target} is there already", hint="name another folder, or remove it", path=str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{new_id()[-12:]}.tmp")
    fresh = aside / target.name  # the name of the folder is signed too
    try:
        fresh.mkdir(parents=True)
        _write(workspace, version, fresh, with_rows)
        if signer is not None:
            signer.sign(fresh)
        fresh.rename(target)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _write(workspace: Workspace, version: ModelVersion, folder: Path, with_rows: bool) -> None:
    signature = None
    if version.artifact:
        workspace.objects.restore(version.artifact, folder / MODEL)
    if version.artifact and is_packed(workspace, version.artifact):
        signature = stored_signature(workspace, version.artifact)
        shutil.copyfile(folder / MODEL / SIGNATURE, folder / SIGNATURE)
    rows = version.evidence if with_rows else None
    if rows is not None:
        workspace.objects.restore(rows, folder / EVIDENCE)
    about = describe(workspace, version.reference)
    (folder / CARD).write_text(card(about, signature), encoding="utf-8")
    manifest = ExportManifest(
        format_version=FORMAT_VERSION,
        model=version.model,
        version=version.version,
        artifact=version.artifact,
        evidence=rows,
        metrics=version.metrics,
        description=version.description,
        origin=_origin(workspace, version, about),
        files=[_described(folder, path) for path in sorted(folder.rglob("*")) if path.is_file()],
    )
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    listed = [*((file.path, file.sha256) for file in manifest.files), (MANIFEST, sha256_file(folder / MANIFEST))]
    (folder / SUMS).write_text("".join(sum_line(path, sha256) for path, sha256 in sorted(listed)), encoding="utf-8")


def _origin(workspace: Workspace, version: ModelVersion, about: dict[str, Any]) -> Origin:
    history = registry.history_of(workspace, version)
    first = history[0].evidence if history else None
    return Origin(
        project=workspace.settings.project,
        exported_at=now(),
        created_at=version.created_at,
        actor=version.actor,
        run=version.run_id,
        commit=about["commit"],
        remote=about["remote"],
        dirty=about["dirty"],
        data=[{name: item[name] for name in ("dataset", "number", "md5")} for item in about["data"]],
        history=[
            {"from": item.from_stage, "to": item.to_stage, "at": item.at, "actor": item.actor, "reason": item.reason}
            for item in history
        ],
        before=first.get(IMPORTED) if isinstance(first, dict) else None,
    )


def _described(folder: Path, path: Path) -> ExportedFile:
    name = path.relative_to(folder).as_posix()
    return ExportedFile(path=name, size=path.stat().st_size, md5=md5_file(path), sha256=sha256_file(path))


def sum_line(path: str, sha256: str) -> str:
    """Return a line as ``sha256sum`` writes and reads it: a backslash before it says that the name is escaped.

    >>> sum_line("a", "00"), sum_line("a" + chr(10), "00") == chr(92) + "00  a" + chr(92) + "n" + chr(10)
    ('00  a\\n', True)
    """
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n")
    return f"{'' if escaped == path else chr(92)}{sha256}  {escaped}\n"
