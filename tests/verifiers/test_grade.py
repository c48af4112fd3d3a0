"""`ponder grade`: row for row, nothing written for a broken file, interrupted work kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from ponder.types import PonderError
from ponder.verifiers.grade import grade_file

ROWS: list[dict[str, Any]] = [
    {"id": "a", "prediction": "So \\boxed{\\frac{1}{2}}.", "answer": "0.5"},
    {"id": 7, "prediction": "The answer is 4.", "answer": 5},
    {"id": "c", "prediction": None, "answer": "5"},
    {"id": "d", "prediction": "def f(): pass", "tests": "assert f() is None"},
    {"id": "e", "prediction": "Hello.", "constraints": [{"id": "length", "kwargs": {}}]},
    {"id": "f", "prediction": "5", "answer": None},
    {"id": "g", "prediction": "5", "answer": {"value": 1}},
    {"id": "h", "prediction": "5", "answer": "5", "verifier": "astrology"},
    {"id": "i", "prediction": "1+x", "answer": "x+1", "verifier": "math"},
]


def _write(path, rows):
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def _grade(tmp_path, rows, **options):
    out = tmp_path / "out.jsonl"
    # The one program in these rows is our own: it may run where there is no isolation.
    options = {"workers": 1, "allow_unsafe_code": True, **options}
    summary = grade_file(_write(tmp_path / "in.jsonl", rows), out, **options)
    return summary, [json.loads(line) for line in out.open(encoding="utf-8")]


def test_each_row_gets_its_result_in_order(tmp_path):
    summary, results = _grade(tmp_path, ROWS)
    assert [result["id"] for result in results] == [row["id"] for row in ROWS]
    assert [result["outcome"] for result in results] == [1.0, 0.0, 0.0, 1.0, None, None, None, None, 1.0]
    assert [r["failure"] for r in results][3:8] == [None, "gold", "gold", "unsupported", "unsupported"]
    assert all(set(result) == {"id", "outcome", "failure", "extracted", "detail"} for result in results)
    assert all((result["outcome"] is None) == (result["failure"] is not None) for result in results)
    assert results[3]["detail"].startswith("right: 1 calls [")
    assert (summary.rows, summary.right, summary.wrong) == (9, 3, 2)
    assert summary.failures == {"unsupported": 2, "gold": 2}
    assert summary.accuracy == 0.6


def test_progress_counts_up_to_all_rows(tmp_path):
    seen = []
    _grade(tmp_path, ROWS[:3], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("{broken\n", "line 2: not JSON"), ("[1]\n", "line 2: list instead of an object"),
        ({"prediction": "5", "answer": "5"}, "line 2: no 'id'"), ({"id": 1, "answer": "5"}, "line 2: no 'prediction'"),
        ({"id": 1, "prediction": "5"}, "line 2: exactly one of answer, tests, constraints"),
        ({"id": 1, "prediction": "5", "constraints": [], "tests": ""}, "line 2: exactly one of"),
        ({"id": 1, "prediction": 5, "answer": "5"}, "line 2: prediction is int"),
    ],
)  # fmt: skip
def test_a_broken_row_is_named_by_file_and_line_before_anything_is_written(tmp_path, bad, says):
    with pytest.raises(PonderError, match=says) as error:
        _grade(tmp_path, [ROWS[0], bad, ROWS[1]])
    assert "in.jsonl" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_an_error(tmp_path, content):
    with pytest.raises(PonderError, match="has no rows"):
        _grade(tmp_path, [content] if content else [])


def test_files_that_cannot_be_read_or_written_are_named(tmp_path):
    source = _write(tmp_path / "in.jsonl", ROWS)
    with pytest.raises(PonderError, match=r"cannot read .*missing"):
        grade_file(tmp_path / "missing.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(PonderError, match="is the file to be graded"):
        grade_file(source, source)
    with pytest.raises(PonderError, match="folder does not exist"):
        grade_file(source, tmp_path / "no" / "out.jsonl")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xe9"}\n')
    with pytest.raises(PonderError, match="not UTF-8"):
        grade_file(tmp_path / "latin.jsonl", tmp_path / "out.jsonl")


def test_an_interrupt_keeps_what_is_done_and_leaves_no_partial_file(tmp_path):
    def stop(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="stopped after 4 of 9 rows"):
        _grade(tmp_path, ROWS, progress=stop)
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 4
    assert not (tmp_path / "out.jsonl.partial").exists()


def test_control_c_on_a_running_process_ends_it_and_saves(tmp_path):
    hard = r"\boxed{\int_0^1 e^{x^{x}} \sin(x^x) dx}"
    rows = [{"id": n, "prediction": str(n), "answer": str(n)} for n in range(300)]
    rows += [{"id": n, "prediction": hard, "answer": "5"} for n in range(300, 330)]
    source, out = _write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    script = f"from ponder.verifiers.grade import grade_file; grade_file({str(source)!r}, {str(out)!r}, workers=1)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.DEVNULL)
    while not (tmp_path / "out.jsonl.partial").exists():
        time.sleep(0.05)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) != 0
    assert len(out.read_text().splitlines()) >= 256
