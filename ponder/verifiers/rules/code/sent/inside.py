"""What runs in the box around a candidate. Stands alone: it is sent in as compiled code and imports nothing of ours.

It reads frames (four bytes of length, then marshal data, which comes from us) on one pipe and writes frames of text on
another, each starting with a secret drawn for this run. After the limits are set it says `hello` and waits to be told
to go on; then it either runs the program as `__main__`, or loads it as a module and answers calls one at a time.
Whatever a candidate changes in here (builtins, frames, memory) it changes in its own process, which never holds an
expected value: all that can come out are results, and a result must be plain data.

How a result is written stands in `packing`. One exception: an object of the candidate's own class stays here and its
number goes out, so that a test may build objects, call their methods, read their attributes and pass them back.
"""

from __future__ import annotations

import builtins
import marshal
import posix
import sys

from ponder.verifiers.rules.code.sent.packing import Foreign, TooLarge, is_iterator, pack

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing these takes as long as the interpreter's start
    from collections.abc import Callable
    from typing import Any

_AST_ONLY = 0x400
PORTION = 1000  # items of an iterator that go out at once
_BASES = (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset)


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


class Served:
    """The loaded candidate and the objects of its classes that have been numbered."""

    def __init__(self, names: dict[str, Any], largest: int) -> None:
        self.names = names
        self.largest = largest
        self.objects: list[Any] = []
        self._numbers: dict[int, int] = {}

    def call(self, what: Any, args: Any, keywords: dict[str, Any], special: bool, changes: bool) -> str:
        """One call, answered with a word for how it went and what it gave.

        `what` is a name; or a name or the number of an object with the name of an attribute, which is read if `args` is
        None; or the number of an iterator and None, which asks for its next portion.
        With `changes` the arguments that the call has changed follow in a second line.
        """
        if special:
            args, keywords = self._unpack(args), self._unpack(keywords)
        try:
            function = self._found(what)
        except KeyError:
            return f"raised NameError NameError {pack(f'name {what!r} is not defined', [4000])}"
        if args is None:
            return "method" if callable(function) else self._told(function)
        before = [self._seen(each) for each in args] if changes else []
        told = self._told(function(*args, **keywords))
        after = [self._seen(each) for each in args] if changes else []
        changed = [f"[{i}, {now}]" for i, now in enumerate(after) if now is not None and now != before[i]]
        return f"{told}\n[{', '.join(changed)}]" if changed else told

    def _found(self, what: Any) -> Any:
        """A name of the module's, or a method of its class `Solution`."""
        if type(what) is tuple:
            owner = self.objects[what[0]] if type(what[0]) is int else self._found(what[0])
            return (lambda: self._portion(owner)) if what[1] is None else getattr(owner, what[1])
        solution = self.names.get("Solution")
        if what not in self.names and isinstance(solution, type) and hasattr(solution, what):
            return getattr(solution(), what)
        return self.names[what]

    def _portion(self, iterator: Any) -> list[Any]:
        return [part for _, part in zip(range(PORTION), iterator, strict=False)]

    def _told(self, result: Any) -> str:
        kind = type(result)
        if kind.__name__ == "coroutine" and kind.__module__ == "builtins":
            return "awaited " + self._told(__import__("asyncio").run(result))
        if is_iterator(kind):
            first = self._portion(result)
            self.objects.append(result)
            return f"lazy {len(self.objects) - 1} {pack(first, [self.largest])}"
        if kind.__module__ != "solution" or issubclass(kind, _BASES) or isinstance(result, type):
            return "value " + pack(result, [self.largest])
        number = self._numbers.setdefault(id(result), len(self.objects))
        if number == len(self.objects):
            self.objects.append(result)
        return f"object {number}"

    def _seen(self, value: Any) -> str | None:
        """A list, dict, set or bytearray as text, to see whether it changes."""
        try:
            return pack(value, [self.largest]) if type(value) in (list, dict, set, bytearray) else None
        except (Foreign, TooLarge, RuntimeError):
            return None

    def _unpack(self, value: Any) -> Any:
        """Put types, arrays and numbered objects where the tester wrote `(..., what, which)`."""
        if type(value) is tuple and value and value[0] is ...:
            if value[1] == "name":
                return self._found(value[2])
            if value[1] == "array":
                return __import__("numpy").array(value[2][1], dtype=value[2][0])
            return self.objects[value[2]] if value[1] == "object" else getattr(builtins, value[2])
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
        return f"raised {_standard_name(error)} {type(error).__name__} {pack(_message(error), [4000])}"
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
        return str(error)[:300]
    except BaseException:
        return ""


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
    import _sitebuiltins  # what an interpreter has that starts with its `site`

    for word in ("exit", "quit"):
        setattr(builtins, word, _sitebuiltins.Quitter(word, "end of file"))
    setattr(builtins, "help", _sitebuiltins._Helper())  # noqa: B010, SLF001 - that is its name
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
    _ends = int(sys.argv[1]), int(sys.argv[2])
    sys.argv[:] = ["solution.py"]
    main(*_ends)
