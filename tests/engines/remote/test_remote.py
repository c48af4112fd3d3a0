"""A remote model on a real server process, well and badly behaved: what is asked again and what is charged."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from typing import Any

import pytest

from ponder.engines.limits import check_tokens
from ponder.engines.loop import gather_all, run
from ponder.engines.remote.address import Address, parse
from ponder.engines.remote.client import Deadlines, _retry_after
from ponder.engines.remote.engine import RemoteEngine
from ponder.engines.remote.reply import Said
from ponder.policy.chat import TextPropose
from ponder.search.registry import make
from ponder.search.session.budget import Budget
from ponder.types import PonderError, Question, StopReason, Trajectory
from ponder.verifiers.votes import canonical_answer
from tests.engines.remote.conftest import Server

QUESTION = Question("q", "arithmetic", "What is 2*3+1?", "Answer with a number.")
HELLO = [{"role": "user", "content": "hello"}]


def say(engine: RemoteEngine, max_tokens: int = 50, seed: int = 7, **options: Any) -> Said:
    return run(engine.say(HELLO if engine.chat else "hello", max_tokens=max_tokens, seed=seed, **options))


def proposer(engine: RemoteEngine) -> TextPropose:
    return TextPropose(engine, canonical_answer)


def test_a_chat_is_asked_with_all_that_the_caller_said(server: Server) -> None:
    said = say(server.engine("good/a"), temperature=0.5, top_p=0.9)
    assert (said.text, said.stop, said.exact) == ("<think>\n2*3=6\n6+1=7\n</think>7", StopReason.END, True)
    assert (said.tokens, said.prompt) == (len(said.text), 11)
    [request] = server.seen("good/a")
    assert request["path"] == "/v1/chat/completions" and request["key"] is None
    expected = {"model": "good/a", "messages": HELLO, "max_tokens": 50, "temperature": 0.5, "top_p": 0.9, "seed": 7}
    assert request["body"] == expected | {"stream": True, "stream_options": {"include_usage": True}}


def test_plain_text_goes_to_the_other_endpoint(server: Server) -> None:
    assert say(server.engine("good/plain", "/completions")).text.endswith("</think>7")
    [request] = server.seen("good/plain")
    assert request["path"] == "/v1/completions" and request["body"]["prompt"] == "hello"
    with pytest.raises(PonderError, match="takes messages"):
        run(server.engine("good/plain").say("hello", max_tokens=5, seed=0))


def test_a_server_that_does_not_stream_is_understood(server: Server) -> None:
    said = say(server.engine("whole/a"))
    assert (said.text[-1], said.tokens, said.exact, said.stop) == ("7", 5, True, StopReason.END)


def test_thinking_that_the_server_tells_apart_is_put_before_the_answer(server: Server) -> None:
    assert say(server.engine("thoughtful/a")).text == "2*3=6\n</think>6"


def test_characters_may_be_cut_anywhere_between_bytes_and_between_events(server: Server) -> None:
    # The last half of a pair never came.
    assert say(server.engine("trickled/a")).text == "é€😀😀\ufffd"


def test_the_end_of_an_answer_says_why(server: Server) -> None:
    assert say(server.engine("good/cut"), max_tokens=5).stop is StopReason.LENGTH
    assert say(server.engine("filtered/a")).stop is StopReason.CANCELLED


# What is asked again, counted at the server.


@pytest.mark.parametrize(
    ("fault", "requests", "least"),
    [("busy", 3, [7, 7]), ("dropped", 2, [0.25]), ("no body", 2, [0.25]), ("broken once", 2, [0.25])],
)
def test_where_nothing_was_received_it_is_asked_again(
    server: Server, fault: str, requests: int, least: list[float]
) -> None:
    engine = server.engine(f"{fault}/again")
    assert say(engine).text.endswith("7")
    assert len(server.seen(f"{fault}/again")) == requests == engine.told()["requests"]
    assert len(server.waits) == len(least)
    assert all(wait >= bound for wait, bound in zip(server.waits, least, strict=True))
    assert engine.told()["calls"] == 1


def test_waits_double_with_jitter_and_end_after_the_last_try(server: Server) -> None:
    with pytest.raises(PonderError, match="gave no answer in 5 tries: answered 500: worker died"):
        say(server.engine("broken/a"))
    assert len(server.seen("broken/a")) == 5
    assert all(0.25 * 2**k <= wait <= 0.5 * 2**k for k, wait in enumerate(server.waits)) and len(server.waits) == 4
    first, server.waits = server.waits, []
    with pytest.raises(PonderError):
        say(server.engine("broken/b"), seed=8)
    assert first != server.waits


def test_a_server_that_is_not_there_is_asked_again_and_then_named(server: Server) -> None:
    engine = server.engine("good/x")
    engine.client.url = "http://127.0.0.1:9/v1/chat/completions"
    with pytest.raises(PonderError, match=r"http://127.0.0.1:9/\S+ gave no answer in 5 tries: cannot be reached"):
        say(engine)
    assert len(server.waits) == 4


def test_a_wait_longer_than_the_whole_deadline_is_not_begun(server: Server) -> None:
    with pytest.raises(PonderError, match="which is too long"):
        say(server.engine("busy until a date/a"))
    assert len(server.seen("busy until a date/a")) == 1 and server.waits == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("cut off", "broke off in the middle of an answer, after .* not asked for again"),
        ("cut off unnoticed", "ended in the middle of an answer, after 3 characters; it is not asked for again"),
        ("broken event", "out of memory"),
        ("not json", "not JSON: '<html>Welcome"),
        ("deep", "not JSON"),
        ("list", "JSON list where an object belongs"),
        ("shapeless", r"no list of choices; got the fields \['answer'\]"),
        ("numbers", "something else than text"),
        ("locked", "wants a key; set PONDER_API_KEY"),
        ("missing", "answered 404: no such model; check the address"),
        ("elsewhere", "answered 302"),
        ("picky", "answered 400: stream_options is not known"),
    ],
)
def test_what_was_begun_or_refused_is_said_and_not_asked_again(server: Server, fault: str, words: str) -> None:
    with pytest.raises(PonderError, match=words):
        say(server.engine(f"{fault}/once"))
    assert len(server.seen(f"{fault}/once")) == 1 and server.waits == []


# Deadlines and cancellation. Two seconds, so that the request reaches the server on a busy machine too.


@pytest.mark.parametrize(
    ("fault", "deadline", "words"),
    [
        ("slow", Deadlines(first_byte=2), "no first byte within 2 s"),
        ("stalled", Deadlines(stall=0.2), "stalled: nothing for 0.2 s, after .* bytes"),
        ("stalled", Deadlines(whole=2), "did not answer within 2 s"),
    ],
)
def test_every_wait_has_an_end_that_closes_the_connection(
    server: Server, fault: str, deadline: Deadlines, words: str
) -> None:
    name = f"{fault}/{words}"
    with pytest.raises(PonderError, match=words):
        say(server.engine(name, late=deadline))
    assert left(server, name) == [True]


def test_cancelling_closes_the_connections_of_all_draws(server: Server) -> None:
    engine = server.engine("stalled/cancelled")

    async def give_up() -> None:
        task = asyncio.create_task(proposer(engine)(QUESTION, None, 3, until="end", max_tokens=50, seed=0))
        while len(server.seen("stalled/cancelled")) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engine.client._session is None

    run(give_up())
    assert left(server, "stalled/cancelled") == [True] * 3


def left(server: Server, name: str) -> list[bool]:
    """Whether the client closed each connection, once the server has noticed."""
    for _ in range(1000):
        found = [request["left"] for request in server.seen(name)]
        if found and all(found):
            break
        time.sleep(0.01)
    return found


def test_no_more_requests_run_at_once_than_allowed(server: Server) -> None:
    engine = server.engine("stalled/few", concurrency=2)

    async def ask_five() -> None:
        tasks = [asyncio.create_task(engine.say(HELLO, max_tokens=5, seed=i)) for i in range(5)]
        while len(server.seen("stalled/few")) < 2:
            await asyncio.sleep(0.01)
        assert engine.client.sent == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(ask_five())
    engine = server.engine("good/one by one", concurrency=1)
    assert len(gather_all(engine.say(HELLO, max_tokens=5, seed=i) for i in range(5))) == 5


def test_an_engine_serves_one_event_loop_after_another(server: Server) -> None:
    engine = server.engine("good/loops")
    first = gather_all(engine.say(HELLO, max_tokens=50, seed=i) for i in range(4))
    second = gather_all(engine.say(HELLO, max_tokens=50, seed=i) for i in range(4))
    assert [s.text for s in first] == [s.text for s in second] and len({s.text for s in first}) == 4


# What is charged.


def test_tokens_that_the_server_does_not_count_are_estimated_and_marked(server: Server) -> None:
    engine = server.engine("uncounted/a")
    said = say(engine)
    assert not said.exact and said.tokens == math.ceil(len(said.text) / 3)
    assert engine.told()["estimated"] == engine.tokens_generated == said.tokens and not engine.told()["exact"]
    # Cut at the limit, the number is known all the same, but not from the server.
    assert say(server.engine("uncounted/b"), max_tokens=5) == Said("<thin", StopReason.LENGTH, 5, False)


@pytest.mark.parametrize("fault", ["minus", "many", "true", "none"])
def test_a_count_that_cannot_be_is_not_believed(server: Server, fault: str) -> None:
    said = say(server.engine(f"{fault}/a"))
    assert (said.exact, said.tokens) == (False, math.ceil(len(said.text) / 3))


def test_of_an_answer_beyond_its_limit_only_the_share_that_was_paid_for_is_used(server: Server) -> None:
    engine = server.engine("greedy/a")
    said = say(engine, max_tokens=40)  # 80 reported
    whole = say(server.engine("good/whole"), max_tokens=40).text
    assert (said.text, said.tokens, said.over) == (whole[: len(whole) // 2], 40, 40)
    assert said.stop is StopReason.LENGTH
    assert (engine.told()["generated"], engine.told()["over"]) == (40, 40)


@pytest.mark.parametrize("fault", ["good", "uncounted", "greedy", "minus"])
@pytest.mark.parametrize("strategy", ["sample", "vote"])
@pytest.mark.parametrize("budget", [48, 200])
def test_a_search_keeps_its_budget_whatever_the_server_reports(
    server: Server, fault: str, strategy: str, budget: int
) -> None:
    engine = server.engine(f"{fault}/{strategy}")
    search = make(strategy, max_tokens=44, answer_reserve=32)
    result = run(search(QUESTION, proposer(engine), None, Budget(budget), seed=3))
    usage = result.usage
    assert usage.kept + usage.discarded == usage.spent == engine.tokens_generated <= budget
    assert usage.kept == len(result.trajectory or ())


# Steps and answers.


def test_a_whole_answer_becomes_steps_that_share_its_tokens(server: Server) -> None:
    propose = proposer(server.engine("good/steps"))
    [leaf] = run(propose(QUESTION, None, 1, until="end", max_tokens=50, seed=0))
    trajectory = Trajectory(QUESTION, leaf)
    assert [step.text for step in trajectory.steps][1:3] == ["2*3=6\n", f"6+1={leaf.text[-1]}\n"]
    assert [len(step.tokens) for step in trajectory.steps] == [len(step.text) for step in trajectory.steps]
    assert len(trajectory) == len(trajectory.text)
    assert propose.answer(trajectory) == leaf.text[-1]


def test_tokens_that_are_only_counted_are_refused_by_whoever_needs_real_ones(server: Server) -> None:
    [leaf] = run(proposer(server.engine("good/ids"))(QUESTION, None, 1, until="end", max_tokens=50, seed=0))
    with pytest.raises(PonderError, match="ids from -1"):
        check_tokens(leaf.tokens, 1000)
    assert all(math.isnan(p) for p in leaf.logprobs)


def test_members_of_a_group_have_seeds_of_their_own(server: Server) -> None:
    run(proposer(server.engine("good/group"))(QUESTION, None, 4, until="end", max_tokens=50, seed=0))
    assert len({request["body"]["seed"] for request in server.seen("good/group")}) == 4


def test_an_answer_that_was_cut_is_asked_for_in_a_second_turn(server: Server) -> None:
    propose = proposer(server.engine("good/turns"))
    [cut] = run(propose(QUESTION, None, 1, until="end", max_tokens=12, seed=0))
    [leaf] = run(propose(QUESTION, cut, 1, until="answer", max_tokens=50, seed=0))
    assert leaf.path[: len(cut.path)] == cut.path
    assert [(step.text, step.tokens) for step in leaf.path if step.forced] == [("\n</think>", ())]
    turns = server.seen("good/turns")[1]["body"]["messages"]
    assert [turn["role"] for turn in turns] == ["system", "user", "assistant", "user"]
    assert turns[1]["content"] == QUESTION.text and turns[2]["content"] == "<think>\n2*3=\n</think>"


def test_a_chat_refuses_to_branch_in_one_sentence(server: Server) -> None:
    propose = proposer(server.engine("good/branch"))
    [leaf] = run(propose(QUESTION, None, 1, until="end", max_tokens=12, seed=0))
    for prefix, until in ((None, "step"), (leaf, "step"), (leaf, "end"), (None, "think")):
        with pytest.raises(PonderError, match="whole answers only, so a strategy that branches"):
            run(propose(QUESTION, prefix, 1, until=until, max_tokens=12, seed=0))  # type: ignore[arg-type]
    plain = proposer(server.engine("good/branch", "/completions"))
    with pytest.raises(PonderError, match="whole answers and single steps only"):
        run(plain(QUESTION, None, 1, until="think", max_tokens=12, seed=0))
    assert len(server.seen("good/branch")) == 1


def test_plain_text_goes_on_step_by_step_to_its_end(server: Server) -> None:
    propose = proposer(server.engine("step/a", "/completions"))
    [one] = run(propose(QUESTION, None, 1, until="step", max_tokens=50, seed=0))
    assert (one.text, one.stop, len(one.tokens)) == ("6+1=7\n", StopReason.STEP, 5)
    [two] = run(propose(QUESTION, one, 1, until="step", max_tokens=50, seed=0))
    assert (two.text, two.stop, two.parent) == ("", StopReason.END, one)
    first, second = (request["body"] for request in server.seen("step/a"))
    assert first["stop"] == ["\n"] and first["prompt"].endswith("Answer: <think>\n")
    assert second["prompt"] == first["prompt"] + "6+1=7\n"


def test_a_server_that_names_the_string_it_met_is_believed(server: Server) -> None:
    for fault, text, stop in (("named step", "\n", StopReason.STEP), ("named end", "7", StopReason.END)):
        said = say(server.engine(f"{fault}/a", "/completions"), stop=("\n",))
        assert (said.text, said.stop) == (text, stop)


# Addresses and keys.


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("http://h:80/v1#a/b", Address("http://h:80/v1/chat/completions", True, "a/b")),
        ("https://h/v1/#m", Address("https://h/v1/chat/completions", True, "m")),
        ("http://h/v1/chat/completions#m", Address("http://h/v1/chat/completions", True, "m")),
        ("http://h/v1/completions#m:8b", Address("http://h/v1/completions", False, "m:8b")),
    ],
)
def test_an_address_names_the_endpoint_and_the_model(name: str, address: Address) -> None:
    assert parse(name) == address


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("http://h/v1", "names no model"),
        ("http:///v1#m", "has no host"),
        ("http://h:port/v1#m", "is no address"),
        ("http://user:secret@h/v1#m", "no password, key or query"),
        ("http://h/v1?key=secret#m", "no password, key or query"),
    ],
)
def test_an_address_that_cannot_be_asked_is_refused_without_repeating_secrets(name: str, words: str) -> None:
    with pytest.raises(PonderError, match=words) as refused:
        parse(name)
    assert "secret" not in str(refused.value)


def test_the_key_is_sent_and_never_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PONDER_API_KEY", "sk-very-secret")
    engine = server.engine("locked/key")
    with pytest.raises(PonderError, match=r"refused the key in PONDER_API_KEY \(answered 401: .*\*\*\*") as refused:
        say(engine)
    assert server.seen("locked/key")[-1]["key"] == "Bearer sk-very-secret"
    for shown in (str(refused.value), repr(engine.client), json.dumps(engine.told()), caplog.text):
        assert "sk-very-secret" not in shown


def test_retry_after_is_a_number_or_a_date() -> None:
    assert [_retry_after(text) for text in ("3", "-1", "soon", "", "Thu, 01 Jan 1970 00:00:00 GMT")] == [3, 0, 0, 0, 0]
