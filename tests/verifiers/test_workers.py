"""Whatever an item does to its worker, its neighbours are judged, in order, and nothing is left behind."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ponder.workers.pool import Pool

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(TESTS))


def _pool(**options):
    return Pool("hostile:act", **{"workers": 2, "seconds": 0.6, **options})


def _echoes(count):
    return [{"do": "echo", "say": number} for number in range(count)]


def test_results_come_in_input_order():
    with _pool() as pool:
        assert [result.value for result in pool.map(_echoes(50))] == list(range(50))


@pytest.mark.parametrize(
    ("deed", "failure"),
    [("sleep", "timeout"), ("spin", "timeout"), ("ignore", "timeout"), ("memory", "memory"), ("die", "crash"),
     ("raise", "crash")],
)  # fmt: skip
def test_a_hostile_item_fails_by_its_type_and_its_neighbours_are_judged(deed, failure):
    seconds = 0.5 if failure == "timeout" else 60
    with _pool(seconds=seconds, patience=3.0, memory=64 * 2**20) as pool:
        results = list(pool.map([{"do": "echo", "say": 1}, {"do": deed}, {"do": "echo", "say": 2}]))
    assert [result.value for result in results] == [1, None, 2]
    assert [result.failure for result in results] == [None, failure, None]


def test_what_an_item_prints_is_not_taken_for_a_reply():
    with _pool() as pool:
        assert [result.value for result in pool.map([{"do": "print"}, {"do": "echo", "say": 5}])] == ["true", 5]


def test_workers_are_replaced_after_their_share_of_items():
    with _pool(workers=1, recycle=2) as pool:
        pids = [result.value for result in pool.map([{"do": "pid"}] * 4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_a_function_that_cannot_be_imported_is_an_infrastructure_failure_of_every_item():
    with Pool("no_such_module:act") as pool:
        results = list(pool.map([1, 2, 3]))
    assert [result.failure for result in results] == ["infrastructure"] * 3
    assert "no_such_module" in results[0].detail


def test_items_are_read_only_as_far_ahead_as_the_window():
    taken = itertools.count()
    endless = ({"do": "echo", "say": next(taken)} for _ in itertools.count())
    with _pool() as pool:
        results = pool.map(endless)
        assert [next(results).value for _ in range(20)] == list(range(20))
        results.close()
    assert next(taken) < 2000


def test_a_worker_that_died_between_two_items_is_replaced_and_no_item_is_lost():
    with _pool(workers=1) as pool:
        (first,) = pool.map([{"do": "pid"}])
        os.kill(first.value, signal.SIGKILL)
        pool._alive[0].process.wait()
        (second,) = pool.map([{"do": "pid"}])
    assert second.failure is None and second.value != first.value


def test_a_limit_on_the_wall_clock_may_be_given_for_one_call():
    with _pool(workers=1, seconds=60.0) as pool:
        began = time.monotonic()
        (late,) = pool.map([{"do": "sleep"}], wall=0.5)
        assert late.failure == "timeout" and "0.5 s" in late.detail and time.monotonic() - began < 50
        assert [result.value for result in pool.map([{"do": "echo", "say": 3}])] == [3]


def test_workers_have_the_variables_that_they_are_given():
    with _pool(environment={"PONDER_TEST": "seen"}) as pool:
        (result,) = pool.map([{"do": "variable", "name": "PONDER_TEST"}])
    assert result.value == "seen"


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "ponder.workers.worker" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def test_no_process_is_left_after_closing_or_stopping_early():
    # Pools of other tests in this process may have workers of their own.
    before = {child.pid for child in psutil.Process().children()}
    pool = _pool()
    results = pool.map([{"do": "pid"}, {"do": "sleep"}, {"do": "sleep"}])
    pid = next(results).value
    assert pid not in before
    results.close()
    pool.close()
    assert not psutil.pid_exists(pid)
    assert not [child for child in psutil.Process().children() if child.pid not in before and _is_worker(child)]


def test_workers_end_by_themselves_when_their_parent_is_killed():
    script = (
        "from ponder.workers.pool import Pool\n"
        "pool = Pool('hostile:act', workers=2, seconds=1.0)\n"
        "results = pool.map([{'do': 'pid'}] + [{'do': 'spin'}] * 4)\n"
        "print(next(results).value, flush=True)\n"
        "list(results)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment, text=True)
    assert parent.stdout is not None
    parent.stdout.readline()
    workers = psutil.Process(parent.pid).children()
    assert workers
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


def test_a_thousand_items_leave_the_parent_no_larger():
    with _pool() as pool:
        list(pool.map(_echoes(200)))
        before = psutil.Process().memory_info().rss
        list(pool.map(_echoes(1000)))
        assert psutil.Process().memory_info().rss - before < 8 * 2**20


def test_a_worker_that_has_to_wait_for_a_core_is_not_late():
    with _pool(workers=1, seconds=0.3, patience=300.0) as pool:
        results = list(pool.map([{"do": "nap"}, {"do": "echo", "say": 1}, {"do": "spin"}]))
    assert [result.failure for result in results] == [None, None, "timeout"]
    assert results[0].seconds > 0.6
    assert "processor time" in results[2].detail


def test_a_deadline_counts_from_the_start_of_the_item_and_not_from_the_queue():
    slow = [{"do": "spin"}] * 3 + [{"do": "echo", "say": 9}]
    with _pool(workers=1) as pool:
        began = time.monotonic()
        results = list(pool.map(slow))
    assert [result.failure for result in results] == ["timeout"] * 3 + [None]
    assert time.monotonic() - began > 1.5
