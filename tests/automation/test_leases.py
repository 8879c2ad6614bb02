"""Leases: one living owner, dead ones taken over, late ones fenced."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mainspring.automation import leases, records
from mainspring.automation.recorder import recording
from mainspring.automation.records import LeaseRow
from mainspring.automation.step import step
from mainspring.base.clock import now
from mainspring.base.errors import Conflict
from mainspring.base.owner import describe


def hold(workspace, owner, expires_at, token=5, name="work"):
    with workspace.database.write() as connection:
        before = records.find_lease(connection, name)
        row = LeaseRow(name=name, owner=owner, token=token, expires_at=expires_at)
        records.put_lease(connection, row, before=before)


WHO = "from mainspring.base.owner import describe; print(describe(), flush=True); input()"


def dead_owner() -> str:
    return subprocess.run([sys.executable, "-c", WHO], capture_output=True, text=True, input="\n").stdout.strip()


@pytest.fixture
def living_owner():
    with subprocess.Popen(
        [sys.executable, "-c", WHO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        yield other.stdout.readline().strip()
        other.communicate("\n")


def test_one_owner_at_a_time(bare):
    with leases.acquire(bare, "work"):
        with pytest.raises(Conflict, match="being done by another process"):
            leases.acquire(bare, "work")
        leases.acquire(bare, "other").release()
    leases.acquire(bare, "work").release()


def test_the_token_grows(bare):
    first = leases.acquire(bare, "work")
    first.release()
    first.release()
    second = leases.acquire(bare, "work")
    assert second.token == first.token + 1
    second.release()


def test_a_dead_owner_is_taken_over_at_once(bare):
    hold(bare, dead_owner(), now() + 1_000_000)
    lease = leases.acquire(bare, "work")
    assert lease.token == 6
    lease.release()


def test_a_living_owner_is_never_taken_over_however_late_its_heartbeat(bare, living_owner):
    hold(bare, living_owner, now() - 1_000_000)
    with pytest.raises(Conflict):
        leases.acquire(bare, "work")


def test_what_this_process_could_not_give_back_it_takes_again(bare):
    hold(bare, describe(), now() + 1_000_000)
    with leases.acquire(bare, "work") as lease, pytest.raises(Conflict):
        assert lease.token == 6
        leases.acquire(bare, "work")


def test_an_owner_elsewhere_counts_until_its_lease_runs_out(bare):
    hold(bare, "another-host 1 0.00", now() + 1_000_000)
    with pytest.raises(Conflict, match="another-host"):
        leases.acquire(bare, "work")
    hold(bare, "another-host 1 0.00", now() - 1)
    leases.acquire(bare, "work").release()


def test_what_a_fenced_owner_does_is_not_recorded(bare):
    @step
    def one():
        return 1

    @step
    def two():
        return 2

    lease = leases.acquire(bare, "work")
    with pytest.raises(Conflict, match="taken over"), recording(bare) as recorder:
        recorder.lease = lease
        one()
        hold(bare, "another-host 1 0.00", now() + 1_000_000, token=lease.token + 1)
        two()
    recorder.lease = None
    lease.release()
    with bare.database.read() as connection:
        execution = records.find_executions(connection)[0]
        assert [row.name for row in records.steps_of(connection, execution.id)] == ["one"]
        held = records.find_lease(connection, "work")
    assert (held.owner, held.expires_at > now()) == ("another-host 1 0.00", True)
