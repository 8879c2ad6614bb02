from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from mainspring.tracking.experiments import list_experiments
from mainspring.tracking.query import list_runs
from mainspring.tracking.run import start_run
from mainspring.tracking.search import curves, get_run, history

if TYPE_CHECKING:
    from mainspring.store.workspace import Workspace
    from mainspring.tracking.recording import Run

pytestmark = pytest.mark.slow  # starts processes

DEADLINE = 60


def program(workspace: Workspace, text: str, run: Run | None = None) -> subprocess.Popen[str]:
    variables = os.environ | {"MAINSPRING_WORKSPACE": str(workspace.root)} | (run.environment() if run else {})
    about_forks = "ignore:This process:DeprecationWarning"  # of Python 3.12 and later, where threads are running
    command = [sys.executable, "-W", "error", "-W", about_forks, "-c", textwrap.dedent(text)]
    return subprocess.Popen(
        command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def output(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, err
    assert err == ""
    return out.strip()


def test_a_program_logs_into_the_run_that_started_it(workspace: Workspace) -> None:
    with start_run(workspace, params={"depth": 3}, snapshot=False) as started:
        text = """
            from mainspring.tracking import run
            run.log_param("rate", 0.1)
            run.log_metric("loss", 0.5, step=1)
            run.log_text("hello", "note.txt")
        """
        output(program(workspace, text, started))
        info = get_run(workspace, started.id)
        assert info.status == "running"
        assert info.params == {"depth": "3", "rate": "0.1"}
        assert info.metrics["loss"].value == 0.5


def test_an_untouched_script_enters_the_run_and_nests_its_later_ones(workspace: Workspace) -> None:
    with start_run(workspace, snapshot=False) as started:
        text = """
            from mainspring.tracking.run import log_metric, start_run
            for depth in (1, 2):
                with start_run(experiment="mine", params={"depth": depth}, snapshot=False):
                    log_metric("loss", 0.1 * depth)
            log_metric("after", 1.0)
        """
        output(program(workspace, text, started))
    infos = {info.id: info for info in list_runs(workspace)}
    outer = infos.pop(started.id)
    [inner] = infos.values()
    assert (outer.status, outer.params, set(outer.metrics)) == ("finished", {"depth": "1"}, {"loss", "after"})
    assert (inner.params, inner.tags["mainspring.parent"], inner.experiment) == ({"depth": "2"}, outer.id, "mine")


def test_a_script_that_fails_leaves_the_run_to_its_owner(workspace: Workspace) -> None:
    with start_run(workspace, snapshot=False) as started:
        text = """
            from mainspring.tracking.run import log_metric, start_run
            with start_run(snapshot=False):
                log_metric("loss", 0.1)
                raise SystemExit(3)
        """
        process = program(workspace, text, started)
        process.communicate(timeout=DEADLINE)
        assert process.returncode == 3
        info = get_run(workspace, started.id)
        assert (info.status, list(info.metrics)) == ("running", ["loss"])


def test_a_variable_that_names_no_run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from mainspring.base.errors import NotFound
    from mainspring.tracking.run import active_run

    monkeypatch.setenv("MAINSPRING_RUN_ID", "nobody")
    monkeypatch.setenv("MAINSPRING_WORKSPACE", str(workspace.root))
    with pytest.raises(NotFound, match="there is no run 'nobody'"):
        active_run()


def test_eight_processes_lose_nothing(workspace: Workspace) -> None:
    text = """
        import sys
        from mainspring.tracking.run import log_metric, log_param, set_tag, start_run
        number = int(sys.stdin.readline())
        for step in range(300):
            log_metric(f"loss/{number}", step, step)
            if step % 20 == 0:
                from mainspring.tracking.run import active_run
                active_run().flush()
                set_tag(f"at/{number}", step)
                log_param(f"p/{number}/{step}", step)
        with start_run(snapshot=False): pass
        with start_run(experiment="new", name=f"worker {number}", snapshot=False):
            log_metric("done", 1.0)
    """
    with start_run(workspace, snapshot=False) as started:
        processes = [program(workspace, text, started) for _ in range(8)]
        for number, process in enumerate(processes):
            assert process.stdin is not None
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
        for process in processes:
            output(process)
    keys = [f"loss/{number}" for number in range(8)]
    assert all(curve.values == list(range(300)) for curve in curves(workspace, started.id, keys).values())
    info = get_run(workspace, started.id)
    assert len(info.params) == 8 * 15
    assert {key: value for key, value in info.tags.items() if key.startswith("at/")} == {
        f"at/{number}": "280" for number in range(8)
    }
    assert {run.name for run in list_runs(workspace, "new")} == {f"worker {number}" for number in range(8)}
    assert sorted(experiment.name for experiment in list_experiments(workspace)) == ["new", "wine"]


def test_what_was_flushed_survives_sigkill_and_the_run_is_lost(workspace: Workspace) -> None:
    text = """
        import sys
        from mainspring.tracking.run import start_run
        run = start_run(name="victim", params={"depth": 1}, snapshot=False)
        for step in range(2500):
            run.log_metric("loss", step, step)
        run.flush()
        run.set_tag("phase", "two")
        print("flushed", flush=True)
        for step in range(2500, 4000):
            run.log_metric("loss", step, step)
        sys.stdin.read()
    """
    process = program(workspace, text)
    assert process.stdout is not None
    assert process.stdout.readline() == "flushed\n"
    assert get_run(workspace, "victim").status == "running"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=DEADLINE)
    info = get_run(workspace, "victim")
    assert (info.status, info.ended_at, info.params, info.tags["phase"]) == ("lost", None, {"depth": "1"}, "two")
    values = history(workspace, "victim", "loss").values
    assert len(values) >= 2500
    assert values == list(range(len(values)))  # nothing torn, nothing out of order: only the tail may be missing
    assert [run.name for run in list_runs(workspace, status="lost")] == ["victim"]
    assert list_runs(workspace, status="running") == []


@pytest.mark.parametrize(
    ("last_line", "code", "status", "error"),
    [
        ("pass", 0, "finished", None),
        ("raise ValueError('no rows')", 1, "failed", "ValueError: no rows"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT, "killed", "interrupted"),
    ],
)
def test_a_run_left_open_ends_with_its_program(
    workspace: Workspace, last_line: str, code: int, status: str, error: str | None
) -> None:
    text = f"""
        from mainspring.tracking.run import log_metric, start_run
        start_run(name="open", snapshot=False)
        log_metric("loss", 1.0)
        {last_line}
    """
    process = program(workspace, text)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == code
    info = get_run(workspace, "open")
    assert (info.status, info.error, list(info.metrics)) == (status, error, ["loss"])


def test_workers_that_were_forked_or_spawned_log_into_the_run(workspace: Workspace) -> None:
    script = workspace.root / "train.py"
    script.write_text(
        textwrap.dedent(
            """
            import multiprocessing
            import os
            import sys
            from mainspring.tracking.run import active_run, log_metric, start_run

            def work(number):
                log_metric("loss", number, step=number)
                return os.getpid()

            if __name__ == "__main__":
                with start_run(name=sys.argv[1], snapshot=False) as run:
                    log_metric("loss", 0, step=0)
                    if sys.argv[1] == "spawn":
                        os.environ.update(run.environment())
                    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
                        pids = pool.map(work, range(1, 9), chunksize=1)
                        pool.close()
                        pool.join()
                    assert os.getpid() not in pids
            """
        )
    )
    for method in ("fork", "spawn"):
        subprocess.run(
            [sys.executable, str(script), method], cwd=workspace.root, check=True, timeout=DEADLINE, capture_output=True
        )
        info = get_run(workspace, method)
        assert info.status == "finished"
        assert sorted(history(workspace, method, "loss").values) == list(range(9))


def test_a_fork_that_leaves_the_with_does_not_end_the_run(workspace: Workspace) -> None:
    text = """
        import os, sys
        from mainspring.tracking.run import log_metric, start_run
        with start_run(name="forking", snapshot=False) as run:
            log_metric("mine", 1.0)
            child = os.fork()
            if child == 0:
                log_metric("theirs", 1.0)
                sys.exit(0)
            assert os.waitpid(child, 0)[1] == 0
            from mainspring.tracking.search import get_run
            assert get_run(run.workspace, run.id).status == "running"
    """
    output(program(workspace, text))
    info = get_run(workspace, "forking")
    assert (info.status, sorted(info.metrics)) == ("finished", ["mine", "theirs"])
    assert history(workspace, "forking", "mine").values == [1.0]
