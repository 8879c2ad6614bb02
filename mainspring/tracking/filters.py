"""What can be asked about experiments, runs and logged models, and what they can be ordered by.

>>> from mainspring.base.filters import parse_filter
>>> parse_filter("attributes.`Run Name` != 'x'", RUNS)
(Comparison(entity='attribute', key='run_name', comparator='!=', value='x'),)
"""

from __future__ import annotations

from typing import NamedTuple

from mainspring.base.filters import ATTRIBUTE, LISTED, NUMBER, OPTIONAL, PATTERNS, TEXT, Family, Grammar, Kind


class Dataset(NamedTuple):
    """A dataset that metrics of logged models were measured on: any with that name, if there is no digest."""

    name: str
    digest: str


_RUN_ATTRIBUTES = {
    "run_id": LISTED,
    "run_name": TEXT,
    "status": TEXT,
    "user_id": TEXT,
    "artifact_uri": TEXT,
    "start_time": NUMBER,
    "end_time": NUMBER,
}
_CREATED = {"created": "start_time", "Created": "start_time"}

RUNS = Grammar(
    "runs",
    {
        "metric": Family(("metrics", "metric"), NUMBER, sortable=None),
        "param": Family(("params", "param", "parameters", "parameter"), OPTIONAL, sortable=None),
        "tag": Family(("tags", "tag"), OPTIONAL, sortable=None),
        "dataset": Family(("datasets", "dataset"), names=dict.fromkeys(("name", "digest", "context"), LISTED)),
        ATTRIBUTE: Family(
            ("attributes", "attribute", "attr", "run"),
            names=_RUN_ATTRIBUTES,
            aliases={**_CREATED, "run name": "run_name", "Run name": "run_name", "Run Name": "run_name"},
            sortable=(*_RUN_ATTRIBUTES, *_CREATED),
        ),
    },
)
_WHOLE = NUMBER._replace(whole=True)
_EXPERIMENT_ATTRIBUTES = {
    "name": TEXT,
    "experiment_id": Kind(("=", "!=", "IN", "NOT IN")),
    "creation_time": _WHOLE,
    "last_update_time": _WHOLE,
}

EXPERIMENTS = Grammar(
    "experiments",
    {
        "tag": Family(("tags", "tag"), OPTIONAL),
        ATTRIBUTE: Family(("attribute",), names=_EXPERIMENT_ATTRIBUTES, sortable=tuple(_EXPERIMENT_ATTRIBUTES)),
    },
)
_LOOSE = Kind((*PATTERNS, "IN", "NOT IN"), bare=True)
_MODEL_ATTRIBUTES = {
    **dict.fromkeys(
        ("name", "model_id", "model_type", "status", "status_message", "source_run_id", "experiment_id"), _LOOSE
    ),
    "creation_timestamp": NUMBER,
    "last_updated_timestamp": NUMBER,
}
_MODEL_ALIASES = {
    "creation_time": "creation_timestamp",
    "creation_timestamp_ms": "creation_timestamp",
    "last_updated_timestamp_ms": "last_updated_timestamp",
}

LOGGED_MODELS = Grammar(
    "logged models",
    {
        "metric": Family(("metrics",), NUMBER, sortable=None),
        "param": Family(("params",), _LOOSE),
        "tag": Family(("tags",), _LOOSE),
        ATTRIBUTE: Family(
            ("attributes",),
            names=_MODEL_ATTRIBUTES,
            aliases=_MODEL_ALIASES,
            sortable=(*_MODEL_ATTRIBUTES, *_MODEL_ALIASES),
        ),
    },
)
