"""Models that somebody trained elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from mainspring.base.errors import InvalidData, did_you_mean
from mainspring.store.objects import walk
from mainspring.versioning.artifact import Artifact, pack_model, signature_of
from mainspring.versioning.candidate import Candidate
from mainspring.versioning.evaluation import holdout_metrics
from mainspring.versioning.evidence import write_evidence
from mainspring.versioning.formats.native import Native
from mainspring.versioning.formats.policy import Policy
from mainspring.versioning.formats.registry import format_of_file
from mainspring.versioning.frames import Container, to_container, to_polars
from mainspring.versioning.materials import policy, trust
from mainspring.versioning.registration import Prepared, Registered, check_number, record
from mainspring.versioning.scoring import model_task
from mainspring.versioning.scratch import scratch
from mainspring.versioning.semver import Bump
from mainspring.versioning.signature import Signature, Target, infer_signature

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mainspring.store.workspace import Workspace


def register_external(
    workspace: Workspace,
    name: str,
    path: Path,
    *,
    sample: pl.DataFrame,
    target: str | None = None,
    holdout: pl.DataFrame | None = None,
    trust_pickle: bool = False,
    container: Container | None = None,
    version: str | None = None,
    bump: Bump | None = None,
    actor: str | None = None,
) -> Registered:
    """Record a model file (skops, LightGBM, XGBoost, ONNX; a pickle only if it is trusted) as a version.

    ``sample`` shows what the model takes: its columns but the target are the inputs, in the model's order where the model
    knows it. With ``target`` and ``holdout`` the version gets evidence and metrics; with a target in the sample alone, the
    sample is the holdout; without, it can be served but not judged. A file that a version stands for already is that version,
    as in ``register``; the answer says so.

    Raises:
        NotFound, InvalidData: no such file, or no such model in it; rows that do not fit the model.
        UsageError: as ``check_number``.
        Refused: reading it needs trust that was not given.
    """
    check_number(name, version, bump)
    trusted, types = policy(workspace)
    rules = Policy(trust_pickle=trusted or trust_pickle, trusted_types=types)
    with _importable(workspace.root):
        model = format_of_file(path).codec.load(path, rules)
    sample = to_polars(sample)
    if sample.is_empty():
        raise InvalidData("the sample is empty", hint="give some rows as the model takes them")
    if target is not None and target not in (sample if holdout is None else holdout).columns:
        columns = (sample if holdout is None else holdout).columns
        raise InvalidData(
            f"there is no column '{target}'",
            hint=did_you_mean(target, columns) or f"there are {', '.join(columns[:20])}",
        )
    features = _features(model, sample, target)
    rows = to_polars(holdout) if holdout is not None else sample
    if isinstance(model, Native) and model.categories:
        sample, rows = (_categorical(model.categories, table, features) for table in (sample, rows))
    kind = container or _container(model, sample.select(features).head(2000))
    with scratch(workspace) as folder, _importable(workspace.root):
        prepared = _prepare(workspace, folder, model, features, target, sample, rows, kind, rules)
    return record(
        workspace,
        name,
        prepared,
        run_id=None,
        version=version,
        bump=bump,
        actor=actor or workspace.actor,
        reason=f"registered from {path.name}",
    )


def _prepare(
    workspace: Workspace,
    folder: Path,
    model: Any,
    features: list[str],
    target: str | None,
    sample: pl.DataFrame,
    rows: pl.DataFrame,
    container: Container,
    rules: Policy,
) -> Prepared:
    candidate: Candidate | None = None
    if target is not None:
        known = sample if target in sample.columns else rows
        candidate = Candidate(
            model=model, train=known, holdout=rows, features=features, target=target, container=container
        )
        signature = signature_of(candidate)
    else:
        signature = _serving_signature(model, sample, features, container)
    artifact = pack_model(model, signature, folder / "artifact", rows=(sample,), policy=rules, code_root=workspace.root)
    evidence, metrics = _judged(workspace, folder, candidate, artifact)
    address = workspace.objects.put_folder(walk(folder / "artifact")).md5
    if artifact.manifest.format == "joblib":
        trust(workspace, address)
    return Prepared(
        artifact=address,
        evidence=evidence,
        signature=signature,
        metrics=metrics,
    )


@contextmanager
def _importable(root: Path) -> Iterator[None]:
    """Let a pickle find the project's own modules."""
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path.remove(str(root))


