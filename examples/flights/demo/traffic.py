"""The connection desk's client: asks about flights as they are scheduled, and reports arrivals when they are known."""

from __future__ import annotations

import http.client
import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import polars as pl

INPUTS = [
    "flight_id",
    "scheduled_at",
    "carrier",
    "origin",
    "dest",
    "weekday",
    "departure_minute",
    "arrival_minute",
    "distance",
    "departures_in_hour",
]
LATE_MINUTES = 15
ROWS_A_REQUEST = 150


@dataclass
class Day:
    """What a day brought."""

    date: date
    asked: int
    late: float
    score: float
    versions: dict[str, int]


@dataclass
class Traffic:
    """A client of the endpoint at ``port``; labels come ``delay`` days after the flight."""

    port: int
    delay: timedelta = timedelta(days=7)
    days: list[Day] = field(default_factory=list)
    _due: dict[date, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, day: date, flights: pl.DataFrame) -> Day:
        """Ask about a day's flights, in time order, a few at a time."""
        scores: list[float] = []
        versions: dict[str, int] = defaultdict(int)
        for rows in flights.iter_slices(ROWS_A_REQUEST):
            answer, headers = self._post("/invocations", {"dataframe_split": _split(rows)})
            versions[headers.get("X-Mainspring-Version", "?")] += len(rows)
            scores += answer["scores"]
            arrivals = rows["arrival_delay"].to_list()
            for prediction_id, delay in zip(answer["prediction_ids"], arrivals, strict=True):
                if delay is not None:
                    label = {"prediction_id": prediction_id, "label": int(delay > LATE_MINUTES)}
                    self._due[day + self.delay].append(label)
        late = (flights["arrival_delay"].drop_nulls() > LATE_MINUTES).mean()
        brought = Day(day, len(flights), float(late or 0), sum(scores) / max(len(scores), 1), dict(versions))
        self.days.append(brought)
        return brought

    def report_arrivals(self, day: date) -> int:
        """Post the labels that are known by ``day``; return how many."""
        posted = 0
        for due in sorted(moment for moment in self._due if moment <= day):
            labels = self._due.pop(due)
            self._post("/labels", {"labels": labels})
            posted += len(labels)
        return posted

    def _post(self, path: str, body: Any) -> tuple[Any, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise SystemExit(f"{path} answered {response.status}: {answer}")
        return answer, response.headers


def _split(rows: pl.DataFrame) -> dict[str, Any]:
    sent = rows.select(INPUTS).with_columns(pl.col("scheduled_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return {"columns": sent.columns, "data": [list(row) for row in sent.iter_rows()]}
