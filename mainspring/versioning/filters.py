"""What can be asked about registered models and their versions, and what they can be ordered by.

Times can only be ordered by; `timestamp` of a registered model is the time of its last change.

>>> from mainspring.base.filters import parse_filter, parse_order
>>> parse_order("timestamp DESC", REGISTERED_MODELS)
Order(entity='attribute', key='last_updated_timestamp', ascending=False)
>>> parse_filter("version_number >= '2'", MODEL_VERSIONS)
(Comparison(entity='attribute', key='version_number', comparator='>=', value=2),)
"""

from __future__ import annotations

from mainspring.base.filters import ATTRIBUTE, LISTED, SIGNS, TEXT, Family, Grammar, Kind

_MODEL_ORDERS = ("name", "timestamp", "last_updated_timestamp")

REGISTERED_MODELS = Grammar(
    "registered models",
    {
        "tag": Family(("tags", "tag"), TEXT),
        ATTRIBUTE: Family(
            ("attribute",),
            names={"name": LISTED, "last_updated_timestamp": Kind(())},
            aliases={"timestamp": "last_updated_timestamp"},
            sortable=_MODEL_ORDERS,
        ),
    },
)

MODEL_VERSIONS = Grammar(
    "model versions",
    {
        "tag": Family(("tags", "tag"), TEXT),
        ATTRIBUTE: Family(
            ("attribute",),
            names={
                "name": LISTED,
                "run_id": LISTED,
                "source_path": TEXT,
                "version_number": Kind(SIGNS, number=True, whole=True, bare=True),
                "creation_timestamp": Kind(()),
                "last_updated_timestamp": Kind(()),
            },
            sortable=("name", "version_number", "creation_timestamp", "last_updated_timestamp"),
        ),
    },
)
