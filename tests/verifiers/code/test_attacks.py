"""Attacks on the sandbox: none is found right, none reaches the host, siblings go on, nothing is left behind."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from ponder.verifiers.rules.code import isolation
from ponder.verifiers.rules.code.boxes.box import Place
from ponder.verifiers.rules.code.isolation import probe, self_test
from ponder.verifiers.rules.code.limits import Cause, Limits
from ponder.verifiers.rules.code.sandbox import Sandbox
from tests.verifiers.code.attacks import HONEST, SLOW, TASK, attacks, attacks_on_rows, leftovers

pytestmark = pytest.mark.skipif(probe().place.bubblewrap is None, reason=f"no isolation on this machine: {probe().why}")
# Own seconds, few; wall clock, many: the tests must not fail because the machine is busy.
LIMITS = Limits(seconds=1.0, memory=256 * 2**20, patience=100.0)


def test_no_attack_is_found_right_or_does_harm(tmp_path, monkeypatch):
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    monkeypatch.setenv("PONDER_CANARY", "secret")
    before = leftovers()
    with socket.create_server(("127.0.0.1", 0)) as server, Sandbox(limits=LIMITS, workers=2) as sandbox:
        server.setblocking(False)
        tried = attacks(canary, server.getsockname()[1])
        chosen = {name: case for name, case in tried.items() if name not in SLOW[2:]}
        # An honest program stands after every tenth attack.
        jobs = [(name, source) for name, (source, _) in chosen.items()]
        for place in range(0, len(jobs), 10):
            jobs.insert(place, (f"honest {place}", HONEST))
        endings = list(sandbox.map(lambda job: sandbox.run(TASK, job[1]), jobs))
        with pytest.raises(BlockingIOError):
            server.accept()
    told = {name: ending for (name, _), ending in zip(jobs, endings, strict=True)}
    assert {ending.cause for name, ending in told.items() if name not in chosen} == {Cause.RIGHT}
    assert {name: told[name] for name, (_, allowed) in chosen.items() if told[name].cause not in allowed} == {}
    assert canary.read_text() == "untouched"
    assert [path.name for path in tmp_path.iterdir()] == ["canary"]
    assert set(leftovers()) <= set(before)


def test_tests_that_lean_on_helpers_exceptions_and_arguments_are_not_fooled():
    with Sandbox(limits=LIMITS, workers=2) as sandbox:
        tried = attacks_on_rows()
        endings = list(sandbox.map(lambda case: sandbox.run(*case), tried.values()))
    told = dict(zip(tried, endings, strict=True))
    expected = {
        # Whether a result kept beside a changed argument is right, and what class it has, cannot be told from outside.
        "A87 an argument emptied": Cause.GOLD,
        "A87 a class that has every instance": Cause.GOLD,
        "A87 an iterator that never ends": Cause.TIMEOUT,
        "A87 objects that are equal to all": Cause.REFUSED,
    }
    assert {name: ending.cause for name, ending in told.items()} == dict.fromkeys(told, Cause.WRONG) | expected


def test_every_group_of_attacks_has_a_case(tmp_path):
    groups = {int(name[1:3]) for name in attacks(tmp_path, 1)}
    assert groups == {*range(79), *range(81, 85)}


def test_without_the_filter_the_self_test_finds_the_open_door(monkeypatch):
    from ponder.verifiers.rules.code.boxes import box, seccomp

    allow_all = seccomp.program(fork=True)
    monkeypatch.setattr(box, "program", lambda fork: allow_all)
    assert "new processes" in self_test(Place(shutil.which("bwrap")))


@pytest.mark.parametrize("nobody", [True, False])
def test_without_a_control_group_the_limit_on_tasks_binds_once_root_is_given_up(nobody, monkeypatch):
    if os.geteuid() != 0:
        pytest.skip("an unprivileged user has nothing to give up")
    place = Place(shutil.which("bwrap"), nobody=nobody)
    assert self_test(place) == ([] if nobody else ["any number of threads"])
    monkeypatch.setattr("ponder.verifiers.rules.code.boxes.cgroups.parents", lambda: None)
    monkeypatch.setattr(isolation, "_best", lambda _: (place, self_test(place)))
    isolation.probe.cache_clear()
    try:
        assert isolation.probe().level == ("namespaces + seccomp + limits" if nobody else "unsafe, limits only")
    finally:
        isolation.probe.cache_clear()


def test_a_box_leaves_the_hosts_null_device_as_it_was():
    before = Path("/dev/null").stat()
    change = "    try: os.chmod(d, 0o644), os.utime(d, (1, 1))\n    except OSError: pass\n"
    source = f"import os\nfor d in (0, '/dev/null'):\n{change}"
    with Sandbox(limits=LIMITS) as sandbox:
        assert sandbox.run(TASK, source + HONEST).cause is Cause.RIGHT
        # What one box writes into its own is not there in the next one.
        assert sandbox.run(TASK, "open('/dev/null', 'w').write('x')\n" + HONEST).cause is Cause.RIGHT
        assert sandbox.run(TASK, "assert open('/dev/null').read() == ''\n" + HONEST).cause is Cause.RIGHT
    after = Path("/dev/null").stat()
    assert (after.st_mode, after.st_uid, after.st_mtime) == (before.st_mode, before.st_uid, before.st_mtime)


def test_a_box_takes_no_slots_of_the_machine_and_opens_no_socket_to_the_machine_below():
    """`io_setup` counts against all of the machine; AF_VSOCK (40) leaves a private network namespace."""
    source = """import ctypes, errno, platform, socket
libc = ctypes.CDLL(None, use_errno=True)
context, number = ctypes.c_ulong(0), 206 if platform.machine() == "x86_64" else 0
assert libc.syscall(number, 1, ctypes.byref(context)) == -1 and ctypes.get_errno() == errno.EPERM
try:
    socket.socket(40, socket.SOCK_STREAM)
    raise AssertionError("opened")
except OSError as error:
    assert error.errno == errno.EPERM, error
"""
    with Sandbox(limits=LIMITS) as sandbox:
        assert sandbox.run(TASK, source + HONEST).cause is Cause.RIGHT
