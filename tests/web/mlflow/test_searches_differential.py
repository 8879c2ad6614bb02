"""Our answers to searches against those of MLflow's own server, on the same runs."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

from mainspring.store.workspace import Workspace
from mainspring.web.app import build
from tests.tracking import peer
from tests.web.mlflow.conftest import API, Caller

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow  # the other server takes half a minute to start

RUNS = 160
METRICS = ["auc", "loss", "f 1"]
PARAMS = ["depth", "lr", "a/b"]
TAGS = ["team", "note", "mlflow.runName"]
TEXTS = ["1", "10", "2", "x", "X", "xy", "100%", "a_b", "it's", "", "é", "É"]
NUMBERS = [-1.5, 0.0, 0.25, 0.5, 1.0, 3.0, 1e300]
SPECIAL = ["NaN", "Infinity", "-Infinity"]
START = 1_700_000_000_000


class Peer:
    """MLflow's server, asked as `Caller` asks ours."""

    def __init__(self, folder: Path) -> None:
        script = Path(__file__).parent / "peer_server.py"
        self.process = subprocess.Popen(
            [peer.interpreter(), str(script), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=peer.environment(),
            cwd=folder,
        )

    def ask(self, method: str, path: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        """Return status and answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([method, API + path, fields]) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("\x1e"):
                status, answer = json.loads(line[1:])
                return status, answer
        raise AssertionError("the peer ended")

    def close(self) -> None:
        self.process.communicate(timeout=60)


class Pair:
    """Two servers with the same runs."""

    def __init__(self, ours: Caller, theirs: Peer) -> None:
        self.both = (ours, theirs)
        self.experiments: list[list[str]] = [[], []]

    def fill(self) -> None:
        """Make the same experiments and runs in both."""
        for name in ("one", "two", "gone"):
            for side, server in enumerate(self.both):
                status, made = server.ask(
                    "POST", "experiments/create", name=name, tags=[{"key": "team", "value": name}]
                )
                assert status == 200, made
                self.experiments[side].append(made["experiment_id"])
        for number in range(RUNS):
            dice = random.Random(number)
            calls = _logged(number, dice)
            for side, server in enumerate(self.both):
                experiment = self.experiments[side][0 if number % 4 else 1 if number % 8 else 2]
                _replay(server, experiment, number, calls)
        for side, server in enumerate(self.both):
            assert server.ask("POST", "experiments/delete", experiment_id=self.experiments[side][2])[0] == 200

    def names(self, **question: Any) -> tuple[Any, Any]:
        """Return the names of the runs that both find, in order; an error is its status."""
        found = []
        for side, server in enumerate(self.both):
            status, answer = server.ask("POST", "runs/search", experiment_ids=self.experiments[side], **question)
            names = [run["info"]["run_name"] for run in answer.get("runs", [])]
            found.append(names if status == 200 else "refused" if status in (400, 500) else status)
        return found[0], found[1]


def _logged(number: int, dice: random.Random) -> list[tuple[str, dict[str, Any]]]:
    metrics = [
        {"key": key, "value": dice.choice(SPECIAL if dice.random() < 0.2 else NUMBERS), "timestamp": step, "step": step}
        for key in METRICS
        for step in range(dice.randrange(3))
    ]
    params = [{"key": key, "value": dice.choice(TEXTS[:9])} for key in PARAMS if dice.random() < 0.7]
    tags = [{"key": key, "value": dice.choice(TEXTS)} for key in TAGS[:2] if dice.random() < 0.7]
    calls: list[tuple[str, dict[str, Any]]] = [("runs/log-batch", {"metrics": metrics, "params": params, "tags": tags})]
    for name in dice.sample(["train", "test", "Other"], dice.randrange(3)):
        context = (
            [{"key": "mlflow.data.context", "value": dice.choice(["training", "eval"])}] if dice.random() < 0.7 else []
        )
        dataset = {"name": name, "digest": dice.choice(["d1", "d2"]), "source_type": "local", "source": "{}"}
        calls.append(("runs/log-inputs", {"datasets": [{"dataset": dataset, "tags": context}]}))
    if dice.random() < 0.6:
        status = dice.choice(["FINISHED", "FAILED", "KILLED", "SCHEDULED"])
        calls.append(("runs/update", {"status": status, "end_time": START + number + dice.randrange(5)}))
    if dice.random() < 0.15:
        calls.append(("runs/delete", {}))
    return calls


def _replay(server: Caller | Peer, experiment: str, number: int, calls: list[tuple[str, dict[str, Any]]]) -> None:
    started = START + number * 37 % 1000  # no two at the same moment: ids, which differ, would decide then
    fields = {
        "experiment_id": experiment,
        "run_name": f"run {number}",
        "start_time": started,
        "user_id": f"u{number % 3}",
    }
    status, made = server.ask("POST", "runs/create", **fields)
    assert status == 200, made
    for path, given_fields in calls:
        status, answer = server.ask("POST", path, run_id=made["run"]["info"]["run_id"], **given_fields)
        assert status == 200, (path, answer)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder, project = tmp_path_factory.mktemp("peer"), tmp_path_factory.mktemp("project")
    theirs = Peer(folder)
    (project / "mainspring.yaml").write_text("project: example\n")
    workspace = Workspace(project)
    with TestClient(build(workspace, token_hash=None), base_url="http://127.0.0.1") as http:
        made = Pair(Caller(http), theirs)
        made.fill()
        yield made
    workspace.close()
    theirs.close()


def quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


texts = st.sampled_from(TEXTS).map(quoted)
patterns = st.sampled_from(["x%", "%x%", "X", "_", "%", "1_%", "100%", "a_b", "a\\_b", "[x]", "*", "?", "é", "É%"]).map(
    quoted
)
numbers = st.sampled_from(["-1.5", "0", "0.25", "0.5", "1", "3.0", "1e300", "-1e301"])
signs = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
moments = st.integers(START - 1, START + 1001).map(str)
metric_names = st.sampled_from(METRICS).map("metrics.`{}`".format)
text_names = st.sampled_from([*PARAMS, "none"]).map("params.`{}`".format) | st.sampled_from(TAGS).map(
    "tags.`{}`".format
)
dataset_names = st.sampled_from(["dataset.name", "dataset.digest", "dataset.context"])
dataset_texts = st.sampled_from(["train", "test", "Other", "d1", "training", "eval", "t%", "T%", ""]).map(quoted)
clauses = st.one_of(
    st.builds("{} {} {}".format, metric_names, signs, numbers),
    st.builds("{} {} {}".format, text_names, st.sampled_from(["=", "!="]), texts),
    st.builds("{} {} {}".format, text_names, st.sampled_from(["LIKE", "ILIKE"]), patterns),
    st.builds("{} {}".format, text_names, st.sampled_from(["IS NULL", "IS NOT NULL"])),
    st.builds("{} {} {}".format, st.sampled_from(["start_time", "end_time", "created"]), signs, moments),
    st.builds(
        "{} {} '{}'".format,
        st.just("status"),
        st.sampled_from(["=", "!=", "LIKE", "ILIKE"]),
        st.sampled_from(["FINISHED", "finished", "F%", "f%", "RUNNING"]),
    ),
    st.builds(
        "{} {} '{}'".format,
        st.sampled_from(["run_name", "`Run name`"]),
        st.sampled_from(["=", "!=", "LIKE", "ILIKE"]),
        st.sampled_from(["run 7", "RUN 1%", "run _", "%9"]),
    ),
    st.builds("user_id {} '{}'".format, st.sampled_from(["=", "!=", "LIKE"]), st.sampled_from(["u1", "U%", "u%"])),
    st.builds("{} {} {}".format, dataset_names, st.sampled_from(["=", "!=", "LIKE", "ILIKE"]), dataset_texts),
    st.builds("{} {} ('train', 'd1', 'eval')".format, dataset_names, st.sampled_from(["IN", "NOT IN"])),
)
filters = st.lists(clauses, max_size=3).map(" AND ".join)
sortable = st.one_of(
    metric_names,
    text_names,
    st.sampled_from(["start_time", "end_time", "status", "user_id", "run_name", "metrics.none", "attributes.created"]),
)
orders = st.lists(
    st.builds("{} {}".format, sortable, st.sampled_from(["ASC", "DESC", ""])).map(str.strip),
    max_size=3,
    unique_by=lambda text: text.removesuffix(" ASC").removesuffix(" DESC"),
)
views = st.sampled_from(["ACTIVE_ONLY", "ACTIVE_ONLY", "DELETED_ONLY", "ALL"])


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(filter=filters, order_by=orders, view=views)
def test_the_same_runs_in_the_same_order(pair: Pair, filter: str, order_by: list[str], view: str) -> None:
    ours, theirs = pair.names(filter=filter, order_by=order_by, run_view_type=view)
    event("refused" if theirs == "refused" else "none" if not theirs else "all" if len(theirs) == RUNS else "some")
    assert ours == theirs


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(filter=filters, order_by=orders, size=st.integers(1, 40))
def test_pages_add_up_to_the_whole(pair: Pair, filter: str, order_by: list[str], size: int) -> None:
    whole, _ = pair.names(filter=filter, order_by=order_by)
    ours, _ = pair.both
    if whole == "refused":
        return
    found: list[str] = []
    token: str | None = ""
    while token is not None:
        status, page = ours.ask(
            "POST",
            "runs/search",
            experiment_ids=pair.experiments[0],
            filter=filter,
            order_by=order_by,
            max_results=size,
            page_token=token,
        )
        assert status == 200
        assert len(page["runs"]) <= size
        found += [run["info"]["run_name"] for run in page["runs"]]
        token = page.get("next_page_token")
    assert found == whole


@pytest.mark.parametrize(
    "filter", ["", "name LIKE 'o%'", "tags.team = 'two'", "tags.team IS NULL", "name ILIKE '%ON%'"]
)
@pytest.mark.parametrize("order_by", [[], ["name"], ["name DESC"], ["creation_time ASC", "name"]])
@pytest.mark.parametrize("view", ["ACTIVE_ONLY", "DELETED_ONLY", "ALL"])
def test_the_same_experiments(pair: Pair, filter: str, order_by: list[str], view: str) -> None:
    found = []
    for server in pair.both:
        status, answer = server.ask(
            "POST", "experiments/search", filter=filter, order_by=order_by, view_type=view, max_results=100
        )
        assert status == 200
        found.append([item["name"] for item in answer.get("experiments", [])])
    assert found[0] == found[1]
