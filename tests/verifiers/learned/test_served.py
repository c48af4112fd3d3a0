"""A verifier that another program serves gives the verdicts of one in this process, and is charged for whole texts."""

from __future__ import annotations

import asyncio

import pytest

from ponder.models.heads import judging_model
from ponder.protocols import Price
from ponder.verifiers.learned.process.judge import ProcessVerifier
from ponder.verifiers.learned.process.served import ServedVerifier
from tests.learning.factory import model
from tests.verifiers.learned.toy import PARAMETERS, PROMPT, QUESTION, THREE, prompt, trajectory


class Here:
    """A server whose model is in this process after all; `asked` keeps the lengths of the rows of each call."""

    def __init__(self, labels: int) -> None:
        self.shape = judging_model(model(1), "token", labels=labels, seed=5)
        self.asked: list[list[int]] = []

    def log_odds(self, rows, places):
        self.asked.append([len(row) for row in rows])
        return ProcessVerifier(self.shape, prompt, policy_parameters=1).forward(rows, places)


@pytest.mark.parametrize("labels", [1, 2])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_verdicts_are_those_of_the_verifier_in_this_process(labels, temperature):
    server = Here(labels)
    settings = {"policy_parameters": PARAMETERS, "temperature": temperature, "aggregation": "min"}
    served, own = ServedVerifier(server, prompt, **settings), ProcessVerifier(server.shape, prompt, **settings)
    several = [THREE, trajectory((5,), (9, 9))]
    assert served.judge(several) == own.judge(several)
    assert asyncio.run(served(QUESTION, several)) == own.judge(several)


def test_calls_that_wait_together_become_one_and_every_text_is_charged_whole():
    server = Here(2)
    it = ServedVerifier(server, prompt, policy_parameters=PARAMETERS)

    async def ask():
        return await asyncio.gather(it(QUESTION, [THREE]), it(QUESTION, [trajectory((5,))]))

    asyncio.run(ask())
    assert server.asked == [[len(PROMPT) + 6, len(PROMPT) + 1]]
    assert it.tokens_scored == 2 * len(PROMPT) + 7
    assert it.price(QUESTION) == Price(it.ratio * len(PROMPT), it.ratio, rereads=True)
    assert it.extra(THREE) == 0.0
