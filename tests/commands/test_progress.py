"""Progress in a log file, on a terminal of 80 columns, and what Ctrl-C says."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from functools import partial
from pathlib import Path

import pytest

from ponder.commands.progress import HEARTBEAT_SECONDS, Bars, _Lines

STEPS = """
import time
from ponder.commands.progress import Bars
with Bars(lines={lines}) as bars:
    for done in range(4):
        note = f"round {{done}}: sampling, a note that is far too long for a narrow window"
        bars.tell("training", 20 + done, 200, note)
        time.sleep(0.3)
"""


def on_terminal(code: str, columns: int) -> str:
    """What a program writes on a terminal of this width, without the control sequences."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "24"}
    with subprocess.Popen([sys.executable, "-c", code], stderr=theirs, stdout=theirs, env=environment) as process:
        os.close(theirs)
        data = b""
        while True:
            try:
                block = os.read(ours, 65536)
            except OSError:  # the terminal of a process that has ended
                break
            if not block:
                break
            data += block
        assert process.wait(60) == 0
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode())


@pytest.mark.parametrize("columns", [80, 60])
def test_on_a_narrow_terminal_bar_counter_and_time_left_stay(columns: int) -> None:
    drawn = [line.rstrip() for line in re.split(r"[\r\n]+", on_terminal(STEPS.format(lines=False), columns)) if line]
    last = [line for line in drawn if "23/200" in line][-1]
    assert re.match(r"training [━╸╺ ]{8,} *23/200 0:00:0\d, 0:0\d:\d\d left ", last), last
    assert max(map(len, drawn)) <= columns
    assert "…" in last


def test_lines_of_steps_stay_on_the_terminal() -> None:
    shown = on_terminal(STEPS.format(lines=True), 120)
    for number in range(3):
        assert f"round {number}: sampling, a note that is far too long for a narrow window ({21 + number}/200" in shown


def test_a_log_file_has_a_plain_line_for_each_step(tmp_path) -> None:
    with (tmp_path / "log").open("w") as log:
        subprocess.run([sys.executable, "-c", STEPS.format(lines=False)], stderr=log, check=True, timeout=60)
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == [f"training {20 + done}/200" for done in range(4)]
    assert "left" not in lines[0]  # nothing is known yet
    assert re.fullmatch(
        r"training 23/200, 0:00:0\d passed, about 0:0\d:\d\d left: round 3: sampling, a note .* window", lines[3]
    )


def test_time_left_counts_what_was_done_since_the_start_and_silence_has_a_sign_of_life() -> None:
    now, stream = [100.0], io.StringIO()
    lines = _Lines(stream, lambda: now[0])
    lines.tell("training", 10, 40, "sampling")  # resumed at 10
    now[0] += 3
    lines.tell("training", 10, 40, "learning")  # the same step: no line
    now[0] += 57
    lines.beat()
    lines.beat()  # once is enough
    lines.tell("training", 20, 40, "sampling")
    now[0] += 0.1
    lines.tell("training", 21, 40, "sampling")  # faster than anybody reads
    lines.tell("training", 40, 40, "sampling")  # the end is always told
    assert stream.getvalue().splitlines() == [
        "training 10/40, 0:00:00 passed: sampling",
        "training 10/40, 0:01:00 passed: learning",
        "training 20/40, 0:01:00 passed, about 0:02:00 left: sampling",
        "training 40/40, 0:01:00 passed: sampling",
    ]
    assert HEARTBEAT_SECONDS == 15


def test_work_that_begins_under_the_name_of_work_that_ended_has_a_clock_of_its_own() -> None:
    now, stream = [100.0], io.StringIO()
    lines = _Lines(stream, lambda: now[0])
    lines.tell("control", 1, 100, "cloning")
    now[0] += 70
    lines.tell("control", 100, 100, "cloning")
    lines.tell("control", 1, 100, "rejection sampling")
    now[0] += 50
    lines.tell("control", 51, 100, "rejection sampling")
    assert stream.getvalue().splitlines()[2:] == [
        "control 1/100, 0:00:00 passed: rejection sampling",
        "control 51/100, 0:00:50 passed, about 0:00:49 left: rejection sampling",
    ]


