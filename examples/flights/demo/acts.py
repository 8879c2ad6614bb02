"""The acts of the story, in order."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from examples.flights.demo.months import corrupted
from examples.flights.demo.server import running

if TYPE_CHECKING:
    from pathlib import Path

    from examples.flights.demo.stage import Stage

MODEL = "flight-delay"
_NAMES = {4: "April", 5: "May", 6: "June", 7: "July", 8: "August", 9: "September", 10: "October"}


def first_release(stage: Stage) -> None:
    """January to March: the first model is trained, judged and released."""
    teller = stage.teller
    teller.act("1 · January to March: a first model")
    teller.tell("Will a flight from New York arrive more than 15 minutes late? Asked before it departs.")
    for month in (1, 2, 3):
        stage.deliver_month(month)
    teller.mainspring("data", "add", "flights")
    teller.mainspring("ci", "init", show=False)
    teller.shell("git", "init", "-q", "-b", "main", show=False)
    commit(stage, "Flights of January to March, and how to learn from them")
    teller.mainspring("run")
    teller.mainspring("test", f"{MODEL}@1.0.0")
    teller.mainspring("deploy", f"{MODEL}@1.0.0")
    teller.mainspring("models", "list")


def seasons(stage: Stage) -> None:
    """April to September: served, watched, retrained when the data say so."""
    teller = stage.teller
    teller.act("2 · April to September: served, watched, retrained")
    teller.tell("Every flight is asked about over HTTP on its day; whether it was late is known a week later.")
    for month in range(4, 10):
        live_month(stage, month)


def live_month(stage: Stage, month: int) -> None:
    """Live through a month and the week after it, then let the platform look."""
    first = date(2013, month, 8) if month > 4 else date(2013, 4, 1)
    days = [day for day in stage.live(first, date(2013, month + 1, 7)) if day.date.month == month]
    stage.deliver_month(month)
    asked = sum(day.asked for day in days)
    late = sum(day.late * day.asked for day in days) / asked
    score = sum(day.score * day.asked for day in days) / asked
    stage.teller.tell(
        f"{_NAMES[month]}: {asked} flights since the {days[0].date.day}., {late:.3f} were late, {score:.3f} expected."
    )
    stage.teller.mainspring("up", "--once", lines=30)
    stage.tell_news()
    stage.follow_releases()
    commit(stage, f"Flights of {_NAMES[month]}")


def corrupted_month(stage: Stage) -> None:
    """October arrives broken: people are told, nothing is retrained."""
    teller = stage.teller
    teller.act("3 · October arrives broken")
    teller.tell("New data now asks for retraining by itself (environments/eager.yaml). A first look sets the baseline:")
    teller.mainspring("--environment", "eager", "up", "--once", lines=6)
    stage.tell_news()
    teller.tell("Then the feed delivers distances in metres and loses a third of the carriers:")
    stage.deliver_month(10, corrupted(stage.months[10]))
    teller.mainspring("data", "add", "flights", lines=4)
    teller.mainspring("--environment", "eager", "up", "--once", lines=10)
    stage.tell_news()
    teller.mainspring("run", expect=(1,), lines=16)
    teller.tell("The feed is mended:")
    stage.deliver_month(10)
    teller.mainspring("validate", "flights", lines=16)
    teller.mainspring("data", "add", "flights", lines=4)
    commit(stage, "Flights of October")


def forced_release(stage: Stage) -> None:
    """A model trained with a leak is blocked; forced past the gate it is rolled back."""
    teller = stage.teller
    teller.act("4 · A candidate that knows too much")
    teller.tell(
        "Somebody takes the departure delay for the congestion of the airport. It is not known before departure:"
    )
    teller.mainspring("run", "--param", "congestion=departure_delay")
    version = max(teller.json("models", "list"), key=lambda row: row["created_at"])["version"]
    reference = f"{MODEL}@{version}"
    teller.mainspring("test", reference, expect=(1,))
    teller.mainspring("deploy", reference, expect=(1,))
    teller.tell("It is forced past its gate, and meets real traffic:")
    teller.mainspring("deploy", reference, "--override", "the desk wants it before the holidays")
    stage.live(date(2013, 10, 8), date(2013, 10, 31))
    teller.mainspring("models", "list")


def proof(stage: Stage) -> None:
    """Version 1.1.0 is made again, and the project audited."""
    teller = stage.teller
    teller.act("5 · Proof")
    teller.mainspring("reproduce", f"{MODEL}@1.1.0")
    teller.tell("The project's own tests, of every layer, with the version in production and a real endpoint:")
    teller.shell("pytest", "-q", "-p", "no:cacheprovider", "--model", f"{MODEL}@production")
    with running(stage.folder, "up", "--interval", "60") as port:
        teller.tell(f"`mainspring up` keeps watching, and shows monitors and releases on http://127.0.0.1:{port}")
        teller.mainspring("audit", expect=(0, 1), lines=80)


def ending(stage: Stage, page: Path) -> None:
    """Where to look further."""
    stage.teller.act("Look further")
    stage.teller.tell(f"The story with plots: {page}")
    stage.teller.tell("In demo/, with ../.venv/bin on the PATH:")
    for command in (
        "mainspring models list",
        f"mainspring models history {MODEL}",
        "mainspring runs list",
        "mainspring events list",
        "mainspring alerts list",
        f"mainspring test {MODEL}@1.1.0",
        "mainspring audit",
        "mainspring serve",
        "mainspring up",
    ):
        stage.teller.tell(f"  {command}", style="cyan")


def commit(stage: Stage, message: str) -> None:
    """Keep the state of the project in git."""
    identity = ("-c", "user.name=demo", "-c", "user.email=demo@localhost")
    stage.teller.shell("git", "add", "--all", show=False)
    stage.teller.shell("git", *identity, "commit", "-q", "--allow-empty", "-m", message, show=False)
