"""Servers that repeat the key, send more than was asked for, or write to the terminal."""

from __future__ import annotations

import base64
import json
import re
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder import cli
from ponder.engines.remote.events import Body
from ponder.engines.remote.quoting import HIDDEN, Quoting
from ponder.engines.remote.reply import Reading, Said, estimate, most_bytes
from ponder.types import EngineError, PonderError, StopReason
from tests.engines.remote.conftest import Server
from tests.engines.remote.test_remote import left, say

KEY = "sk-very/secret+key=="


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch, server: Server) -> str:
    monkeypatch.setenv("PONDER_API_KEY", KEY)
    return KEY


# The key.


@pytest.mark.parametrize(
    "fault",
    ["quoted in error", "quoted in event", "quoted as page", "quoted as field", "quoted again", "quoted far", "locked"],
)  # fmt: skip
def test_an_error_never_repeats_the_key(server: Server, key: str, fault: str) -> None:
    with pytest.raises(PonderError) as refused:
        say(server.engine(f"{fault}/key"))
    assert server.seen(f"{fault}/key")[-1]["key"] == f"Bearer {key}"
    for n in range(8, len(key) + 1):
        assert key[:n] not in str(refused.value)


def test_an_answer_never_repeats_the_key_not_even_half_of_it(server: Server, key: str) -> None:
    said = say(server.engine("quoted in text/key"), max_tokens=100)
    assert said.text == f"Your key is Bearer {HIDDEN}. Again: Bearer {HIDDEN}"


