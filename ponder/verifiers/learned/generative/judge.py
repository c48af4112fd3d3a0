"""Generative verifier as a judge (GenRM, 2408.15240): the chance that the model answers "yes" to a fixed question.

    score = p(yes) / (p(yes) + p(no))        with K critiques: the mean over critiques of that, not of verdicts

A critique is sampled after the trajectory and read before the verdict; the first one is kept on `Verdict.detail`, and
if all can be read they give step scores too. With K = 0 there is none, and the judge is as cheap as any other.

Cost: a token of question and response once a search (nothing where the trunk is shared, since drawing computed it), and
with every verdict the fixed question after it; with critiques, for each of them its tokens and that question. Where the
engine that writes critiques shows no hidden states, the model reads trajectory and critiques again for the verdict (the
trajectory for every critique, if it has no reader). How long a critique will be is not known before; `extra` is the
most it can be until the trajectory was judged, exact afterwards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedModel

from ponder.models import lean
from ponder.models.heads import next_token_logprobs
from ponder.protocols import Completion, Engine, HiddenEngine, Price, Request
from ponder.seeds import derive_seed
from ponder.types import PonderError, Question, Step, Trajectory, Verdict
from ponder.verifiers.learned.common.batched import PromptTokens, indices, scores
from ponder.verifiers.learned.common.headed import HeadedJudge
from ponder.verifiers.learned.common.heads import token_odds
from ponder.verifiers.learned.common.reader import EngineReader, Places, Reader, Tokens
from ponder.verifiers.learned.generative.critique import step_scores

_REMEMBERED = 65_536  # exact costs that are kept


@dataclass(frozen=True, slots=True)
class Asked:
    """The fixed question in tokens, its text (a critique stops there) and the tokens of the two verdicts."""

    question: tuple[int, ...]
    text: str
    yes: int
    no: int

    @staticmethod
    def of(
        encode: Callable[[str], tuple[int, ...]], text: str = "\nCorrect? ", yes: str = "Yes", no: str = "No"
    ) -> Asked:
        """Encode; a verdict is told by its first token. Raises PonderError if both begin with the same one."""
        question, first, other = encode(text), encode(yes), encode(no)
        if not question or not first or not other or first[0] == other[0]:
            raise PonderError(f"the verdicts {yes!r} and {no!r} begin with the same token; choose words that differ")
        return Asked(question, text, first[0], other[0])


class GenerativeVerifier(HeadedJudge):
    """`Judge` on a causal language model; `engine` (of the same weights) is needed for `critiques` above 0.

    `temperature` scales the log-odds of the verdict, `sampling` is the temperature at which critiques are drawn.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        prompt_tokens: PromptTokens,
        asked: Asked,
        *,
        policy_parameters: int,
        shared: bool = False,
        temperature: float = 1.0,
        sampling: float = 1.0,
        reader: Reader | None = None,
        micro_tokens: int = 8192,
        engine: Engine | None = None,
        decode: Callable[[Sequence[int]], str] | None = None,
        critiques: int = 0,
        critique_tokens: int = 128,
        seed: int = 0,
    ) -> None:
        if critiques and (engine is None or decode is None):
            raise PonderError(f"{critiques} critiques need an engine to write them; hand one in or set critiques to 0")
        # Who wrote a critique has read all before it and can show it, if it shows anything.
        linear = bool(critiques) and lean.supports(model)
        shows = EngineReader(engine) if linear and isinstance(engine, HiddenEngine) else None
        super().__init__(
            model,
            prompt_tokens,
            policy_parameters=policy_parameters,
            shared=shared,
            reader=shows or reader,
            micro_tokens=micro_tokens,
        )
        self.asked, self.temperature, self.sampling, self.seed = asked, temperature, sampling, seed
        self.engine, self.decode = engine, decode
        self.critiques, self.critique_tokens = critiques, critique_tokens
        self._again = 0 if not critiques or shows else critiques if self.reader is None else 1
        self._exact: dict[Step, float] = {}

    def row(self, trajectory: Trajectory) -> Tokens:
        return super().row(trajectory) + self.asked.question

    def places(self, length: int, trajectory: Trajectory) -> list[int]:
        return [length - 1]

    def numbers(self, states_NH: Tensor) -> Tensor:
        return token_odds(self.model, states_NH, self.asked.yes, self.asked.no)

    def batch(self, ids_BT: Tensor, places: Places) -> Tensor:
        if lean.supports(self.model):
            return super().batch(ids_BT, places)
        logprobs_NV = next_token_logprobs(self.model, ids_BT, *indices(places, ids_BT.device))
        return logprobs_NV[:, self.asked.yes] - logprobs_NV[:, self.asked.no]

    def verdict(self, trajectory: Trajectory, numbers: Sequence[float]) -> Verdict:
        return Verdict(score=scores(numbers, self.temperature)[0])

    def price(self, question: Question) -> Price:
        token = 0.0 if self.shared else self.ratio * (1 + self._again)
        return self._reading(question, token, self._asking([self.critique_tokens] * self.critiques))

    def extra(self, trajectory: Trajectory) -> float:
        exact = self._exact.get(trajectory.leaf)
        return self._asking([self.critique_tokens] * self.critiques) if exact is None else exact

    def _asking(self, critiques: Sequence[int]) -> float:
        """What follows a trajectory: critiques of these lengths, and the fixed question behind each, or alone."""
        written, asked = sum(critiques), max(1, len(critiques)) * len(self.asked.question)
        return self.ratio * ((2 if self._again else 1) * written + asked)

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        if not self.critiques:
            return await super().__call__(question, trajectories)
        self._entered()
        return list(await asyncio.gather(*map(self._criticised, trajectories)))

    def judge(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        if self.critiques:
            raise PonderError("a judge that writes critiques must be awaited; call it instead of judge()")
        return super().judge(trajectories)

    async def _criticised(self, trajectory: Trajectory) -> Verdict:
        before = super().row(trajectory)
        written = await asyncio.gather(*(self._write(before, trajectory, i) for i in range(self.critiques)))
        assert self.decode is not None
        tails = [self._without_question(completion.tokens) for completion in written]
        rows = [before + tail + self.asked.question for tail in tails]
        odds = [odds for row_odds in await self._read(rows, [[len(row) - 1] for row in rows]) for odds in row_odds]
        chances = scores(odds, self.temperature)
        texts = [self.decode(tail) for tail in tails]
        if len(self._exact) >= _REMEMBERED:
            self._exact.clear()
        self._exact[trajectory.leaf] = self._asking([len(c.tokens) for c in written])
        scores_S = step_scores(texts, len(trajectory.steps))
        return Verdict(score=sum(chances) / len(chances), step_scores=scores_S, detail=texts[0])

    async def _write(self, before: Tokens, trajectory: Trajectory, i: int) -> Completion:
        assert self.engine is not None
        seed = derive_seed("critique", self.seed, i, trajectory.question.id, trajectory.tokens)
        stop = (self.asked.text,)
        return await self.engine.generate(Request(before, self.critique_tokens, seed, self.sampling, 1.0, stop))

    def _without_question(self, tokens: Tokens) -> Tokens:
        """The critique alone: its tokens up to where the question begins."""
        asked = self.asked.question
        at = next((i for i in range(len(tokens)) if tokens[i : i + len(asked)] == asked), len(tokens))
        return tokens[:at]
