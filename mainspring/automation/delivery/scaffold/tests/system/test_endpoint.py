"""The real server with real rows. `endpoint` starts it for the test."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

import pytest

pytestmark = pytest.mark.system


def test_the_endpoint_answers_rows_of_the_holdout(endpoint, holdout) -> None:
    rows = holdout.head(5).to_dicts()
    for row in rows:
        row.pop("benign")
    body = json.dumps({"dataframe_records": rows}).encode()
    request = Request(f"{endpoint.url}/invocations", body, {"Content-Type": "application/json"})
    answer = json.load(urlopen(request, timeout=30))
    assert len(answer["predictions"]) == len(answer["prediction_ids"]) == 5