@pytest.mark.parametrize("fault", ["quoted in error"])
def test_no_file_of_eval_and_no_line_of_its_output_holds_the_key(
    server: Server,
    key: str,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = server.url(f"{fault}/eval")
    arguments = ["--problems", "arithmetic", "--limit", "2", "--strategies", "sample", "--budgets", "190"]
    monkeypatch.setattr(sys, "argv", ["ponder", "eval", "--model", model, *arguments, "--out", str(tmp_path)])
    with pytest.raises(SystemExit):
        cli.main()
    assert server.seen(f"{fault}/eval")
    captured = capsys.readouterr()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert key not in "".join((captured.out + captured.err).split())
    assert all(key.encode() not in file.read_bytes() for file in files)


def test_every_form_of_the_secret_is_hidden_and_a_short_key_is_no_secret() -> None:
    quoting = Quoting(KEY)
    forms = [KEY, "sk-very%2Fsecret%2Bkey%3D%3D", base64.b64encode(KEY.encode()).decode()]
    assert quoting.hide(" ".join(forms)) == " ".join([HIDDEN] * 3)
    assert quoting.shown("sk-very/sec\u200bret+key==", 99) != "" and "ret+key" not in quoting.hide(KEY)
    assert Quoting("EMPTY").hide("EMPTY set") == "EMPTY set" and Quoting().hide("as it is") == "as it is"
    assert KEY not in repr(quoting)


@given(st.text(), st.text(), st.integers(0, 60))
def test_what_is_shown_is_one_printable_line_without_the_secret(before: str, after: str, most: int) -> None:
    shown = Quoting(KEY).shown(before + KEY + after, most)
    assert len(shown) <= most and shown.isprintable() and KEY not in shown and KEY[:8] not in shown


def test_a_key_that_cannot_be_one_is_refused_without_repeating_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bad in ("sk-a b", "sk-\u00e9", "sk-a\nb"):
        monkeypatch.setenv("PONDER_API_KEY", bad)
        with pytest.raises(PonderError, match="characters that no key has") as refused:
            server.engine("good/bad key")
        assert bad not in str(refused.value)


# The terminal.


@pytest.mark.parametrize("fault", ["colourful", "colourful event"])
def test_no_escape_of_a_server_reaches_a_message(server: Server, fault: str) -> None:
    with pytest.raises(PonderError) as refused:
        say(server.engine(f"{fault}/a"))
    assert str(refused.value).isprintable() and re.search(r"red .*second line|wiped", str(refused.value))


# More than was asked for.


def test_an_endless_answer_is_hung_up_on_and_cut_to_what_was_paid(server: Server) -> None:
    engine = server.engine("endless/a")
    said = say(engine, max_tokens=20)
    assert left(server, "endless/a") == [True]
    assert (len(said.text), said.tokens, said.exact, said.stop) == (most_bytes(20), 20, False, StopReason.LENGTH)
    assert said.over > 0 and engine.tokens_generated == 20 and engine.told()["over"] == said.over


@pytest.mark.parametrize("fault", ["empty for ever", "one line for ever"])
def test_a_stream_that_never_says_anything_is_hung_up_on(server: Server, fault: str) -> None:
    with pytest.raises(PonderError, match="too much for what was asked for; it was hung up on"):
        say(server.engine(f"{fault}/a"), max_tokens=10)
    assert left(server, f"{fault}/a") == [True]


@pytest.mark.parametrize(("fault", "max_tokens"), [("talkative", 3000), ("modest", 3000)])
def test_of_an_uncounted_answer_only_what_its_tokens_can_hold_is_used(
    server: Server, fault: str, max_tokens: int
) -> None:
    said = say(server.engine(f"{fault}/a"), max_tokens=max_tokens)  # a million characters of 1.2 bytes
    assert len(said.text.encode()) <= most_bytes(max_tokens) < len(said.text.encode()) + 2
    assert (said.tokens, said.exact, said.stop) == (max_tokens, False, StopReason.LENGTH)
    assert said.over == pytest.approx((1_200_000 - most_bytes(max_tokens)) / 3, abs=2)


def test_a_count_that_is_too_small_for_its_text_is_not_believed(server: Server) -> None:
    text = "a" * 900
    assert whole(text, 100, 1000) == Said(text, StopReason.END, 100, True)
    assert whole(text, 53, 1000).exact and not whole(text, 52, 1000).exact  # 64 + 16 * 52 = 896 bytes; 900 are too many
    assert whole(text, 1, 1000) == Said(text, StopReason.END, 300, False)


def whole(text: str, tokens: object, max_tokens: int) -> Said:
    reading = Reading(max_tokens, ())
    reading.take({"choices": [{"text": text, "finish_reason": "stop"}], "usage": {"completion_tokens": tokens}})
    return reading.said(True)


@given(st.text(), st.one_of(st.none(), st.integers(-2, 300)), st.integers(1, 200))
def test_whatever_is_reported_the_text_is_paid_for_and_the_limit_holds(
    text: str, tokens: int | None, max_tokens: int
) -> None:
    said = whole(text, tokens, max_tokens)
    assert 0 <= said.tokens <= max_tokens and len(said.text.encode()) <= most_bytes(max_tokens)
    assert said.exact or not text or said.tokens in (max_tokens, estimate(said.text))


def peak_of(piece: bytes, times: int, max_tokens: int) -> tuple[int, int]:
    """Bytes fed before the body refused more, and the most memory that it took."""
    reading = Reading(max_tokens, ())
    body = Body(True, reading.take, max_tokens)
    tracemalloc.start()
    try:
        for _ in range(times):
            body.feed(piece)
            if body.done:
                break
    except EngineError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return body.received, peak


@pytest.mark.parametrize(
    "piece",
    [
        b'data: {"choices": []}\n\n' * 1000,
        b"data: {}\n" * 1000,
        b"data: " + b"a" * 60_000,
        b"\n" * 10_000,
        b": comment\n" * 5000,
        b"data: " + json.dumps({"choices": [{"text": "word "}]}).encode() + b"\n\n",
    ],
    ids=["empty events", "an endless event", "an endless line", "blank lines", "comments", "words"],
)
def test_what_a_stream_takes_is_bounded_by_what_was_asked_for(piece: bytes) -> None:
    received, peak = peak_of(piece, 10**6, 100)
    assert received <= (1 << 20) + 100 * 2048 + len(piece)
    assert peak < 8 << 20
