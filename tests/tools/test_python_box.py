"""The Python box: output, what earlier calls defined, mistakes, and programs that mean harm."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from ponder.tools import Misused, PythonBox


@pytest.fixture(scope="module")
def box() -> Iterator[PythonBox]:
    made = PythonBox(seconds=1.0)
    yield made
    made.close()


def run(box: PythonBox, program: str, earlier: Sequence[str] = ()) -> str:
    return asyncio.run(box.run(program, earlier))


def test_what_is_printed_is_the_result(box: PythonBox) -> None:
    assert run(box, "for i in range(3):\n    print(i)") == "0\n1\n2"


def test_the_value_of_a_last_line_is_printed(box: PythonBox) -> None:
    assert run(box, "x = 17*23\nx") == "391"
    assert run(box, "print(3)") == "3"


def test_definitions_of_earlier_calls_stay_and_their_output_does_not(box: PythonBox) -> None:
    earlier = ["def f(x):\n    return x + 1\nprint('noise')", "y = f(1)"]
    assert run(box, "f(y)", earlier) == "3"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("x = = 1", "SyntaxError"),
        ("1/0", "ZeroDivisionError"),
        ("while True: pass", "time"),
        ("print('x' * 10**8)", ""),
        ("import sys; sys.exit(3)", ""),
        ("x = [0] * 10**10", "memory"),
    ],
)
def test_mistakes_are_the_callers(box: PythonBox, program: str, why: str) -> None:
    with pytest.raises(Misused, match=f"(?i){why}"):
        run(box, program)


def test_a_box_that_cannot_start_is_no_mistake_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    from ponder.verifiers.rules.code.limits import Cause, Ending

    class Broken:
        def output_of(self, code: str, given: str = "") -> tuple[Ending, str]:
            return Ending(Cause.INFRASTRUCTURE, "no box could be started"), ""

    made = PythonBox()
    monkeypatch.setattr(PythonBox, "_box", lambda self: Broken())
    with pytest.raises(RuntimeError, match="no box"):
        run(made, "print(1)")
