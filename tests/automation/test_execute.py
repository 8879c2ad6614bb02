"""Executing a pipeline from its data to a registered version."""

from __future__ import annotations

import pytest

from mainspring.automation.execute import execute, get_execution, list_executions, steps
from mainspring.tracking.search import get_run
from mainspring.versioning import models
from tests.automation.conftest import edit


def test_a_pipeline_becomes_a_registered_version(workspace):
    done = execute(workspace, progress=False)
    assert (done.status, done.model, done.model_version) == ("finished", "churn", "1.0.0")
    assert [(step.name, step.status) for step in steps(workspace, done.id)] == [
        ("prepare", "finished"),
        ("split", "finished"),
        ("fit", "finished"),
    ]
    version = models.resolve(workspace, "churn@1.0.0")
    assert (version.stage, version.run_id) == ("development", done.run_id)
    run = get_run(workspace, done.run_id)
    assert run.status == "finished"
    assert run.params["strength"] == "1.0"
    auc = run.metrics["roc_auc"]
    assert auc.low < auc.value < auc.high
    assert auc.n == 200
