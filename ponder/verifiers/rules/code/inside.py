"""What runs in the box around a candidate. Stands alone: it is sent in as compiled code and imports nothing of ours.

It reads frames (four bytes of length, then marshal data, which comes from us) on one pipe and writes frames of text on
another, each starting with a secret drawn for this run. After the limits are set it says `hello` and waits to be told
to go on; then it either runs the program as `__main__`, or loads it as a module and answers calls one at a time.
Whatever a candidate changes in here (builtins, frames, memory) it changes in its own process, which never holds an
expected value: all that can come out are results, and a result must be plain data.

A result is written as JSON in which text is hex and every container names its type: `["tuple", [1, "6162"]]`. Only
exact built-in types and a few of the standard library are written; a subclass, an iterator or an object of the
candidate's own is foreign. One exception: what a class of the candidate returns when it is called stays here, and its
number goes out, so that a test may build objects and pass them back.
"""

from __future__ import annotations

import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing these takes as long as the interpreter's start
    from collections.abc import Callable
    from typing import Any

DEEPEST = 100
_AST_ONLY = 0x400
_SEQUENCES: dict[Any, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset"}
_MAPPINGS = ("Counter", "defaultdict", "OrderedDict")


class Foreign(Exception):
    """A result that is no plain data."""


class TooLarge(Exception):
    """A result above the cap."""


def take(descriptor: int) -> bytes:
    """One frame; ends the process when the other side is gone."""
    size = int.from_bytes(_exactly(descriptor, 4), "big")
    return _exactly(descriptor, size)


def _exactly(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = posix.read(descriptor, size - len(data))
        if not part:
            posix._exit(0)  # noqa: SLF001 - that is its name
        data += part
    return data


def give(descriptor: int, text: bytes) -> None:
    data = len(text).to_bytes(4, "big") + text
    while data:
        data = data[posix.write(descriptor, data) :]


def limit(seconds: int, memory: int, disk: int, threads: int, files: int) -> None:
    """Hard limits, so that they cannot be raised again. The processor limit kills at once: SIGXCPU can be ignored."""
    import resource

    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, disk),
        (resource.RLIMIT_NPROC, threads),
        (resource.RLIMIT_NOFILE, files),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(what, (most, most))


def pack(value: Any, room: list[int], depth: int = 0) -> str:
    """`value` as text. `room[0]` is how many characters are left; no method of a candidate's class is called."""
    kind = type(value)
    text: str
    if kind is str:
        text = '"' + value.encode("utf-8", "surrogatepass").hex() + '"'
    elif kind in _SCALARS:
        text = _SCALARS[kind](value)
    elif depth < DEEPEST:
        return _container(value, kind, room, depth + 1)
    else:
        raise Foreign(f"a {kind.__name__} nested more than {DEEPEST} deep")
    room[0] -= len(text)
    if room[0] < 0:
        raise TooLarge
    return text


def _number(value: int) -> str:
    """Small ones as they are; large ones in hex, which takes linear time both ways."""
    return int.__repr__(value) if -(2**53) < value < 2**53 else f'["int", "{value:x}"]'


def _real(value: float) -> str:
    return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text := float.__repr__(value), text)


_SCALARS: dict[Any, Callable[[Any], str]] = {
    int: _number,
    float: _real,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
}


def _container(value: Any, kind: Any, room: list[int], depth: int) -> str:
    tag, parts = _SEQUENCES.get(kind), value
    if kind is dict or _is_standard(kind, "collections", _MAPPINGS):
        tag, parts = "dict", [part for pair in dict.items(value) for part in pair]
    elif _is_standard(kind, "collections", ("deque",)):
        tag, parts = "deque", list(value)
    elif kind in (bytes, bytearray):
        tag, parts = kind.__name__, [value.hex()]
        room[0] -= 2 * len(value)
    elif kind in (complex, range):
        tag, parts = kind.__name__, [value.real, value.imag] if kind is complex else [*_range(value)]
    elif _is_standard(kind, "fractions", ("Fraction",)):
        tag, parts = "Fraction", [value.numerator, value.denominator]
    elif _is_standard(kind, "decimal", ("Decimal",)):
        tag, parts = "Decimal", [str(value)]
    if tag is None:
        raise Foreign(f"{kind.__module__}.{kind.__qualname__}" if kind.__module__ != "builtins" else kind.__name__)
    room[0] -= len(tag) + 8 + 2 * len(parts)
    if room[0] < 0:
        raise TooLarge
    return f'["{tag}", [' + ", ".join([pack(part, room, depth) for part in parts]) + "]]"


def _range(value: range) -> tuple[int, int, int]:
    return value.start, value.stop, value.step


