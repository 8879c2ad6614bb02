"""Build the events of a file again with OpenLineage's own client, which checks their fields, and compare what it writes.

Runs in the client's environment: ``python openlineage_client.py FILE``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from openlineage.client.event_v2 import InputDataset, Job, JobEvent, OutputDataset, Run, RunEvent, RunState
from openlineage.client.generated.dataset_type_dataset import DatasetTypeDatasetFacet
from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet
from openlineage.client.generated.error_message_run import ErrorMessageRunFacet
from openlineage.client.generated.job_type_job import JobTypeJobFacet
from openlineage.client.generated.parent_run import Job as ParentJob
from openlineage.client.generated.parent_run import ParentRunFacet
from openlineage.client.generated.parent_run import Run as ParentRun
from openlineage.client.generated.source_code_location_job import SourceCodeLocationJobFacet
from openlineage.client.serde import Serde


def parent(run: dict[str, Any], job: dict[str, Any], **rest: Any) -> ParentRunFacet:
    return ParentRunFacet(run=ParentRun(**run), job=ParentJob(**job), **rest)


FACETS = {
    "parent": parent,
    "errorMessage": ErrorMessageRunFacet,
    "jobType": JobTypeJobFacet,
    "sourceCodeLocation": SourceCodeLocationJobFacet,
    "version": DatasetVersionDatasetFacet,
    "datasetType": DatasetTypeDatasetFacet,
}


def facets(given: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for name, fields in given.items():
        fields = dict(fields)
        del fields["_schemaURL"]  # the client knows its own
        made[name] = FACETS[name](producer=fields.pop("_producer"), **fields)
    return made


def rebuilt(event: dict[str, Any]) -> RunEvent | JobEvent:
    def sets(kind: Any, given: list[dict[str, Any]]) -> list[Any]:
        return [kind(namespace=one["namespace"], name=one["name"], facets=facets(one["facets"])) for one in given]

    job = event["job"]
    shared = {
        "eventTime": event["eventTime"],
        "job": Job(namespace=job["namespace"], name=job["name"], facets=facets(job["facets"])),
        "inputs": sets(InputDataset, event["inputs"]),
        "outputs": sets(OutputDataset, event["outputs"]),
        "producer": event["producer"],
    }
    if "run" not in event:
        return JobEvent(**shared)
    run = Run(runId=event["run"]["runId"], facets=facets(event["run"]["facets"]))
    return RunEvent(eventType=RunState[event["eventType"]], run=run, **shared)


def plain(value: Any) -> Any:
    """Leave out what is empty, as the client writes some of it and some not."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if item not in (None, {}, [])}
    return [plain(item) for item in value] if isinstance(value, list) else value


lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
for line in lines:
    event = json.loads(line)
    again = json.loads(Serde.to_json(rebuilt(event)))
    assert plain(again) == plain(event), (
        f"{json.dumps(plain(event))}\nis written by the client as\n{json.dumps(plain(again))}"
    )
print(f"{len(lines)} events")
