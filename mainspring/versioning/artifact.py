"""A model as a folder that says itself what it is, and that is checked before it is used."""

from __future__ import annotations

import pickle
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from mainspring.base.errors import Corrupted, InvalidData, Refused
from mainspring.base.hashing import sha256_file
from mainspring.versioning.formats.native import Native
from mainspring.versioning.formats.policy import Policy
from mainspring.versioning.formats.registry import FORMATS, adapt, format_named, native_format
from mainspring.versioning.frames import to_container
from mainspring.versioning.modules import copy_modules, imported_from, pickle_names, project_files
from mainspring.versioning.probe import read_probe_rows, select_rows, write_probe
from mainspring.versioning.scoring import Scores, model_task, score_rows
from mainspring.versioning.signature import Signature, infer_signature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mainspring.versioning.candidate import Candidate

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_TEXT = (pl.String, pl.Categorical, pl.Enum)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the folder holds: how the model is stored, the libraries that wrote it, and the sha256 of every other file."""

    format_version: int
    format: str
    model: str
    task: str
    versions: dict[str, str]
    files: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A model that is ready to predict, and the folder it came from."""

    folder: Path
    manifest: Manifest
    signature: Signature
    model: Any

    def predict(self, frame: pl.DataFrame) -> Scores:
        """Return the scores of raw rows.

        Raises:
            InvalidData: the rows do not conform to the signature.
        """
        return self.predict_raw(self.signature.conform(frame))

    def predict_raw(self, rows: pl.DataFrame) -> Scores:
        """Return the scores of rows that ``signature.conform`` returned."""
        return score_rows(self.model, self.signature, rows)

    def probe(self) -> tuple[pl.DataFrame, Scores]:
        """Return the raw rows kept at packing, with what the model answered to them then."""
        return read_probe_rows(self.folder / "probe.parquet", self.signature)

    @property
    def profile(self) -> bytes | None:
        """The profile of the training table, as JSON, if there was one."""
        path = self.folder / "profile.json"
        return path.read_bytes() if path.is_file() else None


def signature_of(candidate: Candidate) -> Signature:
    """Return the signature of a candidate; what its model says of task and classes goes first.

    Raises:
        InvalidData: model, task and target contradict one another.
    """
    model = adapt(candidate.model)
    task, classes = model_task(model)
    if candidate.task and task and task != candidate.task and "regression" in (task, candidate.task):
        raise InvalidData(f"the task is said to be {candidate.task}, and the model is one of {task}")
    seen = pl.concat([table.select(*candidate.features) for table in _alike(candidate)], how="vertical_relaxed")
    truth = pl.concat([table.select(candidate.target) for table in _alike(candidate)], how="vertical_relaxed")
    frame = pl.concat([seen, truth], how="horizontal")
    wanted = candidate.task or task
    if wanted == "multiclass" and classes is not None and len(classes) == 2:
        wanted = "binary"
    signature = infer_signature(frame, candidate.features, candidate.target, wanted, candidate.container, classes)
    signature.encode(candidate.holdout.get_column(candidate.target))
    return signature


def _alike(candidate: Candidate) -> list[pl.DataFrame]:
    """Return both tables with text columns of the kind that they have in the train table."""
    names = [*candidate.features, candidate.target]
    train, holdout = candidate.train.select(names), candidate.holdout.select(names)
    casts: list[pl.Expr] = []
    for name in names:
        wanted, found = train.schema[name], holdout.schema[name]
        texts = [isinstance(dtype, _TEXT) for dtype in (wanted, found)]
        if all(texts) and wanted != found:
            casts.append(pl.col(name).cast(wanted, strict=False))
        elif any(texts) and not all(texts) and pl.Null not in (wanted, found):
            raise InvalidData(
                f"column '{name}' is {wanted} in the train table and {found} in the holdout",
                hint="read both tables the same way",
                column=name,
            )
    return [train, holdout.with_columns(casts)]