def _is_standard(kind: Any, module: str, names: tuple[str, ...]) -> bool:
    """Whether `kind` is one of these classes of a standard module that the candidate has imported."""
    loaded = sys.modules.get(module)
    return loaded is not None and any(kind is getattr(loaded, name, None) for name in names)


class Served:
    """The loaded candidate and the objects of its classes that have been numbered."""

    def __init__(self, names: dict[str, Any], largest: int) -> None:
        self.names = names
        self.largest = largest
        self.objects: list[Any] = []

    def call(self, name: str, args: tuple[Any, ...], keywords: dict[str, Any], special: bool) -> str:
        """One call, answered with a word for how it went and what it gave."""
        if special:
            args, keywords = self._unpack(args), self._unpack(keywords)
        try:
            function = self.names[name]
        except KeyError:
            return f"raised NameError {pack(f'name {name!r} is not defined', [4000])}"
        result = function(*args, **keywords)
        if isinstance(function, type) and type(result) is function and function.__module__ == "solution":
            self.objects.append(result)
            return f"object {len(self.objects) - 1}"
        return "value " + pack(result, [self.largest])

    def _unpack(self, value: Any) -> Any:
        """Put types and numbered objects where the tester wrote `(..., what, which)`."""
        if type(value) is tuple and value and value[0] is ...:
            return self.objects[value[2]] if value[1] == "object" else getattr(sys.modules["builtins"], value[2])
        if type(value) in (list, tuple, set, frozenset):
            return type(value)(self._unpack(part) for part in value)
        if type(value) is dict:
            return {self._unpack(key): self._unpack(part) for key, part in value.items()}
        return value


def attempt(action: Callable[[], str]) -> str:
    """What `action` returns, or in the same form how it failed. An exit is one way to fail."""
    try:
        return action()
    except Foreign as error:
        return "foreign " + pack(str(error)[:200], [4000])
    except TooLarge:
        return "large"
    except MemoryError:
        return "memory"
    except Exception as error:
        return f"raised {_standard_name(error)} {pack(_message(error), [4000])}"
    except BaseException as error:
        return "exit " + pack(type(error).__name__[:100], [4000])


def _standard_name(error: Exception) -> str:
    """The nearest built-in class of an exception, so that a test can expect it."""
    for kind in type(error).__mro__:
        if kind.__module__ == "builtins":
            return kind.__name__
    return "Exception"


def _message(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:300]
    except BaseException:
        return type(error).__name__[:300]


def assemble(prompt: str, body: str, entry: str) -> str:
    """The program: `body` if it defines `entry`, else the prompt's opening lines with `body` below them.

    Without a prompt or a name to look for it is `body` as it stands.
    """
    if not prompt or not entry or _defines(body, entry):
        return body
    indented = "".join("    " + line for line in body.splitlines(True))
    for text in (prompt + body, prompt + indented):
        if _defines(text, entry):
            return text
    return body


def _defines(text: str, entry: str) -> bool:
    try:
        tree: Any = compile(text, "solution", "exec", _AST_ONLY)
        compile(tree, "solution", "exec")  # a `return` outside of a function is noticed here
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    for node in tree.body:
        targets = getattr(node, "targets", [])
        if getattr(node, "name", None) == entry or any(getattr(target, "id", None) == entry for target in targets):
            return True
    return False


def load(job: dict[str, Any], name: str) -> dict[str, Any]:
    """Run the candidate's top level as module `name` and return its names."""
    module = type(sys)(name)
    sys.modules[name] = module
    exec(compile(job["prelude"], "prelude", "exec"), module.__dict__)  # noqa: S102 - this is the box
    text = assemble(job["prompt"], job["code"], job["entry"])
    exec(compile(text, "solution", "exec"), module.__dict__)  # noqa: S102
    return module.__dict__


def main(incoming: int, outgoing: int) -> None:
    job = marshal.loads(take(incoming))
    secret = job["secret"].encode()

    def say(text: str) -> None:
        give(outgoing, secret + b" " + text.encode())

    limit(*job["limits"])
    say("hello")
    take(incoming)  # until we are held from outside: nothing of the candidate runs before
    if job["program"]:
        posix.close(incoming)
        posix.close(outgoing)
        load(job, "__main__")
        return
    served = Served({}, job["result"])

    def loading() -> str:
        served.names = load(job, "solution")
        return "loaded"

    say(attempt(loading))
    while True:
        call = marshal.loads(take(incoming))
        say(attempt(lambda call=call: served.call(*call)))  # type: ignore[misc]


if __name__ == "inside":
    main(int(sys.argv[1]), int(sys.argv[2]))
