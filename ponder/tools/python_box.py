"""A Python box: programs in the sandbox that also grades code, with what earlier calls defined.

Each call runs in a fresh box: the programs of the earlier calls of the same chain of thought run first with their
output thrown away, then the new one, whose output is the result. So a search may branch after any call and a resumed
run sees the same state; what it costs is that time and memory are those of the whole chain. An expression on the last
line is printed, as in a notebook.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PrivateAttr

from ponder.tools.tool import Misused, Tool
from ponder.verifiers.rules.code.limits import Cause, Limits
from ponder.verifiers.rules.code.sandbox import Sandbox

# What went before runs with its output thrown away; the mark tells where the output of the new program begins.
_MARK = "\u2402ponder\u2403"
_REPLAY = """\
import contextlib as _c, io as _i, sys as _s
_space = {{"__name__": "__main__"}}
for _part in {earlier!r}:
    with _c.redirect_stdout(_i.StringIO()), _c.suppress(Exception):
        exec(compile(_part, "<earlier>", "exec"), _space)
_s.stdout.write({mark!r})
exec(compile({program!r}, "<call>", "exec"), _space)
"""
_OURS = (Cause.INFRASTRUCTURE, Cause.UNSUPPORTED)


class PythonBox(Tool):
    """Runs a Python program in a sandbox; the result is what it prints."""

    kind: Literal["python"] = "python"
    memory_mb: Annotated[int, Field(ge=64, le=16384)] = 256
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    allow_unsafe_code: bool = False
    usage: ClassVar[str] = "what a Python program prints (standard library only; definitions of earlier calls stay)"
    example: ClassVar[tuple[str, str]] = ("print(sum(range(10)))", "45")
    argument: ClassVar[str] = "program"
    _sandbox: Sandbox | None = PrivateAttr(default=None)

    @property
    def patience(self) -> float:
        """The box keeps the limit on the program's own time; this is for a machine that is busy or stuck."""
        return 20 * self.seconds + 120

    async def run(self, argument: str, earlier: Sequence[str]) -> str:
        try:
            program = _with_last_value(argument)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise Misused(f"{type(error).__name__}: {error}") from None
        source = _REPLAY.format(earlier=[_with_last_value(part) for part in earlier], mark=_MARK, program=program)
        box = self._box()
        ending, output = await asyncio.to_thread(box.output_of, source)
        output = output.rpartition(_MARK)[2] if _MARK in output else ""
        if ending.cause in _OURS:
            raise RuntimeError(f"{ending.cause}: {ending.detail}")
        if ending.cause is not Cause.RIGHT:
            raise Misused("\n".join(filter(None, (output.strip(), ending.detail or str(ending.cause)))))
        return output.strip("\n")

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def _box(self) -> Sandbox:
        if self._sandbox is None:
            limits = Limits(seconds=self.seconds, memory=self.memory_mb * 2**20)
            self._sandbox = Sandbox(workers=self.workers, limits=limits, allow_unsafe=self.allow_unsafe_code)
        return self._sandbox


def _with_last_value(program: str) -> str:
    """`program`, printing the value of its last line if that is an expression which is no call of print."""
    tree = ast.parse(program)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return program
    shown = ast.parse("(lambda _v: _v is None or print(_v))(0)").body[0]
    assert isinstance(shown, ast.Expr) and isinstance(shown.value, ast.Call)
    shown.value.args = [last.value]
    tree.body[-1] = shown
    return ast.unparse(ast.fix_missing_locations(tree))
