"""A small OpenAI-compatible server, as a process of its own, that misbehaves as the name of the model says.

A model is `FAULT/ANYTHING`; requests are counted by the whole name, so each test asks with a name of its own. The
words it says depend on the seed alone. `GET /seen/NAME` lists what was asked of a model, with `left` set where the
client closed the connection before the answer was whole.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

SEEN: dict[str, list[dict[str, Any]]] = defaultdict(list)
LOCK = threading.Lock()
PATIENCE = 60.0  # seconds after which a hanging answer is given up
WORDS = "<think>\n2*3=6\n6+1=7\n</think>7"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        name = unquote(self.path.removeprefix("/seen/"))
        with LOCK:
            data = json.dumps(SEEN[name]).encode()
        self.whole(data)

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.record = {"body": self.body, "path": self.path, "key": self.headers.get("authorization"), "left": False}
        with LOCK:
            seen = SEEN[self.body["model"]]
            seen.append(self.record)
            self.nth = len(seen)
        FAULTS[self.body["model"].partition("/")[0]](self)

    # Ways to answer.

    def whole(self, data: bytes, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def begin(self, chunked: bool = True) -> None:
        self.chunked = chunked
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked") if chunked else self.send_header("connection", "close")
        self.end_headers()

    def write(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if self.chunked else data)
        self.wfile.flush()

    def event(self, value: Any) -> None:
        self.write(b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n")

    def say(self, text: str, finish: str | None = None, **more: Any) -> None:
        plain = "messages" not in self.body
        words = {"text": text} if plain else {"delta": {"content": text}}
        self.event({"choices": [{"index": 0, **words, "finish_reason": finish, **more}]})

    def end(self, usage: Any = None) -> None:
        if usage is not None:
            self.event({"choices": [], "usage": usage})
        self.event(b"[DONE]")
        if self.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def hang(self) -> None:
        """Wait until the client goes away."""
        ready, _, _ = select.select([self.connection], [], [], PATIENCE)
        try:
            self.record["left"] = bool(ready) and not self.connection.recv(1)
        except ConnectionResetError:  # what the client had not read yet makes its goodbye a reset
            self.record["left"] = True
        self.close_connection = True

    def drop(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)


def words(body: dict[str, Any]) -> list[str]:
    """The answer, word for word: one token each, at most as many as were asked for."""
    said = [*WORDS.replace("7", str(body["seed"] % 10))]
    return said[: body["max_tokens"]]


def good(self: Handler, usage: Any = ..., text: list[str] | None = None, **more: Any) -> None:
    said = words(self.body) if text is None else text
    self.begin()
    for word in said:
        self.say(word)
    cut = text is None and len(said) == self.body["max_tokens"]
    self.say("", "length" if cut else "stop", **more)
    self.end({"prompt_tokens": 11, "completion_tokens": len(said)} if usage is ... else usage)


def whole(self: Handler) -> None:
    message = {"content": "".join(words(self.body)), "reasoning_content": None}
    usage = {"prompt_tokens": 3, "completion_tokens": 5}
    self.whole(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode())


def first(fault: Callable[[Handler], None], times: int = 1) -> Callable[[Handler], None]:
    """The fault for the first requests, a good answer after them."""
    return lambda self: fault(self) if self.nth <= times else good(self)


def stalled(self: Handler) -> None:
    self.begin()
    self.say("2*3")
    self.hang()


def cut_off(chunked: bool) -> Callable[[Handler], None]:
    def fault(self: Handler) -> None:
        self.begin(chunked)
        self.say("2*3")
        self.drop()

    return fault


def no_body(self: Handler) -> None:
    self.begin()
    self.drop()


def trickled(self: Handler) -> None:
    """Each byte in a write of its own, with characters of two to four bytes, a comment and other fields."""
    self.begin()
    event = {"choices": [{"delta": {"content": "é€😀"}, "finish_reason": None}]}
    data = b": hello\r\nid: 7\r\ndata: " + json.dumps(event, ensure_ascii=False).encode() + b"\r\n\r\n"
    self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in data:
        self.write(bytes([byte]))
    self.event(rb'{"choices": [{"delta": {"content": "\ud83d"}}]}')
    self.event(rb'{"choices": [{"delta": {"content": "\ude00\ud83d"}, "finish_reason": "stop"}]}')
    self.end({"completion_tokens": 4})


def thoughtful(self: Handler) -> None:
    self.begin()
    self.event({"choices": [{"delta": {"role": "assistant", "content": None, "reasoning_content": "2*3=6"}}]})
    self.event({"choices": [{"delta": {"content": "6"}, "finish_reason": "stop"}]})
    self.end({"completion_tokens": 9})


def broken_event(self: Handler) -> None:
    self.begin()
    self.say("2*3")
    self.event({"error": {"message": "out of memory"}})
    self.end()


def refused(status: int, message: str = "no", **headers: str) -> Callable[[Handler], None]:
    def fault(self: Handler) -> None:
        text = message.replace("KEY", str(self.headers.get("authorization")))
        self.whole(json.dumps({"error": {"message": text}}).encode(), status, **headers)

    return fault


def moody(self: Handler) -> None:
    """Never answers questions with a 7 in them, by a status that is asked again."""
    asked = json.dumps(self.body.get("messages") or self.body["prompt"])
    refused(503)(self) if "7" in asked else good(self)


def told(self: Handler) -> str:
    return str(self.headers.get("authorization"))


def quoted_in_error(self: Handler) -> None:
    """A status of 200, and an error that repeats the key."""
    self.whole(json.dumps({"error": {"message": f"no such key: {told(self)}"}}).encode())


def quoted_in_event(self: Handler) -> None:
    self.begin()
    self.say("2*3")
    self.event({"error": {"message": f"no such key: {told(self)}"}})
    self.end()


def quoted_in_text(self: Handler) -> None:
    """The key in the answer, in two events, and once more cut in its middle."""
    text = f"Your key is {told(self)}. Again: {told(self)}"[:-4]
    self.begin()
    self.say(text[:20])
    self.say(text[20:])
    self.say("", "length")
    self.end({"completion_tokens": self.body["max_tokens"]})


def endless(self: Handler) -> None:
    """Words without end, whatever was asked for, until the client goes away."""
    self.begin()
    try:
        while True:
            self.say("word " * 50)
    except OSError:
        self.record["left"] = True
        self.close_connection = True


def empty_for_ever(self: Handler) -> None:
    self.begin()
    try:
        while True:
            self.write(b'data: {"choices": []}\n\n' * 1000)
    except OSError:
        self.record["left"] = True
        self.close_connection = True


def one_line_for_ever(self: Handler) -> None:
    self.begin()
    try:
        while True:
            self.write(b"data: " * 10_000)
    except OSError:
        self.record["left"] = True
        self.close_connection = True


def talkative(usage: Any) -> Callable[[Handler], None]:
    """A million characters in one whole answer."""

    def fault(self: Handler) -> None:
        choice = {"message": {"content": "wörd " * 200_000}, "finish_reason": "stop"}
        self.whole(json.dumps({"choices": [choice], "usage": usage}, ensure_ascii=False).encode())

    return fault


def step(self: Handler) -> None:
    """Plain text up to the stop string, which is left out; which one it was stays unsaid."""
    good(self, text=[] if "\n6" in self.body["prompt"] else [*"6+1=7"])


FAULTS: dict[str, Callable[[Handler], None]] = {
    "good": good,
    "whole": whole,
    "slow": Handler.hang,
    "stalled": stalled,
    "cut off": cut_off(True),
    "cut off unnoticed": cut_off(False),
    "dropped": first(Handler.drop),
    "no body": first(no_body),
    "busy": first(refused(429, retry_after="7"), 2),
    "busy until a date": first(refused(503, retry_after="Wed, 21 Oct 2037 07:28:00 GMT"), 1),
    "broken": refused(500, "worker died"),
    "broken once": first(refused(502)),
    "trickled": trickled,
    "thoughtful": thoughtful,
    "broken event": broken_event,
    "uncounted": lambda self: good(self, None),
    "greedy": lambda self: good(self, {"completion_tokens": 2 * self.body["max_tokens"]}),
    "minus": lambda self: good(self, {"completion_tokens": -3}),
    "many": lambda self: good(self, {"completion_tokens": "many"}),
    "true": lambda self: good(self, {"completion_tokens": True}),
    "none": lambda self: good(self, {"completion_tokens": 0}),
    "filtered": lambda self: good(self, finish_reason="content_filter"),
    "not json": lambda self: self.whole(b"<html>Welcome</html>"),
    "deep": lambda self: self.whole(b"[" * 100_000),
    "list": lambda self: self.whole(b"[]"),
    "shapeless": lambda self: self.whole(b'{"answer": "7"}'),
    "numbers": lambda self: self.whole(b'{"choices": [{"message": {"content": 7}}]}'),
    "quoted in error": quoted_in_error,
    "quoted in event": quoted_in_event,
    "quoted in text": quoted_in_text,
    "quoted as page": lambda self: self.whole(f"<html>{told(self)}</html>".encode()),
    "quoted as field": lambda self: self.whole(json.dumps({told(self): 1}).encode()),
    "quoted again": refused(503, "KEY is over its limit"),
    "quoted far": refused(400, "x" * 150 + "KEY" + "x" * 300),
    "colourful": refused(400, "\x1b[31mred\x1b]0;title\x07 \u202eright to left\r\nsecond line"),
    "colourful event": lambda self: self.whole(json.dumps({"error": "\x1b[2J\x9bwiped"}).encode()),
    "endless": endless,
    "empty for ever": empty_for_ever,
    "one line for ever": one_line_for_ever,
    "talkative": talkative(None),
    "modest": talkative({"completion_tokens": 1}),
    "locked": refused(401, "Incorrect key provided: KEY"),
    "missing": refused(404, "no such model"),
    "elsewhere": refused(302, "", location="http://127.0.0.1:9/"),
    "picky": refused(400, "stream_options is not known"),
    "moody": moody,
    "step": step,
    "named step": lambda self: good(self, text=[], stop_reason="\n"),
    "named end": lambda self: good(self, text=[*"7"], stop_reason=None),
}


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)  # noqa: T201
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()  # its end is the end of the tests
    server.shutdown()


if __name__ == "__main__":
    main()
