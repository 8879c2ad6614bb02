"""Taking in what a pipeline made: the candidate becomes a registered version, and its run shows how good it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from mainspring.base.errors import UsageError
from mainspring.monitoring.profile import build_profile
from mainspring.versioning import models
from mainspring.versioning.evidence import read_evidence

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.run import Run
    from mainspring.versioning.candidate import Candidate
    from mainspring.versioning.models import ModelVersion


def accept(workspace: Workspace, candidate: Candidate, run: Run) -> ModelVersion:
    """Register a candidate under the settings' model name, in development, with profile and evidence.

    A candidate that equals a version to the byte is that version, and its run is linked to it by its tags. Its metrics on
    the holdout, each with its interval, and plots (where matplotlib is installed) go to the run.

    Raises:
        UsageError: the settings name no model.
        InvalidData, Refused: as ``models.register``.
    """
    if workspace.settings.model is None:
        hint = "add `model: {name: NAME}` to mainspring.yaml"
        raise UsageError("the pipeline returned a candidate, and the settings name no model", hint=hint)
    columns = [*candidate.features, candidate.target]
    profile = build_profile(candidate.train.select(columns), target=candidate.target)
    version = models.register(
        workspace, workspace.settings.model.name, candidate, run_id=run.id, profile=profile.to_json()
    )
    run.log_metrics({name: _loggable(value) for name, value in version.metrics.items()})
    run.set_tags({"model": version.model, "model_version": version.version})
    _plot(workspace, version, run)
    return version


def _loggable(value: Any) -> Any:
    return SimpleNamespace(**value) if isinstance(value, dict) else value


def _plot(workspace: Workspace, version: ModelVersion, run: Run) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    signature = models.load(workspace, version).signature
    evidence = read_evidence(workspace, version)
    truth = signature.encode(evidence.holdout.get_column(signature.target.name))
    score = evidence.scores.score
    if signature.target.task == "regression":
        run.log_figure(_residuals(Figure(figsize=(5, 4), layout="constrained"), truth, score), "plots/residuals.png")
    elif signature.target.task == "binary" and 0 < truth.mean() < 1:
        run.log_figure(_roc(Figure(figsize=(5, 4), layout="constrained"), truth, score), "plots/roc.png")
        run.log_figure(
            _calibration(Figure(figsize=(5, 4), layout="constrained"), truth, score), "plots/calibration.png"
        )


def _roc(figure: Any, truth: np.ndarray[Any, Any], score: np.ndarray[Any, Any]) -> Any:
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(truth, score)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    axes.plot(false, true)
    axes.set(title=f"ROC on the holdout, n = {len(truth)}", xlabel="false positive rate", ylabel="true positive rate")
    return figure


def _calibration(figure: Any, truth: np.ndarray[Any, Any], score: np.ndarray[Any, Any]) -> Any:
    order = np.argsort(score, kind="stable")
    bins = [part for part in np.array_split(order, 10) if len(part)]
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle=":")
    axes.plot([score[part].mean() for part in bins], [truth[part].mean() for part in bins], marker="o")
    title = f"Calibration on the holdout, n = {len(truth)}, tenths of the rows"
    axes.set(title=title, xlabel="mean score", ylabel="share of positives")
    return figure


def _residuals(figure: Any, truth: np.ndarray[Any, Any], value: np.ndarray[Any, Any]) -> Any:
    shown = np.linspace(0, len(truth) - 1, min(len(truth), 2000)).astype(int)
    axes = figure.subplots()
    axes.axhline(0, color="0.7", linestyle=":")
    axes.scatter(value[shown], (truth - value)[shown], s=4)
    axes.set(title=f"Residuals on the holdout, n = {len(truth)}", xlabel="predicted", ylabel="truth − predicted")
    return figure
