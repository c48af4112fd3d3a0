"""The client of decision servers: what is sent, what is read, and that nothing but a probability is one."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ponder.types import EngineError

httpx2 = pytest.importorskip("httpx2")

from ponder.api.verifiers.rubric import Decisions  # noqa: E402
from ponder.engines.remote.systemone import SystemOne, at  # noqa: E402
from ponder.verifiers.rubric.judge import Rubric  # noqa: E402


def server(*answers: Any) -> tuple[SystemOne, list[dict[str, Any]]]:
    """Answers in turn: a number is a status, anything else the body of a 200."""
    asked: list[dict[str, Any]] = []
    left = list(answers)

    def handle(request: Any) -> Any:
        asked.append(json.loads(request.content))
        answer = left.pop(0)
        if isinstance(answer, int):
            return httpx2.Response(answer, text="no key sk-secret here")
        return httpx2.Response(200, content=answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    transport = httpx2.MockTransport(handle)
    made = SystemOne("http://x/v1/systemone", "m", key="sk-secret", first_wait=0.0, transport=transport)
    return made, asked


def answers(*probabilities: float) -> dict[str, Any]:
    return {"answers": {f"q{i}": {"type": "noul", "noul": p} for i, p in enumerate(probabilities)}}


def test_the_score_is_the_weighted_mean_of_the_probabilities() -> None:
    made, asked = server(answers(0.9, 0.5))
    judge = Decisions(made, Rubric(("It is short.", "It is right."), (3.0, 1.0)))
    verdict = asyncio.run(judge.verdict("2+2?", "4\nVERDICT: yes"))
    assert verdict.score == pytest.approx(0.8)
    assert asked[0]["model"] == "m" and "VERDICT" not in asked[0]["state"]
    assert asked[0]["questions"]["q1"] == {"type": "noul", "instructions": "Does the answer meet this: It is right."}


def test_nothing_is_asked_of_an_empty_answer() -> None:
    made, asked = server()
    assert asyncio.run(Decisions(made, Rubric(("a",))).verdict("2+2?", ":")).score == 0.0
    assert not asked


def test_a_busy_server_is_asked_again_and_a_refusal_is_not() -> None:
    made, asked = server(503, 429, answers(1.0))
    assert asyncio.run(made.probabilities("s", ["a"])) == [1.0]
    made, asked = server(400, answers(1.0))
    with pytest.raises(EngineError, match="answered 400") as error:
        asyncio.run(made.probabilities("s", ["a"]))
    assert len(asked) == 1 and "sk-secret" not in str(error.value)


@pytest.mark.parametrize(
    "answer", [answers(), answers(1.5), answers(float("nan")), {"answers": 3}, {}, b"[]", b"{", b"x" * 1_100_000]
)
def test_what_is_no_probability_is_a_failure_of_the_judge(answer: Any) -> None:
    made, _ = server(answer)
    verdict = asyncio.run(Decisions(made, Rubric(("a",))).verdict("2+2?", "4"))
    assert (verdict.score, verdict.failure) == (None, "judge")


def test_an_address_names_the_endpoint() -> None:
    for text in ("http://h:8000/v1#m", "http://h:8000/v1/systemone#m"):
        assert (at(text).url, at(text).model) == ("http://h:8000/v1/systemone", "m")
