"""What runs the test code: trusted code in a box of its own, apart from every candidate. Sent in as compiled code.

One tester serves many runs. For each job it forks a child, so a test can leave nothing behind; the child runs the tests
with a proxy in the place of each function that they call. A proxy writes the call out (marshal data: exact plain
types), waits for the candidate's result and gives it to the test as a plain value. Thus it is here, and nowhere near
the candidate, that results meet expected values.

Messages, each a frame that starts with one letter: in come `J` job, `R` result, `X` abandon; out go, with the four
bytes that name the job, `H` when it stands, `C` call and `V` verdict: `{"passed", "detail"}`, with `"foreign"` or
`"limit"` where that is what ended it, and `"unfit"` where the tests do what cannot be done from here.
"""

from __future__ import annotations

import builtins
import json
import marshal
import os
import random
import resource
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from ponder.verifiers.rules.code.sent.wire import Malformed, decode

_OF_TESTS = (ImportError, NameError, SyntaxError)
_PLAIN = (int, float, bool, str, bytes, complex, type(None), list, tuple, dict, set, frozenset)


class CandidateError(Exception):
    """What a candidate raised and the tests do not name.

    None of Python's own exceptions: many of them steer the machinery (`StopIteration` ends an `all`, `IndexError` a
    loop, `AttributeError` a `getattr`), and so would decide what a test finds.
    """


class Object:
    """Stands for an object of the candidate's: its attributes are read and its methods called where it is.

    Nothing else can be done with it: `==` would be the candidate's own opinion. `built` says that the tests made it by
    calling a class by its name, so that whatever they do with it is their style and not the candidate's doing.
    """

    __slots__ = ("_built", "_number")

    def __init__(self, number: int, built: bool) -> None:
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_built", built)

    def __getattr__(self, name: str) -> Any:
        return _attribute(object.__getattribute__(self, "_number"), name)

    def _refuse(self, *_: Any) -> NoReturn:
        what = "a test looks into an object of the candidate's own"
        end({"unfit" if object.__getattribute__(self, "_built") else "foreign": True, "detail": what})

    __bool__ = __len__ = __iter__ = __hash__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __call__ = __getitem__ = __contains__ = __str__ = __repr__ = _refuse
    __setattr__ = _refuse


class Named:
    """A function or class of the candidate's, by its name: tests call it, read its attributes and pass it back."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        return asked(self.__name__, args, keywords)

    def __getattr__(self, name: str) -> Any:
        return _attribute(self.__name__, name)

    def __instancecheck__(self, _: object) -> NoReturn:
        end({"unfit": True, "detail": "the tests ask of what class something is, which the candidate decides"})


def _attribute(owner: Any, name: str) -> Any:
    if name[:2] == "__":
        raise AttributeError(name)
    found = asked((owner, name), None, {})
    return (lambda *args, **keywords: asked((owner, name), args, keywords)) if found is METHOD else found


PORTION = 1000  # as in `inside`
METHOD = object()  # what an attribute is that can be called
_OBJECTS: dict[int, Object] = {}


def take() -> bytes:
    size = int.from_bytes(_exactly(4), "big")
    return _exactly(size)


def _exactly(size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = os.read(INCOMING, size - len(data))
        if not part:
            os._exit(0)
        data += part
    return data


def give(letter: bytes, body: bytes) -> None:
    data = (5 + len(body)).to_bytes(4, "big") + letter + JOB + body
    while data:
        data = data[os.write(OUTGOING, data) :]


def end(verdict: dict[str, Any]) -> NoReturn:
    """Give the verdict and end the child at once: no `except` of a test can come between."""
    give(b"V", json.dumps({"passed": False, **verdict}).encode())
    os._exit(0)


def asked(what: Any, args: tuple[Any, ...] | None, keywords: dict[str, Any]) -> Any:
    """Call the candidate's function or method `what`; without `args` read an attribute."""
    special: list[bool] = []
    sent = None if args is None else _plain(args, special)
    give(b"C", marshal.dumps((what, sent, _plain(keywords, special), bool(special), bool(TASK["changes"]))))
    reply = take()
    if reply[:1] == b"X":
        os._exit(0)
    told, _, changes = reply[1:].decode().partition("\n")
    result = _result(told, type(what) is str and what[:1].isupper())
    if changes and args is not None:
        _adopt(changes, args)
    return result


def _plain(value: Any, special: list[bool]) -> Any:
    """`value` as data; types, arrays and candidate's objects become `(..., what, which)`, noted in `special`."""
    kind = type(value)
    if kind is Object:
        special.append(True)
        return (..., "object", object.__getattribute__(value, "_number"))
    if kind is Named:
        special.append(True)
        return (..., "name", value.__name__)
    if kind is type and getattr(builtins, name := str(getattr(value, "__name__", "")), None) is value:
        special.append(True)
        return (..., "type", name)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)) and value.dtype.kind in "biufc":
        special.append(True)
        return (..., "array", (value.dtype.str, value.tolist()))
    if kind not in _PLAIN:
        end(
            {
                "unfit": True,
                "detail": f"the tests pass a {kind.__name__} to the candidate; only plain data can be passed",
            }
        )
    if kind in (list, tuple, set, frozenset):
        return kind(_plain(part, special) for part in value)
    if kind is dict:
        return {_plain(key, special): _plain(part, special) for key, part in value.items()}
    return value


