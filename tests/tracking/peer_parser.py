"""Runs in the interpreter of an MLflow: reads filters and orders as lines of JSON, writes what MLflow makes of them.

A line is ``[grammar, "filter" or "order", text]``; the answer is a list of comparisons ``[entity, key, comparator, value]``,
an order ``[entity, key, ascending]``, or an object with an ``error``.
"""

import json
import sys

from mlflow.store.tracking.dbmodels.models import SqlLoggedModel
from mlflow.store.tracking.sqlalchemy_store import _get_search_experiments_filter_clauses
from mlflow.utils import search_logged_model_utils as loose
from mlflow.utils import search_utils as strict

PATTERNS = ("=", "!=", "LIKE", "ILIKE")
ENTITIES = {"parameter": "param", "attributes": "attribute", "metrics": "metric", "params": "param", "tags": "tag"}
NAMES = {
    "creation_timestamp_ms": "creation_timestamp",
    "last_updated_timestamp_ms": "last_updated_timestamp",
    "timestamp": "last_updated_timestamp",
}


class Rejected(Exception):
    """What MLflow's store refuses after it was parsed."""


def told(entity, key, comparator, value):
    return [ENTITIES.get(entity, entity), NAMES.get(key, key), comparator, value]


def require(condition):
    if not condition:
        raise Rejected


def runs(text):
    utils = strict.SearchUtils
    found = []
    for item in utils.parse_search_filter(text):
        entity, comparator, value = item["type"], item["comparator"].upper(), item["value"]
        key = utils.translate_key_alias(item["key"])
        checks = [utils.is_metric, utils.is_param, utils.is_tag, utils.is_dataset]
        require(utils.is_attribute(entity, key, comparator) or any(check(entity, comparator) for check in checks))
        found.append(told(entity, key, comparator, float(value) if entity == "metric" else value))
    return found


def experiments(text):
    parsed = strict.SearchExperimentsUtils.parse_search_filter(text)
    numbers = [item for item in parsed if item["key"] == "experiment_id" and item["type"] == "attribute"]
    given = [item["value"] for item in numbers]
    for item in numbers:  # ids are numbers there; how they compare is what counts
        item["value"] = tuple("1" for _ in item["value"]) if isinstance(item["value"], tuple) else "1"
    _get_search_experiments_filter_clauses(parsed, "sqlite")
    for item, value in zip(numbers, given, strict=True):
        item["value"] = value
    return [told(item["type"], item["key"], item["comparator"], item["value"]) for item in parsed]


def logged_models(text):
    found = []
    for item in loose.parse_filter_string(text):
        require(item.entity.type.value != "attributes" or hasattr(SqlLoggedModel, item.entity.key))
        found.append(told(item.entity.type.value, item.entity.key, item.op, item.value))
    return found


def registered_models(text):
    found = []
    for item in strict.SearchModelUtils.parse_search_filter(text):
        listed = ("IN", "NOT IN") if item["type"] == "attribute" else ()
        require(item["comparator"] in (*PATTERNS, *listed))
        found.append(told(item["type"], item["key"], item["comparator"], item["value"]))
    return found


def model_versions(text):
    utils = strict.SearchModelVersionUtils
    found = []
    for item in utils.parse_search_filter(text):
        entity, key, comparator, value = (item[name] for name in ("type", "key", "comparator", "value"))
        if entity == "attribute" and key in utils.NUMERIC_ATTRIBUTES:
            require(comparator in utils.VALID_NUMERIC_ATTRIBUTE_COMPARATORS and not isinstance(value, float))
            value = int(value)
        else:
            listed = ("IN", "NOT IN") if entity == "attribute" and key in ("run_id", "name") else ()
            require(comparator in (*PATTERNS, *listed))
        found.append(told(entity, key, comparator, value))
    return found


def order(grammar, text):
    if grammar == "runs":
        entity, key, ascending = strict.SearchUtils.parse_order_by_for_search_runs(text)
        require(entity != "dataset")
        key = strict.SearchUtils.translate_key_alias(key)
    elif grammar == "experiments":
        entity, key, ascending = strict.SearchExperimentsUtils.parse_order_by_for_search_experiments(text)
        require(entity == "attribute")
    elif grammar == "registered_models":
        key, ascending = strict.SearchUtils.parse_order_by_for_search_registered_models(text)
        entity = "attribute"
    else:
        entity, key, ascending = strict.SearchModelVersionUtils.parse_order_by_for_search_model_versions(text)
        require(entity == "attribute")
    return [ENTITIES.get(entity, entity), NAMES.get(key, key), ascending]


FILTERS = {
    "runs": runs,
    "experiments": experiments,
    "logged_models": logged_models,
    "registered_models": registered_models,
    "model_versions": model_versions,
}

for line in sys.stdin:
    grammar, what, text = json.loads(line)
    try:
        answer = FILTERS[grammar](text) if what == "filter" else order(grammar, text)
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