def pack(
    candidate: Candidate,
    folder: Path,
    *,
    trust_pickle: bool = False,
    trusted_types: Sequence[str] = (),
    profile: bytes | None = None,
    code_root: Path | None = None,
) -> Artifact:
    """Write a candidate's model as an artifact into ``folder`` and return it as it is read back.

    The same model with the same tables gives the same bytes. What is read back has answered the probe rows exactly as
    the original did.

    Raises:
        Refused: it could only be stored by trusting what the policy does not trust; the hint names the setting.
        InvalidData: the model does not fit its tables, or answers differently after it was stored.
    """
    return pack_model(
        candidate.model,
        signature_of(candidate),
        folder,
        rows=(candidate.holdout, candidate.train),
        policy=Policy(trust_pickle=trust_pickle, trusted_types=tuple(trusted_types)),
        profile=profile,
        code_root=code_root,
    )


def pack_model(
    model: Any,
    signature: Signature,
    folder: Path,
    *,
    rows: tuple[pl.DataFrame, ...],
    policy: Policy,
    profile: bytes | None = None,
    code_root: Path | None = None,
) -> Artifact:
    """Write a model of a known signature; ``rows`` are tables from which the probe is drawn. As ``pack``."""
    folder.mkdir(parents=True, exist_ok=True)
    file = _save(model, folder, policy)
    if code_root is not None:
        copy_modules(_project_code(model, folder / file, code_root), folder / "code")
    if profile is not None:
        (folder / "profile.json").write_bytes(profile)
    (folder / "signature.json").write_bytes(msgspec.json.format(msgspec.json.encode(signature), indent=1))
    adapted = adapt(model)
    probe = select_rows(rows, signature, lambda frame: _answers(adapted, signature, frame))
    original = _answers(adapted, signature, probe)
    _check_labels(adapted, signature, probe, original)
    write_probe(folder / "probe.parquet", probe, original)
    _write_manifest(folder, file, signature)
    artifact = load_artifact(folder, trust_pickle=policy.trust_pickle, trusted_types=policy.trusted_types)
    again = artifact.predict(probe)
    if not np.array_equal(again.score, original.score, equal_nan=True):
        change = float(np.nanmax(np.abs(again.score - original.score)))
        raise InvalidData(
            f"the model answers differently after it was stored, by up to {change:.3g}",
            hint="it keeps state outside of what is stored, or predicts at random: fix its random state",
        )
    return artifact


def _answers(model: Any, signature: Signature, frame: pl.DataFrame) -> Scores:
    rows = signature.conform(frame)
    try:
        return score_rows(model, signature, rows)
    except InvalidData:
        raise
    except Exception as error:
        raise InvalidData(
            f"the model cannot predict rows of its own tables: {type(error).__name__}: {error}",
            hint=f"it was called with a {signature.container} table; say Candidate(container=…) as it was fitted with, "
            "and name the features in the order of the fit",
        ) from error


def _check_labels(model: Any, signature: Signature, probe: pl.DataFrame, answered: Scores) -> None:
    """Compare the classes that the likeliest columns stand for with what the model itself decides."""
    classes = signature.target.classes
    if not isinstance(model, Native) or model.labels is None or classes is None:
        return
    table = to_container(signature.conform(probe), signature.container, signature.categories)
    names = [classes[int(index)] for index in answered.label]
    wrong = [(name, said) for name, said in zip(names, model.labels(table), strict=True) if name != said]
    known = set(classes)
    odd = [pair for pair in wrong if pair[1] not in known]
    if odd and not all(type(said) is int and 0 <= said < len(classes) for _, said in odd):
        raise InvalidData(
            f"the model decides for {odd[0][1]!r} where its signature says {odd[0][0]!r}: the classes are not the model's",
            hint="export it with the names of its classes (skl2onnx: options={'zipmap': True})",
        )
    if not odd and len(wrong) > 0.05 * len(names):
        raise InvalidData(
            f"the model decides for {wrong[0][1]!r} where the likeliest of its classes is {wrong[0][0]!r}",
            hint="its classes are in another order than those of the target: export it with their names",
        )


