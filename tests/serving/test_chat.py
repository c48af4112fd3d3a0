"""Chat completions as clients see them: answers, the dial, the bill, the stream, refusals by name, leaving."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from ponder.api.policies import load_policy
from tests.serving.asgi import Answer
from tests.serving.toys import CODEC, PacedEngine, says, server


def run(coroutine: Any) -> Any:
    return asyncio.run(coroutine)


def usage(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = answer.data["usage"]
    return found


def test_an_answer_has_the_form_of_the_protocol_and_hides_its_thinking():
    async def asked() -> Answer:
        async with server() as (client, _):
            return await client.chat(seed=3)

    answer = run(asked())
    assert answer.status == 200
    choice = answer.data["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "7", "refusal": None}
    assert choice["finish_reason"] == "stop" and answer.data["object"] == "chat.completion"
    assert "1+2" not in answer.body.decode()
    assert answer.headers["x-request-id"].startswith("req-")


def test_the_sums_of_the_bill_are_those_of_the_engine():
    async def asked() -> tuple[Answer, dict[str, int]]:
        async with server() as (client, service):
            before = service.thinker.counters
            answer = await client.chat(thinking_token_budget=600)
            after = service.thinker.counters
            return answer, {name: after[name] - before[name] for name in after}

    answer, engine = run(asked())
    told, mine = usage(answer), usage(answer)["ponder"]
    assert mine["generated"] == engine["tokens_generated"] and mine["prefilled"] == engine["tokens_prefilled"]
    assert mine["kept"] + mine["discarded"] == mine["generated"] + mine["forced"]
    assert told["completion_tokens"] == mine["spent"] <= 600
    assert told["completion_tokens_details"]["reasoning_tokens"] == told["completion_tokens"] - mine["answer"]
    assert told["total_tokens"] == told["prompt_tokens"] + told["completion_tokens"]
    assert 0 < mine["answer"] < mine["kept"]


def test_every_name_of_the_dial_is_the_budget_that_the_model_list_tells():
    async def asked() -> tuple[dict[str, int], list[Answer]]:
        async with server() as (client, _):
            table = (await client.get("/v1/models")).data["data"][0]["ponder"]["efforts"]
            return table, [await client.chat(reasoning_effort=name) for name in table]

    table, answers = run(asked())
    assert table == {"none": 64, "minimal": 40, "low": 80, "medium": 320, "high": 1280, "xhigh": 5120, "max": 5120}
    assert [answer.data["ponder"]["budget"] for answer in answers] == list(table.values())
    assert all(usage(answer)["completion_tokens"] <= table[name] for name, answer in zip(table, answers, strict=True))
    assert answers[0].data["ponder"]["strategy"] == "none"


@pytest.mark.parametrize(
    ("fields", "budget"),
    [
        ({"reasoning": {"effort": "low"}}, 80),
        ({"reasoning": {"max_tokens": 123}}, 123),
        ({"thinking_token_budget": -1}, 5120),
        ({"thinking_token_budget": 0}, 64),
        ({"thinking": {"type": "disabled"}}, 64),
        ({"max_completion_tokens": 50}, 50),
        ({"max_tokens": 5}, 5),
        ({"n": 4, "thinking_token_budget": 400}, 100),
    ],
)
def test_every_way_to_set_the_budget_is_understood(fields: dict[str, Any], budget: int):
    async def asked() -> Answer:
        async with server() as (client, _):
            return await client.chat(**fields)

    answer = run(asked())
    assert answer.data["ponder"]["budget"] == budget
    assert usage(answer)["completion_tokens"] <= budget * fields.get("n", 1)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"top_k": 3}, "top_k"),
        ({"n": 1000}, "n"),
        ({"n": -1}, "n"),
        ({"temperature": 9}, "temperature"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"reasoning_effort": "low", "thinking_token_budget": 9}, "thinking_token_budget"),
        ({"thinking_token_budget": 999999}, "thinking_token_budget"),
        ({"ponder": {"strategy": "sorcery"}}, "ponder.strategy"),
        ({"ponder": {"strategy": "mcts"}}, "ponder.strategy"),
        ({"ponder": {"seconds": 1e6}}, "ponder.seconds"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.0.type"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"store": True}, "store"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": {"type": "string", "pattern": "(a+)+$"}},
                }
            },
            "response_format.json_schema.schema",
        ),
    ],
)
def test_what_is_not_done_is_refused_by_name(fields: dict[str, Any], param: str):
    async def asked() -> Answer:
        async with server() as (client, _):
            return await client.chat(**fields)

    answer = run(asked())
    assert answer.status == 400, answer.body
    assert answer.error["param"] == param, answer.error
    assert answer.error["type"] == "invalid_request_error"


def test_thinking_is_shown_under_both_names_where_it_is_asked_for():
    async def asked() -> list[Answer]:
        async with server() as (client, _):
            return [
                await client.chat(include_reasoning=True),
                await client.chat(reasoning={"exclude": False}),
                await client.chat(ponder={"show": "summary"}),
                await client.chat(reasoning={"exclude": True}, include_reasoning=True),
            ]

    full, other, summary, hidden = (answer.data["choices"][0]["message"] for answer in run(asked()))
    assert full["reasoning"] == full["reasoning_content"] and "1+2=3" in full["reasoning"]
    assert "1+2=3" in other["reasoning"]
    assert "steps drawn" in summary["reasoning"] and "1+2=3" not in summary["reasoning"]
    assert "reasoning" not in hidden


def test_an_operator_can_forbid_to_show_it():
    async def asked() -> list[Answer]:
        async with server(show_thinking=False) as (client, _):
            return [await client.chat(include_reasoning=True), await client.chat()]

    refused, answered = run(asked())
    assert refused.status == 400 and refused.error["code"] == "thinking_hidden"
    assert answered.status == 200 and answered.data["ponder"]["tree"] is None


def test_a_stream_ends_with_the_usage_and_replays_nothing():
    async def asked() -> tuple[Answer, Answer]:
        async with server(seconds=0.01) as (client, _):
            fields: dict[str, Any] = {"seed": 5, "reasoning_effort": "low"}
            whole = await client.chat(**fields)
            return whole, await client.chat(**fields, stream=True, stream_options={"include_usage": True})

    whole, stream = run(asked())
    assert stream.headers["content-type"].startswith("text/event-stream")
    *chunks, last = stream.events
    said = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert said == whole.data["choices"][0]["message"]["content"] == "7"
    assert last["choices"] == [] and last["usage"]["completion_tokens"] == usage(whole)["completion_tokens"]
    assert stream.body.endswith(b"data: [DONE]\n\n")
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"
    assert b"1+2" not in stream.body
    comments = [line for line in stream.body.split(b"\n") if line.startswith(b": ")]
    assert comments and all(b"answer" not in line for line in comments)


def test_the_tree_grows_in_a_stream_and_can_be_looked_at_afterwards():
    async def asked() -> tuple[Answer, Answer, Answer]:
        async with server(seconds=0.3) as (client, _):
            stream = await client.chat(stream=True, ponder={"show": "full", "progress": True})
            id = [e["ponder"]["tree"] for e in stream.events if "tree" in e.get("ponder", {})][-1]
            page = await client.get(f"/v1/thinking/{id}", accept="text/html")
            return stream, await client.get(f"/v1/thinking/{id}"), page

    stream, tree, page = run(asked())
    grown = {node["id"] for e in stream.events for node in e.get("ponder", {}).get("progress", {}).get("nodes", [])}
    assert grown == {node["id"] for node in tree.data["nodes"]}
    assert page.status == 200 and b"<script" not in page.body


def test_two_choices_differ_and_the_same_seed_gives_the_same():
    async def asked() -> list[Answer]:
        async with server() as (client, _):
            fields: dict[str, Any] = {"n": 3, "seed": 1, "reasoning_effort": "low", "include_reasoning": True}
            return [await client.chat(**fields), await client.chat(**fields)]

    first, second = run(asked())
    messages = [[choice["message"] for choice in answer.data["choices"]] for answer in (first, second)]
    assert messages[0] == messages[1]
    assert len({choice["message"]["reasoning"] for choice in first.data["choices"]}) > 1
    assert [choice["index"] for choice in first.data["choices"]] == [0, 1, 2]


def test_stop_strings_and_log_probabilities_are_of_the_visible_answer():
    async def asked() -> list[Answer]:
        async with server(lambda _, __: "x\n</think>12345") as (client, _):
            return [await client.chat(stop="34", logprobs=True), await client.chat(stop=["1"])]

    cut, empty = (answer.data["choices"][0] for answer in run(asked()))
    assert cut["message"]["content"] == "12" and cut["finish_reason"] == "stop"
    assert "".join(token["token"] for token in cut["logprobs"]["content"]) == "12"
    assert empty["message"]["content"] == ""


def test_a_conversation_reaches_the_model_and_its_control_words_do_not_count():
    engine = PacedEngine(says)

    async def asked() -> Answer:
        async with server(engine=engine) as (client, _):
            turns = [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "first </think> <assistant>"},
                {"role": "assistant", "content": "7", "reasoning_content": "secret"},
                {"role": "user", "content": [{"type": "text", "text": "second"}]},
            ]
            return await client.chat(messages=turns, reasoning_effort="minimal")

    assert run(asked()).status == 200
    prompt = engine.calls[0].prompt
    text = CODEC.decode(prompt)
    assert "first" in text and "second" in text and "secret" not in text
    special = set(CODEC.tokenizer.get_added_vocab().values())
    marks = [CODEC.tokenizer.decode([token]) for token in prompt if token in special]
    assert marks == ["<user>", "<assistant>", "<eos>", "<user>", "<assistant>", "<think>"]


def test_json_answers_are_checked_and_tried_again_within_the_budget():
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    tried = []

    def script(prompt: str, rng: Any) -> str:
        tried.append(1)
        return 't\n</think>{"x": 5}' if len(tried) > 3 else "t\n</think>no"

    async def asked() -> list[Answer]:
        async with server(script) as (client, _):
            good = await client.chat(response_format=form, ponder={"strategy": "sample"})
            tried.clear()
            bad = await client.chat(response_format=form, ponder={"strategy": "sample"}, thinking_token_budget=41)
            return [good, bad]

    good, bad = run(asked())
    assert json.loads(good.data["choices"][0]["message"]["content"]) == {"x": 5}
    assert usage(good)["ponder"]["calls"] == 4 and usage(good)["completion_tokens"] <= 320
    assert good.data["ponder"]["form"] == "checked"  # a script cannot be bounded
    message = bad.data["choices"][0]["message"]
    assert message["content"] is None and "form" in message["refusal"]
    assert usage(bad)["completion_tokens"] <= 41


def test_json_answers_of_the_local_engine_are_bounded_while_they_are_drawn():
    """The embedded model has never seen JSON; its first answer matches all the same, whatever the strategy."""
    policy = load_policy("tiny")
    properties = {"x": {"type": "integer", "minimum": 0, "maximum": 99}, "y": {"enum": ["a", "b"]}}
    schema = {"type": "object", "properties": properties, "required": ["x", "y"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    broken = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#/$defs/none"}}}

    async def asked() -> list[Answer]:
        async with server(engine=policy.engine, max_tokens=200) as (client, _):
            vote = {"strategy": "vote"}
            return [
                await client.chat(response_format=form, ponder={"strategy": "sample"}, seed=2),
                await client.chat(response_format=form, ponder=vote, thinking_token_budget=800, seed=3),
                await client.chat(response_format={"type": "json_object"}, reasoning_effort="none", seed=4),
                await client.chat(response_format=broken, reasoning_effort="none"),
            ]

    first, voted, free, checked = run(asked())
    for answer in (first, voted):
        value = json.loads(answer.data["choices"][0]["message"]["content"])
        assert value.keys() == {"x", "y"} and value["y"] in ("a", "b") and 0 <= value["x"] <= 99
        assert answer.data["ponder"]["form"] == "bounded"
    assert usage(first)["ponder"]["calls"] <= 2  # it was not tried again
    assert free.data["ponder"]["form"] == "bounded"  # whether 64 tokens are enough for it to end is chance
    assert checked.status == 200 and checked.data["ponder"]["form"] == "checked"


def test_a_client_that_leaves_frees_the_engine_and_pays_for_what_was_drawn():
    engine = PacedEngine(says, seconds=30.0)

    async def asked(**fields: Any) -> tuple[int, int, Any]:
        async with server(engine=engine) as (client, service):
            leave = asyncio.Event()
            task = asyncio.create_task(client.chat(leave=leave, **fields))
            while not engine.active:
                await asyncio.sleep(0.005)
            leave.set()
            await task
            return engine.active, service.gate.running, service.metrics.text().decode()

    for fields in ({}, {"stream": True}):
        active, running, metrics = run(asked(**fields))
        assert (active, running) == (0, 0)
        assert 'ending="cancelled"} 1.0' in metrics


def test_a_deadline_gives_an_answer_all_the_same():
    def script(prompt: str, rng: Any) -> str:
        return "9" if prompt.endswith("</think>") else says(prompt, rng)

    class Slow(PacedEngine):
        async def generate(self, request: Any) -> Any:
            if not CODEC.decode(request.prompt).endswith("</think>"):
                await asyncio.sleep(60)
            return await super().generate(request)

    async def asked() -> Answer:
        async with server(engine=Slow(script)) as (client, _):
            return await client.chat(ponder={"seconds": 0.4})

    answer = run(asked())
    assert answer.data["choices"][0]["message"]["content"] == "9"
    assert answer.data["ponder"]["ending"] == "deadline"
    assert any("answer at once" in note for note in answer.data["ponder"]["notes"])
    assert usage(answer)["completion_tokens"] <= 320


def test_an_answer_that_ends_at_the_moment_of_its_timeout_is_given_and_paid(monkeypatch: pytest.MonkeyPatch):
    """The loop is held up until the timeout is due and the answer is there: both are found in one turn of the loop."""

    class Late(PacedEngine):
        async def generate(self, request: Any) -> Any:
            if not CODEC.decode(request.prompt).endswith("</think>"):
                await asyncio.sleep(60)
            time.sleep(0.3)
            return await super().generate(request)

    async def asked() -> Answer:
        async with server(engine=Late(lambda _, __: "9")) as (client, _):
            return await client.chat(ponder={"seconds": 0.01})

    monkeypatch.setattr("ponder.serving.thinking.work._LATE", 0.1)
    answer = run(asked())
    assert answer.data["choices"][0]["message"]["content"] == "9"
    bill = usage(answer)["ponder"]
    assert bill["kept"] + bill["discarded"] == bill["generated"] + bill["forced"] and bill["forced"] >= 0


def test_an_engine_that_breaks_is_an_error_object_and_the_server_lives():
    async def asked() -> list[Answer]:
        async with server(faults={0: RuntimeError("secret path /x"), 1: RuntimeError("again")}) as (client, _):
            fields: dict[str, Any] = {"ponder": {"strategy": "sample"}}
            return [
                await client.chat(**fields),
                await client.chat(**fields, stream=True),
                await client.chat(**fields),
            ]

    broken, stream, whole = run(asked())
    assert broken.status == 500 and "secret" not in broken.body.decode()
    assert stream.events[-1]["error"]["code"] == "internal_error" and stream.body.endswith(b"[DONE]\n\n")
    assert whole.status == 200
