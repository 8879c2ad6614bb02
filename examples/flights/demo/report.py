"""The story as one self-contained page with plots."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import matplotlib as mpl
import matplotlib.pyplot as plt
import polars as pl

from mainspring.monitoring.watch import latest
from mainspring.serving.predictions import predictions
from mainspring.store.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from examples.flights.demo.stage import Stage

MODEL = "flight-delay"
TEMPLATE = Path(__file__).with_name("report.html")
_INK, _SOFT, _LATE, _EXPECTED = "#1c2430", "#98a2b3", "#b42318", "#1f5fae"
_VERSIONS = ["#1f5fae", "#117a4b", "#b54708", "#7a3e9d", "#b42318", "#475467"]


def write(stage: Stage) -> Path:
    """Write ``report.html`` into the demo's workspace and return its path."""
    mpl.use("svg")
    mpl.rcParams.update(
        {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "mainspring"}
    )
    workspace = Workspace(stage.folder)
    plots = [
        (
            "Late and expected to be late",
            "Share a day, smoothed over a week; the lines mark when a version took over.",
            rates(stage),
        ),
        (
            "Who answered",
            "Answers a day by version; canaries share the traffic, shadows are not shown.",
            answers(workspace),
        ),
        (
            "Calibration as the monitor saw it",
            "Expected calibration error with its 95% interval; the bound is dashed.",
            looks(workspace),
        ),
    ]
    teller = stage.teller
    page = (
        jinja2.Environment(autoescape=True)
        .from_string(TEMPLATE.read_text())
        .render(
            plots=[(title, text, _svg(figure)) for title, text, figure in plots],
            history=teller.json("models", "history", MODEL),
            releases=teller.json("releases", "list"),
            events=teller.json("events", "list"),
            alerts=teller.json("alerts", "list"),
            audit=teller.json("audit", expect=(0, 1)),
        )
    )
    workspace.close()
    path = stage.folder / "report.html"
    path.write_text(page)
    return path


def rates(stage: Stage) -> Figure:
    """Draw what happened against what was expected."""
    frame = pl.DataFrame(
        {
            "day": [day.date for day in stage.traffic.days],
            "late": [day.late for day in stage.traffic.days],
            "expected": [day.score for day in stage.traffic.days],
            "n": [day.asked for day in stage.traffic.days],
        }
    ).sort("day")
    smooth = frame.rolling("day", period="7d").agg(
        ((pl.col(name) * pl.col("n")).sum() / pl.col("n").sum()).alias(name) for name in ("late", "expected")
    )
    figure, axes = _axes()
    axes.plot(smooth["day"], smooth["late"], color=_LATE, linewidth=1.6, label="late")
    axes.plot(smooth["day"], smooth["expected"], color=_EXPECTED, linewidth=1.6, label="expected")
    for day, version, state in stage.milestones:
        if state in {"promoted", "rolled_back"}:
            axes.axvline(day, color=_SOFT, linewidth=0.8, linestyle="--")
            word = "in production" if state == "promoted" else "rolled back"
            axes.annotate(
                f"{version} {word}",
                (day, 0.97),
                xycoords=("data", "axes fraction"),
                rotation=90,
                va="top",
                ha="right",
                fontsize=8,
            )
    axes.set_ylabel("share of flights")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="lower left")
    return figure


def answers(workspace: Workspace) -> Figure:
    """Draw who answered, day by day."""
    rows = predictions(workspace, MODEL, roles=["champion", "canary"])
    days = rows.with_columns(pl.from_epoch("event_time", "ms").dt.date().alias("day")).group_by("day", "version").len()
    table = days.pivot("version", index="day", values="len").sort("day").fill_null(0)
    versions = sorted(name for name in table.columns if name != "day")
    figure, axes = _axes()
    axes.stackplot(
        table["day"],
        *(table[name] for name in versions),
        labels=versions,
        colors=_VERSIONS[: len(versions)],
        step="mid",
    )
    axes.set_ylabel("answers a day")
    axes.legend(frameon=False, ncols=len(versions), loc="upper left", bbox_to_anchor=(0, 1.14))
    return figure


def looks(workspace: Workspace) -> Figure:
    """Draw what the calibration monitor saw, look by look."""
    seen = [look for look in reversed(latest(workspace, "calibration", limit=200)) if "estimate" in look["evidence"]]
    figure, axes = _axes()
    if seen:
        at = [look["window_end"] for look in seen]
        when = pl.from_epoch(pl.Series(at), "ms")
        values, low, high = ([look["evidence"]["estimate"][name] for look in seen] for name in ("value", "low", "high"))
        colours = [_LATE if look["status"] == "firing" else _INK for look in seen]
        axes.vlines(when, low, high, color=colours, linewidth=1.4)
        axes.scatter(when, values, color=colours, s=14, zorder=3)
    axes.axhline(workspace.settings.monitors["calibration"].max, color=_SOFT, linestyle="--", linewidth=1)  # type: ignore[union-attr]  # it is a performance monitor
    axes.set_ylabel("calibration error")
    axes.set_ylim(bottom=0)
    return figure


def _axes() -> tuple[Figure, Axes]:
    return plt.subplots(figsize=(8.4, 2.7), layout="constrained")


def _svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    plt.close(figure)
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), flags=re.DOTALL)
