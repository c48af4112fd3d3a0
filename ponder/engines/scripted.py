"""An engine that says what it is told to: for tests and for examples that need no model.

A script is either a mapping from the end of a prompt's text to what may follow, with probabilities, or a function that
writes the text itself:

    ScriptedEngine(tokenizer, {"2+2=": [("4", 0.9), ("5", 0.1)]})
    ScriptedEngine(tokenizer, lambda prompt, rng: rng.choice(["yes", "no"]))
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from ponder.engines.limits import check_scored, limit_of
from ponder.engines.weights import check_version
from ponder.protocols import Completion, Request, Tokenizer, Way, WeightSource
from ponder.types import PonderError, StopReason

Script = Mapping[str, Sequence[tuple[str, float]]] | Callable[[str, random.Random], str]
Fault = Exception | Literal["hang"]
Options = list[tuple[tuple[int, ...], float]]


class ScriptedEngine:
    """`Engine` over a script. The end token follows each text; stop strings and limits may come first.

    The longest key that the prompt ends with is taken, so the key "" is the default. Log-probabilities are exact for a
    mapping (of each token, given those before it) and 0.0 for a function. `calls` lists all requests in order.
    `faults` maps the number of a call (0 is the first) to an exception to raise or to "hang".
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        script: Script,
        *,
        context: int = 4096,
        version: int = 0,
        faults: Mapping[int, Fault] | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._script = script
        self._context = context
        self._version = version
        self._faults = dict(faults or {})
        self.calls: list[Request] = []
        self.tokens_generated = 0
        self.tokens_prefilled = 0
        self.tokens_reused = 0

    @property
    def version(self) -> int:
        return self._version

    @property
    def context(self) -> int:
        return self._context

    async def generate(self, request: Request) -> Completion:
        fault = self._faults.get(len(self.calls))
        self.calls.append(request)
        limit, cut = limit_of(request, self._context)
        version = self._version
        await asyncio.sleep(0)
        if fault == "hang":
            await asyncio.Event().wait()
        elif fault is not None:
            raise fault
        return self._completion(request, limit, cut, version)

    def _completion(self, request: Request, limit: int, cut: StopReason, version: int) -> Completion:
        text = self._tokenizer.decode(request.prompt)
        rng = random.Random(f"{request.seed}/{text}")
        options = self._options(text, rng)
        tokens = _chosen(options, request, rng)
        kept, stop = self._cut(tokens, request.stop, limit, cut)
        logprobs = _conditional(_at_temperature(options, request.temperature or 1.0), kept)
        computed = len(request.prompt) if limit else 0
        self.tokens_generated += len(kept)
        self.tokens_prefilled += computed
        if request.drawn is not None:
            request.drawn.add(len(kept), computed, 0)
        return Completion(kept, logprobs, stop, version, computed=computed)

    def _options(self, prompt: str, rng: random.Random) -> Options:
        """What may follow a prompt, as tokens with the end token, and the probability of each."""
        if not isinstance(self._script, Mapping):
            return [(self._ended(self._script(prompt, rng)), 1.0)]
        keys = [key for key in self._script if prompt.endswith(key)]
        if not keys:
            raise PonderError(f"no script for a prompt that ends with {prompt[-40:]!r}; keys: {sorted(self._script)}")
        return [(self._ended(text), probability) for text, probability in self._script[max(keys, key=len)]]

    def _ended(self, text: str) -> tuple[int, ...]:
        return (*self._tokenizer.encode(text), self._tokenizer.eos_id)

    def _cut(
        self, tokens: tuple[int, ...], stop: tuple[str, ...], limit: int, cut: StopReason
    ) -> tuple[tuple[int, ...], StopReason]:
        for length in range(1, min(limit, len(tokens)) + 1):
            if length == len(tokens):
                return tokens, StopReason.END
            text = self._tokenizer.decode(tokens[:length])
            if any(string in text for string in stop):
                return tokens[:length], StopReason.STEP
        return tokens[:limit], cut

    async def score(self, prompt: Sequence[int], continuation: Sequence[int]) -> tuple[float, ...]:
        """Exact for a mapping, minus infinity for what it never says; a function has no probabilities to give."""
        check_scored(len(prompt), len(continuation), self._context)
        if not isinstance(self._script, Mapping):
            raise PonderError("a scripted function has no probabilities; script this engine with a mapping")
        await asyncio.sleep(0)
        options = self._options(self._tokenizer.decode(tuple(prompt)), random.Random(0))
        return _conditional(options, tuple(continuation))

    @property
    def takes(self) -> tuple[Way, ...]:
        return ("tensors", "path")

    async def update_weights(self, source: WeightSource, version: int) -> None:
        """There are no weights; only the version changes. Requests under way end under the old one."""
        self.replace_weights(source.tensors or {}, version)

    def replace_weights(self, state: Mapping[str, Any], version: int) -> None:
        check_version(version, self._version)
        self._version = version


def _at_temperature(options: Options, temperature: float) -> Options:
    powered = [(tokens, probability ** (1 / temperature)) for tokens, probability in options]
    total = sum(weight for _, weight in powered)
    return [(tokens, weight / total) for tokens, weight in powered]


def _chosen(options: Options, request: Request, rng: random.Random) -> tuple[int, ...]:
    if request.temperature == 0:
        return max(options, key=lambda option: option[1])[0]
    weighted = _at_temperature(options, request.temperature)
    return rng.choices([tokens for tokens, _ in weighted], [weight for _, weight in weighted])[0]


def _conditional(options: Options, tokens: tuple[int, ...]) -> tuple[float, ...]:
    """Log-probability of each token given those before it: the mass that still agrees, over the mass that did."""
    mass = [sum(p for option, p in options if option[:length] == tokens[:length]) for length in range(len(tokens) + 1)]
    ratios = [after / before if before else 0.0 for before, after in pairwise(mass)]
    return tuple(math.log(ratio) if ratio else -math.inf for ratio in ratios)
