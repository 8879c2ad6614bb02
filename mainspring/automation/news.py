"""Whether there is something new to learn from since a candidate was last made and judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mainspring.automation import records
from mainspring.automation.sources import code_digest

if TYPE_CHECKING:
    from mainspring.automation.records import Event
    from mainspring.store.workspace import Workspace

NOTHING = "the alert still fires; not asked again as long as data and code are the same"


def news(workspace: Workspace, answered: Event) -> list[str]:
    """Say what differs from the inputs of the newest execution that an event led to: dataset versions, code and settings.

    The same inputs make the same candidate, which its gate has answered already. ``answered`` is the event that would be
    repeated; where it failed before it read any data, only code and settings can help it.
    """
    with workspace.database.read() as connection:
        if "answered_with" in answered.payload:
            [answered] = records.find_events(connection, prefix=answered.payload["answered_with"])
        used: dict[str, set[str]] = {}
        if answered.execution_id is not None:
            answered = records.newest_delivery(connection) or answered
            used = records.inputs_of(connection, answered.execution_id or "")
        versions = {name: records.newest_dataset_version(connection, name) for name in used}
    found = [
        f"{name} version {newest.number} is new"
        for name, newest in versions.items()
        if newest is not None and newest.md5 not in used[name]
    ]
    if "code" in answered.payload and answered.payload["code"] != code_digest(workspace):
        found.append("code or settings changed")
    return found
