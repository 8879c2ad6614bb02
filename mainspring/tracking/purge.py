"""Removing for good what was deleted: rows here, bytes by ``store.garbage``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mainspring.base import clock
from mainspring.tracking.records import purge as purge_rows

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace


class Purged(msgspec.Struct, frozen=True, kw_only=True):
    """How much was removed, or would be."""

    runs: int
    logged_models: int
    experiments: int


def purge(workspace: Workspace, *, older_than_days: float = 30.0, remove: bool = False) -> Purged:
    """Remove runs, logged models and experiments that were deleted so long ago; without ``remove`` only count them.

    What a model version came from stays, and so does what is restored meanwhile. The rows of a run go together, or not at
    all, and its snapshot with them if no other run has it. Running it again goes on where it was interrupted.
    """
    before = clock.now() + 1 - int(older_than_days * 86_400_000)
    with workspace.database.read() as connection:
        runs = purge_rows.deleted_runs(connection, before)
        models = purge_rows.deleted_models(connection, before)
        experiments = purge_rows.empty_experiments(connection, before, set(runs), set(models))
    if not remove:
        return Purged(runs=len(runs), logged_models=len(models), experiments=len(experiments))
    gone_runs = gone_models = 0
    for run_id in runs:
        with workspace.database.write() as connection:
            if purge_rows.deleted_runs(connection, before, only=run_id):
                purge_rows.remove_run(connection, run_id)
                gone_runs += 1
    for model_id in models:
        with workspace.database.write() as connection:
            if purge_rows.deleted_models(connection, before, only=model_id):
                purge_rows.remove_model(connection, model_id)
                gone_models += 1
    with workspace.database.write() as connection:
        experiments = purge_rows.empty_experiments(connection, before)
        purge_rows.remove_experiments(connection, experiments)
    return Purged(runs=gone_runs, logged_models=gone_models, experiments=len(experiments))
