"""The code verifier: HumanEval, MBPP and stream rows, causes of failure, who is to blame, machines without a box."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.problems.files.jsonl import Jsonl
from ponder.types import Key, PonderError, Problem, Question
from ponder.verifiers.grade import grade_file
from ponder.verifiers.rules.code import isolation
from ponder.verifiers.rules.code.boxes.box import Place
from ponder.verifiers.rules.code.extract import program
from ponder.verifiers.rules.code.limits import Cause, Limits, printable
from ponder.verifiers.rules.code.sandbox import Sandbox
from ponder.verifiers.rules.code.sent.inside import assemble
from ponder.verifiers.rules.code.sent.packing import Foreign, TooLarge, pack
from ponder.verifiers.rules.code.sent.wire import Malformed, decode
from ponder.verifiers.rules.code.tasks import FunctionTask, ProgramTask, TaskError, read_task
from ponder.verifiers.rules.code.verifier import CodeVerifier
from ponder.verifiers.truth import GroundTruth

boxed = pytest.mark.skipif(
    isolation.probe().place.bubblewrap is None, reason=f"no isolation on this machine: {isolation.probe().why}"
)
PROMPT = (
    "from typing import List\n\n\ndef twice(x):\n    return 2 * x\n\n\n"
    'def total(numbers: List[int]) -> int:\n    """ Sum of all, doubled. """\n'
)
HUMANEVAL = {
    "id": "H/0",
    "problem": PROMPT,
    "entry_point": "total",
    "tests": "def check(candidate):\n    assert candidate([1, 2]) == twice(3)\n    assert candidate([]) == 0\n",
}
PAIR = (
    "class Pair:\n    def __init__(self, a, b):\n        self.a, self.b = a, b\n\n\ndef gap(p):\n    return p.b - p.a\n"
)


@pytest.fixture(scope="module")
def verifier():
    with CodeVerifier(workers=2, limits=Limits(seconds=2.0, patience=100.0)) as made:
        yield made


def _problem(tests, answer=None, name="p", **data):
    return Problem(Question(name, "file", data.pop("problem", "?")), Key(answer, {"tests": tests, **data}))


def _judge(verifier, problem, *responses):
    return list(verifier.grade((problem, response) for response in responses))


@boxed
def test_a_humaneval_row_takes_a_body_a_function_and_a_fenced_answer(verifier):
    row = dict(HUMANEVAL)
    problem = _problem(row.pop("tests"), **{k: v for k, v in row.items() if k != "id"})
    verdicts = _judge(
        verifier,
        problem,
        "    return 2 * sum(numbers)\n",
        "def total(numbers):\n    return twice(sum(numbers))\n",
        "<think>\ndef total(n): return 0\n</think>So:\n```python\ndef total(n: List):\n    return 2 * sum(n)\n```\n",
        "    return sum(numbers)\n",
        "<think>\n    return 2 * sum(numbers)\n",
        "twice = lambda x: 0\ndef total(numbers): return 0\n",
    )
    assert [verdict.outcome for verdict in verdicts] == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert verdicts[0].detail == f"right: 2 calls [{isolation.probe().level}]"
    assert "assert candidate([1, 2]) == twice(3)" in verdicts[3].detail
    assert "no program" in verdicts[4].detail


@boxed
def test_mbpp_rows_with_objects_types_set_up_and_names_of_builtins(verifier):
    cases = [
        (_problem(["assert gap(Pair(1, 4)) == 3"]), PAIR),
        (_problem(["assert kind([1], int) == True"]), "def kind(v, t):\n    return all(type(x) is t for x in v)\n"),
        (_problem(["assert sum(10, 15) == 25"]), "def sum(a, b):\n    return a + b\n"),
        (_problem(["assert f(N) == {1, 2}"], test_setup="N = (1, 2)"), "def f(n):\n    return set(n)\n"),
        (_problem(["assert f() == sys.maxsize"]), "import sys\ndef f():\n    return sys.maxsize\n"),
        (_problem({"fn_name": "f", "inputs": [[1, 2]], "outputs": [3]}), "def f(a, b):\n    return a + b\n"),
    ]
    assert [verdict.detail.split()[0] for verdict in verifier.grade(cases)] == ["right:"] * 6


# How competitors read fast: blocks of bytes off the descriptor, with the size that fstat gives.
FAST = """
import os, sys
from io import BytesIO, IOBase
class Fast(IOBase):
    def __init__(self, file):
        self.descriptor, self.buffer, self.lines = file.fileno(), BytesIO(), 0
    def readline(self):
        while self.lines == 0:
            block = os.read(self.descriptor, max(os.fstat(self.descriptor).st_size, 8192))
            self.lines = block.count(b"\\n") + (not block)
            at = self.buffer.tell()
            self.buffer.seek(0, 2), self.buffer.write(block), self.buffer.seek(at)
        self.lines -= 1
        return self.buffer.readline()
