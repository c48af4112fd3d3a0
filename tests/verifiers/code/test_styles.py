"""Honest styles of code: what they are graded as, who supplies the names, which exceptions a test may expect."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

from ponder.types import Key, PonderError, Problem, Question
from ponder.verifiers.rules.code import isolation
from ponder.verifiers.rules.code.extract import program
from ponder.verifiers.rules.code.functions import TESTER
from ponder.verifiers.rules.code.limits import Limits
from ponder.verifiers.rules.code.sandbox import Sandbox
from ponder.verifiers.rules.code.tasks import FunctionTask, TaskError, read_task
from ponder.verifiers.rules.code.verifier import CodeVerifier

boxed = pytest.mark.skipif(
    isolation.probe().place.bubblewrap is None, reason=f"no isolation on this machine: {isolation.probe().why}"
)
LIMITS = Limits(seconds=2.0, patience=100.0)


@pytest.fixture(scope="module")
def grade():
    """Outcome or failure of a candidate for a row."""
    with CodeVerifier(workers=1, limits=LIMITS) as verifier:

        def graded(row, code):
            problem = Problem(
                Question(row.get("id", "p"), "file", row.get("problem", "?")), Key(row.get("answer"), row)
            )
            verdict = next(iter(verifier.grade([(problem, code)])))
            return verdict.failure if verdict.outcome is None else verdict.outcome

        yield graded


SOLUTION = "class Solution:\n    def add(self, a: int, b: List[int]):\n        return (a, *b)\n"
TYPED = f"from typing import *\n{SOLUTION}"
STACK = """
class Stack:
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x)
    def pop(self): return self.items.pop()