def _judged(
    workspace: Workspace, folder: Path, candidate: Candidate | None, artifact: Artifact
) -> tuple[str | None, dict[str, Any]]:
    if candidate is None:
        return None, {}
    scores = write_evidence(candidate, artifact, folder / "evidence")
    truth = artifact.signature.encode(candidate.holdout.get_column(candidate.target))
    return workspace.objects.put_folder(walk(folder / "evidence")).md5, holdout_metrics(
        artifact.signature, scores, truth
    )


def _serving_signature(model: Any, sample: pl.DataFrame, features: Sequence[str], container: Container) -> Signature:
    task, classes = model_task(model)
    inferred = infer_signature(sample, features, "", "regression", container)
    if task is None and hasattr(model, "predict_proba"):
        raise InvalidData(
            "the model does not say which classes it knows", hint="register it with `--target COLUMN` in the sample"
        )
    if task is None or task == "regression":
        return Signature(inputs=inferred.inputs, target=Target("prediction", "regression", None), container=container)
    labels = classes if classes is not None else [0, 1]
    return Signature(inputs=inferred.inputs, target=Target("prediction", task, labels), container=container)


def _features(model: Any, sample: pl.DataFrame, target: str | None) -> list[str]:
    columns = [name for name in sample.columns if name != target]
    known = model.features if isinstance(model, Native) else getattr(model, "feature_names_in_", None)
    if known is None:
        return columns
    names = [str(name) for name in known]
    if set(names) <= set(columns):
        return names
    generated = isinstance(model, Native) and not set(names) & set(columns) and len(names) == len(columns)
    if generated:  # Column_0, f0 …: names that the library made up
        return columns
    missing = [name for name in names if name not in columns]
    raise InvalidData(
        f"the sample has no column '{missing[0]}', which the model takes",
        hint=did_you_mean(missing[0], columns) or f"the model takes {', '.join(names[:20])}",
        column=missing[0],
    )


def _categorical(categories: list[list[Any]], table: pl.DataFrame, features: list[str]) -> pl.DataFrame:
    """Return a table whose text columns have the categories that the model knows."""
    texts = [name for name in features if name in table.columns and not table.schema[name].is_numeric()]
    texts = [name for name in texts if table.schema[name] != pl.Boolean]
    named = [known for known in categories if all(isinstance(value, str) for value in known)]
    if len(named) != len(categories) or len(texts) != len(categories):
        raise InvalidData(
            f"the model knows the categories of {len(categories)} columns, and of the sample's columns are text: "
            f"{', '.join(texts) or 'none'}",
            hint="give these columns as text in the sample; categories that are no text cannot be matched",
        )
    return table.with_columns(
        pl.col(name).cast(pl.String).cast(pl.Enum(known), strict=False)
        for name, known in zip(texts, named, strict=True)
    )


def _container(model: Any, rows: pl.DataFrame) -> Container:
    """Names seen at the fit tell a table, none an array. Which kind of table nobody wrote down: what answers both alike is
    called with polars."""
    if isinstance(model, Native):
        return "pandas" if model.categories else "polars"
    if not hasattr(model, "n_features_in_"):
        return "polars"
    if getattr(model, "feature_names_in_", None) is None:
        return "numpy"
    answers = {kind: _tried(model, rows, kind) for kind in ("polars", "pandas")}
    if answers["polars"] is None or answers["pandas"] is None:
        return "polars" if answers["pandas"] is None else "pandas"
    if not np.array_equal(answers["polars"], answers["pandas"]):
        raise InvalidData(
            "the model answers the same rows otherwise as a polars table than as a pandas one: they hold missing values "
            "differently",
            hint="say what it was fitted with: --container pandas, or --container polars",
        )
    return "polars"


def _tried(model: Any, rows: pl.DataFrame, kind: Literal["polars", "pandas"]) -> np.ndarray | None:
    """Return what the model says to rows of a kind of table, or None where it cannot."""
    ask = getattr(model, "predict_proba", None) or getattr(model, "predict", None)
    try:
        answer = np.asarray(ask(to_container(rows, kind, {}))) if ask is not None else None
    except Exception:  # noqa: BLE001 - a model may fail in any way with what it was not fitted with
        return None
    return answer if answer is None or answer.dtype == object else np.nan_to_num(answer)