sys.stdin = Fast(sys.stdin)
input = lambda: sys.stdin.readline().decode().rstrip()
"""


@boxed
def test_streams_are_compared_word_by_word_and_a_program_must_end_well(verifier):
    problem = _problem([{"input": "1 2\n", "output": "3"}, {"input": "\n", "output": "0\n"}])
    good = "print(sum(map(int, input().split())))\n"
    verdicts = _judge(
        verifier,
        problem,
        good,
        f"import sys\n{good}sys.exit(0)",
        FAST + good,
        f"{good}raise ValueError('late')",
        "print(3)",
        "x = bytearray(10**10)",
        "while True: print('x' * 999)",
    )
    assert [verdict.outcome for verdict in verdicts] == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert [verdict.detail.split(":")[0] for verdict in verdicts[3:]] == ["wrong", "wrong", "memory", "output"]
    assert "ValueError: late" in verdicts[3].detail
    assert "input 2 of 2" in verdicts[4].detail


@boxed
def test_what_the_task_is_to_blame_for_is_a_failure_and_names_it(verifier):
    answer = "class Node:\n    pass\ndef f(n):\n    return 1\n"
    before = _problem(["assert f(root) == 1"], answer, "mbpp-927", test_setup="root = Node()")
    contradiction = _problem(["assert f(1) == 1", "assert f(1) == 2"], "def f(x):\n    return x\n", "split")
    unreadable = _problem(["assert ("], name="broken")
    verdicts = [_judge(verifier, problem, answer)[0] for problem in (before, contradiction, unreadable)]
    assert [(verdict.outcome, verdict.failure) for verdict in verdicts] == [(None, "gold")] * 3
    assert "mbpp-927: its own answer fails its own tests" in verdicts[0].detail and "'Node'" in verdicts[0].detail
    assert "split: its own answer fails" in verdicts[1].detail
    assert "broken: tests cannot be parsed" in verdicts[2].detail


@boxed
def test_a_wrong_answer_to_a_sound_task_stays_wrong(verifier):
    problem = _problem(["assert f(2) == 4"], "def f(x):\n    return x * x\n", "sound")
    assert [verdict.outcome for verdict in _judge(verifier, problem, "def f(x): return 5", "def f(x): return 4")] == [
        0,
        1,
    ]


@boxed
def test_a_tester_that_dies_is_replaced_and_its_run_is_nobodys_fault():
    task = FunctionTask(("f",), "", ("assert f(1) == 1",), entry="f")
    dying = FunctionTask(("f",), "import os, signal", ("f(1); os.kill(os.getppid(), signal.SIGKILL); f(1)",), entry="f")
    with Sandbox(limits=Limits(seconds=1.0, patience=100.0)) as sandbox:
        endings = [sandbox.run(each, "def f(x): return x") for each in (task, dying, task)]
    # Process 1 of a box cannot be killed from inside, so even the tester's own child cannot end it.
    assert [ending.cause for ending in endings] == [Cause.RIGHT] * 3


@boxed
def test_tests_that_run_away_on_a_result_are_the_candidates_timeout():
    task = FunctionTask(("f",), "", ("assert all(True for _ in range(f(1)))",), entry="f")
    with Sandbox(limits=Limits(seconds=1.0, patience=100.0)) as sandbox:
        assert sandbox.run(task, "def f(x): return 10**12").cause is Cause.TIMEOUT
        assert sandbox.run(task, "def f(x): return 10").cause is Cause.RIGHT


@boxed
def test_many_runs_keep_their_order(verifier):
    problem = _problem(["assert f(1) == 1"])
    responses = [f"def f(x): return {n % 2}" for n in range(24)]
    assert [verdict.outcome for verdict in _judge(verifier, problem, *responses)] == [0.0, 1.0] * 12


@boxed
def test_a_program_that_is_too_long_is_refused(verifier):
    assert "refused" in _judge(verifier, _problem(["assert f(1) == 1"]), "#" * 300_000)[0].detail


@boxed
def test_rows_of_a_file_come_through_families_and_through_grade(tmp_path):
    rows: list[dict[str, Any]] = [
        {**HUMANEVAL, "answer": "    return 2 * sum(numbers)\n"},
        {"id": "m", "problem": "Add.", "answer": "def add(a, b): return a + b", "tests": ["assert add(1, 2) == 3"]},
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    problems = [row.problem for row in Jsonl(tmp_path / "rows.jsonl", split="all").rows]
    with GroundTruth(workers=2) as truth:
        assert [v.outcome for v in truth.grade(problems, [p.key.answer or "" for p in problems])] == [1.0, 1.0]
    predictions = [{**row, "prediction": row["answer"]} for row in rows] + [
        {"id": "x", "prediction": "4", "answer": "4"},
        {"id": "bad", "prediction": "def f(): pass", "tests": 7},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in predictions))
    summary = grade_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", workers=2)
    assert (summary.right, summary.wrong, dict(summary.failures)) == (3, 0, {"gold": 1})


def test_a_machine_without_isolation_is_refused_before_anything_runs(tmp_path, monkeypatch):
    bare = isolation.Isolation("unsafe, limits only", Place(None), None, "bubblewrap is not installed")
    monkeypatch.setattr(isolation, "probe", lambda: bare)
    with pytest.raises(PonderError, match=r"apt-get install bubblewrap.*--allow-unsafe-code"):
        Sandbox()
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": 1, "prediction": "x", "tests": "assert f()"}) + "\n")
    with pytest.raises(PonderError, match="bubblewrap is not installed"):
        grade_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_without_isolation_but_allowed_the_same_programs_run_and_the_result_says_so(monkeypatch):
    bare = isolation.Isolation("unsafe, limits only", Place(None), None, "bubblewrap is not installed")
    monkeypatch.setattr(isolation, "probe", lambda: bare)
    with CodeVerifier(allow_unsafe=True) as unsafe:
        verdict, wrong = _judge(
            unsafe, _problem(["assert f(2) == 4"]), "def f(x): return x * x", "import os\ndef f(x): os._exit(0)"
        )
    assert (verdict.outcome, verdict.detail) == (1.0, "right: 1 calls [unsafe, limits only]")
    assert wrong.outcome == 0.0 and "early exit" in wrong.detail


def test_a_missing_bubblewrap_is_what_the_probe_says(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    isolation.probe.cache_clear()
    try:
        assert isolation.probe().why == "bubblewrap is not installed"
        assert isolation.probe().level == "unsafe, limits only"
    finally:
        isolation.probe.cache_clear()


_keys = st.one_of(st.integers(), st.text(max_size=5), st.booleans(), st.tuples(st.integers(), st.text(max_size=3)))
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(max_size=9)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(_keys, inner, max_size=3), st.sets(_keys)
    ),
    max_leaves=12,
)


@given(_values)
@settings(max_examples=60, deadline=None)
def test_what_is_packed_comes_back_as_the_same_types(value):
    back = decode(pack(value, [10**6]))
    assert (repr(sorted(back, key=repr)) if isinstance(back, set) else repr(back)) == (
        repr(sorted(value, key=repr)) if isinstance(value, set) else repr(back)
    )
    assert back == value and type(back) is type(value)


@given(st.text(alphabet='[]{}",:0123456789abcdeflistuple ', max_size=40))
@settings(max_examples=100, deadline=None)
def test_forged_text_is_a_plain_value_or_malformed(text):
    with contextlib.suppress(Malformed):
        assert type(decode(text)) in (int, float, str, bool, type(None), list, tuple, set)


def test_packing_has_a_cap_and_knows_only_exact_types():
    with pytest.raises(TooLarge):
        pack(["x" * 100] * 100, [1000])
    with pytest.raises(TooLarge):
        pack((0 for _ in iter(int, 1)), [1000])
    with pytest.raises(Foreign, match="ellipsis"):
        pack(..., [1000])
    with pytest.raises(Foreign):
        pack({"a": [type("I", (int,), {})(3)]}, [1000])


def test_the_last_block_that_defines_the_name_is_the_program():
    text = "```python\ndef f(): return 1\n```\nand use it:\n```python\nprint(f())\n```\n"
    assert program(text, "f") == "def f(): return 1\n"
    assert program(text, "g") == "def f(): return 1\nprint(f())\n"
    assert program("```\nx = 1\n```\n```python\ny = 2\n```") == "y = 2\n"
    assert program("Here:\n```python\nx = 1") == "x = 1\n"
    assert program("    return 1\n") == "    return 1\n"
    assert program("```\n" * 200_001 + "x = 1") == "x = 1\n"  # in linear time
    assert program("<think>x = 1") is None and program("x</think>  ") is None


def test_a_body_goes_below_its_prompt_and_a_whole_function_stands_alone():
    prompt = 'def f(x):\n    """Doc."""\n'
    assert assemble(prompt, "    return x\n", "f") == prompt + "    return x\n"
    assert assemble(prompt, "return x\n", "f") == prompt + "    return x\n"
    assert assemble(prompt, "def f(x): return 1\n", "f") == "def f(x): return 1\n"
    assert assemble(prompt, "no python", "f") == "no python"


def test_what_a_test_asks_for_is_what_nobody_else_defines():
    task = read_task({"tests": ["assert set(f(N)) == g(1)"], "test_setup": "N = 3"})
    assert isinstance(task, FunctionTask) and task.asked == ("f", "g")
    streams = read_task({"tests": json.dumps({"inputs": ["1\n", ["a", "b"]], "outputs": ["2", "3"]})})
    assert streams == ProgramTask((("1\n", "2"), ("a\nb", "3")))
    for tests in (None, [], "", [3], {"inputs": ["1"], "outputs": []}, [{"input": 3, "output": "x"}], ["1 + 1"]):
        with pytest.raises(TaskError):
            read_task({"tests": tests})


def test_details_are_one_line_of_plain_ascii():
    assert printable("a\n\x1b[2J\ud800é") == "a\\n\\x1b[2J\\ud800\\xe9"
    assert len(printable("x" * 999)) == 304