def _result(reply: str, built: bool) -> Any:
    """What a call gave: a value, a numbered object or, raised, an exception."""
    word, _, rest = reply.partition(" ")
    try:
        if word == "value":
            return decode(rest)
        if word == "object":
            return _OBJECTS.setdefault(int(rest), Object(int(rest), built))
        if word == "method":
            return METHOD
        if word == "awaited":
            return _awaited(_result(rest, built))
        if word == "lazy":
            number, _, first = rest.partition(" ")
            return _lazily(int(number), decode(first))
        kind, own, text = rest.split(" ", 2)
        error = _error(getattr(builtins, kind), own, str(decode(text)))
    except (Malformed, ValueError, AttributeError) as fault:
        end({"detail": f"a forged result ({fault})"})
    raise error


async def _awaited(value: Any) -> Any:
    return value


def _lazily(number: int, portion: Any) -> Iterator[Any]:
    """An iterator of the candidate's, portion by portion. A short portion is the last one."""
    while True:
        yield from portion
        if len(portion) < PORTION:
            return
        portion = asked((number, None), (), {})
        if type(portion) is not list:
            end({"detail": "a forged result (no portion)"})


def _error(kind: Any, own: str, message: str) -> Exception:
    """The nearest exception that the tests name, so that they can expect it; for all others a `CandidateError`."""
    for base in kind.__mro__ if isinstance(kind, type) else ():
        if base.__name__ in TASK["caught"] and issubclass(base, Exception):
            try:
                return base(message)
            except TypeError:  # UnicodeDecodeError and its kin want more
                break
    return CandidateError(f"{own}: {message}" if message else own)


def _adopt(changes: str, args: tuple[Any, ...]) -> None:
    """Note that the candidate changed its arguments, and change ours where that is what the tests ask for."""
    CHANGED.append(True)
    if TASK["changes"] != "adopt":
        return
    try:
        for number, new in [(int(number), decode(json.dumps(packed))) for number, packed in json.loads(changes)]:
            _become(args[number], new)
    except (Malformed, ValueError, TypeError, IndexError) as fault:
        end({"detail": f"a forged result ({fault})"})


def _become(old: Any, new: Any) -> None:
    """Give a container the content of another one; the containers in it stay the same objects where they can."""
    if type(old) is not type(new):
        raise TypeError("another type")
    if type(old) is list and len(old) == len(new):
        for place, part in enumerate(new):
            if type(part) in (list, dict, set) and type(old[place]) is type(part):
                _become(old[place], part)
            else:
                old[place] = part
    elif type(old) in (list, bytearray):
        old[:] = new
    else:
        old.clear()
        old.update(new)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run one job's tests and say whether all passed."""
    names: dict[str, Any] = {"__name__": "tests", "__builtins__": builtins, **{n: Named(n) for n in job["asked"]}}
    place = "the set-up"
    try:
        exec(compile(job["setup"], "setup", "exec"), names)  # noqa: S102 - trusted test code in a box of its own
        for number, text in enumerate(job["tests"], start=1):
            place = f"test {number} of {len(job['tests'])}"
            exec(compile(text, "tests", "exec"), names)  # noqa: S102
    except MemoryError as error:
        if "MemoryError" in job["caught"]:  # the candidate may have raised it
            return {"passed": False, "detail": f"{place}: {_what(error, '')}"}
        return {"passed": False, "limit": "memory", "detail": "the tests ran out of memory"}
    except BaseException as error:
        told = f"{place}: {_what(error, text if place != 'the set-up' else '')}"
        # What a candidate raised has its own type unless the tests name it: these are faults of the tests.
        if isinstance(error, _OF_TESTS) and not {"ImportError", "ModuleNotFoundError", "NameError"} & {*job["caught"]}:
            return {"passed": False, "unfit": True, "detail": told}
        if CHANGED and job["changes"] == "watch":
            return {"passed": False, "unfit": True, "detail": f"{told}; the tests look at an argument changed in place"}
        return {"passed": False, "detail": told}
    return {"passed": True, "detail": ""}


def _what(error: BaseException, text: str) -> str:
    """The exception and the line of the test that it came from."""
    line, at = "", error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == "tests":
            line = text.splitlines()[at.tb_lineno - 1].strip()
        at = at.tb_next
    told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{told[:200]} in {line[:200]}" if line else told[:200]


def serve() -> None:
    """A child for each job; if it ends without a verdict the verdict is that it was too much."""
    global JOB, TASK
    random.seed(0)  # every child begins with the same state
    give(b"H", b"")
    while True:
        frame = take()
        if frame[:1] != b"J":  # the result that a child, by now gone, did not wait for
            continue
        JOB, job = frame[1:5], marshal.loads(frame[5:])
        child = os.fork()
        if child == 0:
            TASK = job
            for what, most in ((resource.RLIMIT_CPU, job["seconds"]), (resource.RLIMIT_AS, job["memory"])):
                resource.setrlimit(what, (most, most))
            give(b"V", json.dumps(run(job)).encode())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            told = {"passed": False, "limit": "timeout", "detail": f"the tests were ended by signal {status & 127}"}
            give(b"V", json.dumps(told).encode())


INCOMING, OUTGOING, JOB = -1, -1, bytes(4)
TASK: dict[str, Any] = {"changes": "", "caught": ()}
CHANGED: list[bool] = []
if __name__ == "tester":
    INCOMING, OUTGOING = int(sys.argv[1]), int(sys.argv[2])
    serve()
