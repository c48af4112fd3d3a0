"""An engine of one's own: anything that continues tokens can be searched over, under the same budget.

This one is no model at all. It guesses a digit, more often the right one, so that a vote has something to gain.
"""

import random
from collections.abc import Sequence

import ponder
from ponder.models.load import load
from ponder.protocols import Completion, Request
from ponder.types import StopReason

CODEC = ponder.Codec(load("tiny").tokenizer)


class Guesser:
    """The methods of `ponder.protocols.Engine`: `version`, `context`, `generate`, `score`."""

    version = 0
    context = 4096

    async def generate(self, request: Request) -> Completion:
        rng = random.Random(request.seed)  # the same request gives the same tokens
        guess = 7 if rng.random() < 0.5 else rng.randint(0, 9)
        tokens = (*CODEC.encode(f"{guess}</think>{guess}"), CODEC.eos_id)[: request.max_tokens]
        stop = StopReason.END if tokens[-1] == CODEC.eos_id else StopReason.LENGTH
        return Completion(tokens, (0.0,) * len(tokens), stop, self.version)

    async def score(self, prompt: Sequence[int], continuation: Sequence[int]) -> tuple[float, ...]:
        raise NotImplementedError("a guesser has no probabilities")


@ponder.register_engine("guess")
def guesser(rest: str, *, temperature: float) -> ponder.Source:
    """Guesses a digit."""
    return ponder.source_from_engine(f"guess:{rest}", Guesser(), CODEC, temperature=temperature)


for budget in (64, 512):
    thought = ponder.think("Compute 3+4.", "guess:digits", strategy="vote", budget=budget)
    print(f"{budget} token-equivalents: {len(thought.result.trajectories)} guesses, answer {thought.answer}")