"""
PAIR = "class Pair:\n    def __init__(self, x): pass\n"
POINT = "from collections import namedtuple\nP = namedtuple('P', 'a b')\ndef f(x): return P(x, 2)"
ENDLESS = "def f():\n    n = 0\n    while True:\n        yield n\n        n += 1\n"
STATIC = "class Sums:\n    kind = 'sum'\n    @staticmethod\n    def add(a, b): return a + b\n"
ROTATE = "def f(xs, k):\n    xs[:] = xs[k:] + xs[:k]\n"
UNIQUE = "def f(xs):\n    xs[:] = sorted(set(xs))\n    return len(xs)\n"
NAN = float("nan")


def calls(name, inputs, outputs):
    return {"tests": {"fn_name": name, "inputs": inputs, "outputs": outputs}}


def functional(given, expected, **more):
    return {"tests": [{"input": given, "output": expected, "testtype": "functional"}], **more}


def asserts(*tests):
    return {"tests": list(tests)}


@boxed
@pytest.mark.parametrize(
    ("row", "code", "outcome"),
    [
        # calls: a class, tuples for JSON lists, keys that are no text, results in a list of one
        (calls("add", [[1, [2]]], [[1, 2]]), SOLUTION, 1.0),
        (calls("add", [[1, [2]]], [[2, 1]]), SOLUTION, 0.0),
        (calls("f", [[1]], [{"1": [1]}]), "def f(a): return {a: (a,)}", 1.0),
        (calls("f", [[1]], [{"1": 1}]), "def f(a): return {2: a}", 0.0),
        (calls("f", [[1], [2]], [[2], [3]]), "def f(a): return a + 1", 1.0),
        (calls("f", [[1], [2]], [[2], [3]]), "def f(a): return [a + 1]", 1.0),
        (calls("f", [[1], [2]], [[2], [3]]), "def f(a): return [2] if a == 1 else 3", 0.0),
        (calls("f", [[1], [2]], [[2], [3, 4]]), "def f(a): return a + 1", 0.0),
        (calls("f", [[0]], [[NAN, 1]]), "def f(x): return [x * float('inf'), 1]", 1.0),
        (calls("f", [[0]], [[NAN, 1]]), "def f(x): return [0, 1]", 0.0),
        (calls("f", [[[3, 1, 2], 1]], [[1, 2, 3]]), ROTATE, 1.0),
        (calls("f", [[[3, 1, 2], 1]], [[1, 2, 3]]), "def f(xs, k): pass", 0.0),
        (functional("2\n[1]", "[2, 1]", metadata='{"func_name": "add"}'), SOLUTION, 1.0),
        (functional("2\n[1", "3", entry_point="add"), SOLUTION, "gold"),
        # objects and their methods
        (asserts("assert Solution().add(1, [2]) == (1, 2)"), TYPED, 1.0),
        (asserts("s = Solution()\nassert s.add(1, [2]) == (2, 2)"), TYPED, 0.0),
        (asserts("s = Stack()\ns.push(4)\nassert s.items == [4] and s.pop() == 4"), STACK, 1.0),
        (asserts("assert Pair(1) == Pair(1)"), PAIR, "gold"),
        # changes in place: graded where a test asks for nothing else, no verdict where a test looks at both
        (asserts("xs = [3, 1, 2]\nf(xs, 1)\nassert xs == [1, 2, 3]"), ROTATE, 1.0),
        (asserts("xs = [3, 1, 2]\nf(xs, 1)\nassert xs == [1, 2, 3]"), "def f(xs, k): xs.clear()", 0.0),
        (asserts("g = [[1], [2]]\nrow = g[0]\nf(g)\nassert row == [9]"), "def f(g): g[0][0] = 9", 1.0),
        (asserts("xs = [2, 1, 2]\nk = f(xs)\nassert xs[:k] == [1, 2]"), UNIQUE, "gold"),
        (asserts("xs = [2, 1, 2]\nassert f(xs) == 2"), UNIQUE, 1.0),
        # iterators, views, named tuples
        (asserts("assert list(f(3)) == [0, 1, 2]"), "def f(n): yield from range(n)", 1.0),
        (asserts("assert f(3) == [0, 1, 2]"), "def f(n): yield from range(n)", 0.0),
        (asserts("assert f({1: 2}) == {1}"), "def f(d): return d.keys()", 1.0),
        (asserts("assert f(1) == (1, 2)"), POINT, 1.0),
        (
            asserts("assert list(islice(f(), 3)) == [0, 1, 2]"),
            "from itertools import count\ndef f(): return count()",
            1.0,
        ),
        (asserts("assert list(islice(f(), 2500))[2400] == 2400"), ENDLESS, 1.0),
        (asserts("assert sum(f(2500)) == 3123750 and next(f(1)) == 0"), "def f(n): yield from range(n)", 1.0),
        (asserts("assert sum(f(2500)) == 1"), "def f(n): yield from range(n)", 0.0),
        # coroutines, static methods, functions of the candidate's as arguments, classes
        (asserts("assert asyncio.run(f(2)) == 4"), "async def f(x): return x * x", 1.0),
        (asserts("assert asyncio.run(f(2)) == 5"), "async def f(x): return x * x", 0.0),
        (asserts("assert Sums.add(1, 2) == 3 and Sums.kind == 'sum'"), STATIC, 1.0),
        (asserts("assert apply(square, 3) == 9"), "def square(x): return x * x\ndef apply(f, x): return f(x)", 1.0),
        (asserts("assert isinstance(make(1), Pair)"), PAIR + "def make(x): return Pair(x)", "gold"),
        # what is not in the tests' own box is the row's fault, whenever it shows
        (
            asserts("assert f(1) == 1", "import pytest\nwith pytest.raises(ValueError):\n    f(-1)"),
            "def f(x): return x",
            "gold",
        ),
        # a function cannot be passed to another process
        (asserts("assert f(lambda x: x) == 1"), "def f(g): return g(1)", "gold"),
        # a known package that is not in the box is no fault, a name that nobody knows is one
        (asserts("assert f(1) == 1"), "import numpy as np\ndef f(x): return x", "unsupported"),
        (asserts("assert f(1) == 1"), "def f(x):\n    import numpy\n    return x", "unsupported"),
        ({"tests": {"inputs": [""], "outputs": ["1"]}}, "import numpy\nprint(1)", "unsupported"),
        (asserts("assert f(1) == 1"), "import numqy\ndef f(x): return x", 0.0),
        (asserts("assert np.allclose(f(1), 1)"), "def f(x): return x", "gold"),
    ],
)
def test_honest_styles_are_graded_or_cannot_be(grade, row, code, outcome):
    assert grade(row, f"```python\n{code}\n```") == outcome


RAISES = "try:\n    f(-1)\n    assert False\nexcept {} as e:\n    {}"


@boxed
@pytest.mark.parametrize(
    ("test", "raised", "outcome"),
    [
        (RAISES.format("ValueError", "assert str(e) == 'neg' and type(e) is ValueError"), "ValueError('neg')", 1.0),
        (RAISES.format("LookupError", "pass"), "KeyError(1)", 1.0),
        (RAISES.format("IndexError", "pass"), "IndexError(1)", 1.0),
        (RAISES.format("Exception", "pass"), "IndexError(1)", 1.0),
        (RAISES.format("ValueError", "pass"), "TypeError(1)", 0.0),
        ("import unittest\nunittest.TestCase().assertRaises(ValueError, f, 1)", "UnicodeError('x')", 1.0),
        ("assert all(map(f, [1, 2])) and f", "StopIteration", 0.0),
        ("assert getattr(type('T', (), {'x': property(lambda s: f(1))})(), 'x', 1)", "AttributeError", 0.0),
    ],
)
def test_a_test_may_expect_the_exceptions_that_it_names_and_no_other_arrives_as_itself(grade, test, raised, outcome):
    assert grade(asserts(test), f"def f(x): raise {raised}") == outcome


def test_only_what_the_row_names_is_asked_of_the_candidate():
    def asked(tests, answer="", **row):
        task = read_task({"tests": [tests], **row}, "?", answer)
        assert isinstance(task, FunctionTask)
        return task.asked

    assert asked("assert Counter(f(1)) == Counter([1])") == ("f",)
    assert asked("assert isclose(mean([1]), 1)") == ("mean",)  # both are of the library: the inner one is asked for
    assert asked("assert median([1, 2]) == 1.5") == ("median",)
    assert asked("assert gap(Pair(1, 4)) == 3") == ("Pair", "gap")
    assert asked("assert gcd(f(2), 4) == 2", "def f(x): return x\ndef gcd(a, b): return a") == ("f", "gcd")
    assert asked("assert gcd(f(2), 4) == 2", "def f(x): return x") == ("f",)
    assert asked("assert near(f(2), 4)", "from math import isclose as near\ndef f(x): return x") == ("f",)
    for tests, row in (
        ("assert near(f(2), 4)", {"entry_point": "f"}),
        ("assert near(f(2), 4)", {"answer": "def f(x): return x"}),
        ("assert near(f(2), 4)", {}),
        ("try:\n    f(1)\nexcept Own:\n    pass", {}),
    ):
        with pytest.raises(TaskError):
            asked(tests, **row)


@boxed
def test_rows_with_one_id_do_not_share_a_verdict_on_their_answers(grade):
    broken = {"id": "same", "tests": ["assert f(1) == 1", "assert f(1) == 2"], "answer": "def f(x): return x"}
    sound = {"id": "same", "tests": ["assert f(1) == 1"], "answer": "def f(x): return x"}
    assert [grade(row, "def f(x): return 3") for row in (broken, sound, broken)] == ["gold", 0.0, "gold"]


@boxed
def test_a_tester_has_its_whole_time_again_for_each_row(monkeypatch):
    """Four rows of one second each, and a tester with three seconds for a row."""
    monkeypatch.setattr("ponder.verifiers.rules.code.sandbox.TESTER", replace(TESTER, seconds=3.0, patience=100.0))
    task = FunctionTask(("f",), "import time", ("assert f(1) == 1; time.sleep(1.0)",), entry="f")
    with Sandbox(limits=LIMITS) as box:
        assert [box.run(task, "def f(x): return x").detail for _ in range(4)] == ["1 calls"] * 4


def test_what_a_block_uses_comes_from_the_other_blocks_and_nothing_else_does():
    helper = "import math\nLIMIT = 10\n\ndef helper(x):\n    return min(x, LIMIT)\n\n"
    own = "def f(x):\n    return helper(math.floor(x))\n"
    text = (
        f"A helper:\n```python\n{helper}print(helper(3))\n```\nThen\n```python\n{own}```\n```python\nprint(f(1))\n```\n"
    )
    assert program(text, "f") == helper + own
    final = "def f(x):\n    g = 3\n    return g\n"
    assert program(f"```python\ndef f(x): return 0\ndef g(x): return 1\n```\n```python\n{final}```", "f") == final
    future = (
        "```python\ndef g(): return 1\n```\n```python\nfrom __future__ import annotations\ndef f(): return g()\n```"
    )
    assert program(future, "f") == "from __future__ import annotations\ndef g(): return 1\ndef f(): return g()\n"


def test_fences_in_docstrings_in_lists_and_of_more_marks():
    documented = 'def f():\n    """\n    ```\n    f()\n    ```\n    """\n    return 1\n'
    assert program(f"```python\n{documented}```\nText.\n", "f") == documented
    assert program("1. So:\n   ```python\n   def f():\n       return 1\n   ```\n", "f") == "def f():\n    return 1\n"
    assert program("````python\nx = '''\n```\n'''\n````\n") == "x = '''\n```\n'''\n"


def test_a_program_is_the_last_block_that_reads_its_input():
    reads, prints, checks = "print(input())\n", "print(3)\n", "assert 1 + 2 == 3\n"
    assert program(f"```\n{reads}```\nOutput:\n```\n3\n```") == reads
    assert program(f"```python\n{reads}```\nA check:\n```python\n{checks}{prints}```") == reads
    assert program(f"```python\n{prints}```\nA check:\n```python\n{checks}```") == prints
    assert program(f"```python\nprint(input() + '1')\n```\nBetter:\n```python\n{reads}```") == reads


@boxed
@pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="numpy is not installed")
def test_packages_that_the_operator_allows_are_in_the_box(monkeypatch):
    monkeypatch.setenv("PONDER_CODE_PACKAGES", "numpy")
    code = "import numpy as np\ndef f(x): return np.array(x) * 2\ndef g(x): return np.float64(x) + f([1])[0]\n"
    tests = ["assert (f([1, 2]) == np.array([2, 4])).all() and f(np.array([1])).tolist() == [2]", "assert g(1) == 3"]
    with Sandbox(limits=Limits(seconds=6.0, patience=100.0)) as sandbox:
        ending = sandbox.run(read_task({"tests": tests}, "?", code), code)
        assert (ending.cause, ending.detail) == ("right", "3 calls")
        assert sandbox.isolation.level.endswith("+ numpy")
    monkeypatch.setenv("PONDER_CODE_PACKAGES", "numqy")
    with pytest.raises(PonderError, match="PONDER_CODE_PACKAGES: 'numqy' is not installed"):
        Sandbox()