def _save(model: Any, folder: Path, policy: Policy) -> str:
    form = native_format(model) or FORMATS["skops"]
    path = folder / f"model{form.suffix}"
    try:
        form.codec.save(model, path, policy)
    except Refused:
        if form.name != "skops" or not policy.trust_pickle:
            raise
        form = FORMATS["joblib"]
        path = folder / f"model{form.suffix}"
        form.codec.save(model, path, policy)
    return path.name


def _project_code(model: Any, file: Path, root: Path) -> dict[str, Path]:
    if file.suffix == ".skops":
        from mainspring.versioning.formats.skops import type_names

        return project_files(type_names(file), root)
    if file.suffix != ".joblib":
        return {}
    return project_files(
        pickle_names(pickle.dumps(model)), root
    )  # joblib's own file is no plain pickle: arrays lie in it


def _write_manifest(folder: Path, file: str, signature: Signature) -> None:
    import sklearn

    versions = {
        "python": ".".join(map(str, sys.version_info[:3])),
        "numpy": np.__version__,
        "polars": pl.__version__,
        "scikit-learn": sklearn.__version__,
    }
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        format=next(form.name for form in FORMATS.values() if form.suffix == Path(file).suffix),
        model=file,
        task=signature.target.task,
        versions=versions,
        files={name: sha256_file(folder / name) for name in _files(folder)},
    )
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(name for path in found if (name := path.relative_to(folder).as_posix()) != MANIFEST)


def read_manifest(folder: Path) -> tuple[Manifest, Signature]:
    """Return manifest and signature of an artifact after checking every file against its sha256.

    Raises:
        Corrupted: a file is missing, differs, or is not in the manifest.
        InvalidData: a newer version wrote it.
    """
    try:
        head = msgspec.json.decode((folder / MANIFEST).read_bytes())
        version = head.get("format_version") if isinstance(head, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise InvalidData(
                f"the artifact has format version {version}, this version reads up to {FORMAT_VERSION}",
                hint="upgrade mainspring",
            )
        manifest = msgspec.convert(head, Manifest)
        found = _files(folder)
        if found != sorted(manifest.files):
            odd = sorted(set(found) ^ set(manifest.files))
            raise Corrupted(f"the artifact {folder} and its manifest disagree about {', '.join(odd[:5])}", files=odd)
        for name, sha256 in manifest.files.items():
            if sha256_file(folder / name) != sha256:
                raise Corrupted(f"{folder / name} differs from what its manifest says", file=name)
        signature = msgspec.json.decode((folder / "signature.json").read_bytes(), type=Signature)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Corrupted(
            f"the artifact {folder} cannot be read: {error}", hint="restore it from the registry"
        ) from error
    return manifest, signature


def load_artifact(folder: Path, *, trust_pickle: bool = False, trusted_types: Sequence[str] = ()) -> Artifact:
    """Return the artifact of a folder, checked and ready.

    Raises:
        Corrupted: a file is missing or differs from the manifest.
        Refused: loading would construct what the policy does not trust; nothing was constructed.
        InvalidData: this version of the libraries cannot read it.
    """
    manifest, signature = read_manifest(folder)
    policy = Policy(trust_pickle=trust_pickle, trusted_types=tuple(trusted_types))
    path = folder / manifest.model
    if manifest.model not in manifest.files:
        raise Corrupted(f"the manifest of {folder} names no model file of its own", file=manifest.model)
    with imported_from(folder / "code"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Trying to unpickle estimator.*")
        model = format_named(manifest.format).codec.load(path, policy)
    return Artifact(folder=folder, manifest=manifest, signature=signature, model=model)
