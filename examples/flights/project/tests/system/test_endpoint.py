"""The real server with real flights."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

import pytest

pytestmark = pytest.mark.system


def test_the_endpoint_answers_flights_of_the_holdout(endpoint, holdout) -> None:
    inputs = [column.name for column in endpoint.signature.inputs]
    body = json.dumps({"dataframe_records": holdout.head(5).select(inputs).to_dicts()}).encode()
    request = Request(f"{endpoint.url}/invocations", body, {"Content-Type": "application/json"})
    answer = json.load(urlopen(request, timeout=30))
    assert len(answer["predictions"]) == len(answer["prediction_ids"]) == 5