PAGE = Path(__file__).parents[2] / "docs" / "training.md"
BLOCK = re.compile(r"```text\n(.*?)```", re.DOTALL)


def test_the_page_shows_the_log_of_a_run_as_it_is_written() -> None:
    """The lines of `docs/training.md`, told again at the times they show, come out as they stand there."""
    shown = BLOCK.findall(PAGE.read_text(encoding="utf-8"))[0].splitlines()
    now, stream = [0.0], io.StringIO()
    lines, began = _Lines(stream, lambda: now[0]), dict[tuple[str, str], float]()
    for line in shown:
        told = re.fullmatch(r"(\w+) (\d+)/(\d+), (\d):(\d\d):(\d\d) passed(?:, about \S+ left)?: (.*)", line)
        assert told, line
        name, note = told[1], told[7]
        seconds = 3600 * int(told[4]) + 60 * int(told[5]) + int(told[6])
        at = began.setdefault((name, note.partition(" ")[0] if name == "control" else ""), now[0] - seconds)
        now[0] = at + seconds
        lines.tell(name, int(told[2]), int(told[3]), note)
    written = stream.getvalue().splitlines()
    left = re.compile(r"about \S+ left")  # the page's seconds are rounded, so the pace is not quite theirs
    assert [left.sub("left", line) for line in written] == [left.sub("left", line) for line in shown]


def test_the_page_shows_80_columns_as_they_are_drawn() -> None:
    shown = BLOCK.findall(PAGE.read_text(encoding="utf-8"))[1].splitlines()
    note = "round 3: learning, arithmetic 46%, cipher 74%, countdown 70%"
    code = f"""
import time
from ponder.commands.progress import Bars
with Bars() as bars:
    bars.starting("loading the model and measuring it before training")
    bars.tell("training", 8, 24, "round 3: sampling")
    bars.tell("training", 11, 24, {note!r})
    time.sleep(0.6)
"""
    drawn = [line.rstrip() for line in re.split(r"[\r\n]+", on_terminal(code, 80)) if "11/24" in line]
    clock = re.compile(r"\d+:\d\d:\d\d|-:--:--")
    assert clock.sub("0:00:00", drawn[-1]) == clock.sub("0:00:00", shown[-1])
    assert max(map(len, shown)) == 80


def test_the_first_stage_ends_the_start() -> None:
    stream = io.StringIO()
    with Bars(stream=stream) as bars:
        bars.starting("loading")
        bars.tell("training", 0, 2, "sampling")
        bars.tell("training", 1, 2, "learning")
    started = [line.partition(",")[0] for line in stream.getvalue().splitlines()]
    assert started == ["starting 0/1", "starting 1/1", "training 0/2", "training 1/2"]


def test_quiet_bars_say_nothing() -> None:
    stream = io.StringIO()
    with Bars(quiet=True, stream=stream) as bars:
        bars.tell("eval", 1, 2, "note")
    assert stream.getvalue() == ""


def test_ctrl_c_in_a_run_says_what_is_saved_and_how_to_go_on(tmp_path) -> None:
    command = [sys.executable, "-m", "ponder.cli", "run", "--out", str(tmp_path / "run"), "--set", "rounds=50"]
    # A test run that was put into the background ignores Ctrl-C, and its children would inherit that.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, preexec_fn=heard
    ) as process:
        assert process.stderr is not None
        first = next((line for line in process.stderr if line.startswith("starting")), "")
        assert re.match(r"starting 0/1, 0:00:0\d passed: loading the model", first), first
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=120)
        assert process.returncode == 130
    assert rest.splitlines()[-1] == "stopped; what was finished is saved; go on with --resume"
