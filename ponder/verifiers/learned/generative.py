"""Generative verifier as a judge (GenRM, 2408.15240): the chance that the model answers "yes" to a fixed question.

    score = p(yes) / (p(yes) + p(no))        with K critiques: the mean over critiques of that, not of verdicts

A critique is sampled after the trajectory and read before the verdict; the first one is kept on `Verdict.detail`, and
if all can be read they give step scores too. With K = 0 there is none, and the judge is as cheap as any other.

Cost: every token that goes through the model. Without critiques trajectory + question. With K of them, the prompt once
(identical prompts share it), the generated tokens, and for each critique the pass that reads the verdict. How long a
critique will be is not known before; `cost` is the most it can be until the trajectory was judged, exact afterwards.
With a shared trunk the trajectory itself was computed when it was drawn and does not count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from ponder.models.heads import next_token_logprobs, padded
from ponder.protocols import Completion, Engine, Request
from ponder.seeds import derive_seed
from ponder.types import PonderError, Question, Step, Trajectory, Verdict
from ponder.verifiers.learned.batched import BatchedJudge, PromptTokens, finite, parts
from ponder.verifiers.learned.critique import step_scores

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


class GenerativeVerifier(BatchedJudge):
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
        micro_tokens: int = 8192,
        engine: Engine | None = None,
        decode: Callable[[Sequence[int]], str] | None = None,
        critiques: int = 0,
        critique_tokens: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__(
            model, prompt_tokens, policy_parameters=policy_parameters, shared=shared, micro_tokens=micro_tokens
        )
        if critiques and (engine is None or decode is None):
            raise PonderError(f"{critiques} critiques need an engine to write them; hand one in or set critiques to 0")
        self.asked, self.temperature, self.sampling, self.seed = asked, temperature, sampling, seed
        self.engine, self.decode = engine, decode
        self.critiques, self.critique_tokens = critiques, critique_tokens
        self._exact: dict[Step, float] = {}

    def row(self, trajectory: Trajectory) -> tuple[int, ...]:
        return super().row(trajectory) + self.asked.question

    def verdicts(self, rows: Sequence[tuple[int, ...]], trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return [Verdict(score=score) for score in self.chances(rows)]

    def cost(self, trajectory: Trajectory) -> float:
        exact = self._exact.get(trajectory.leaf)
        if exact is not None:
            return exact
        return self._price(len(super().row(trajectory)), [self.critique_tokens] * self.critiques)

    def bound(self, question: Question, tokens: int) -> float:
        return self._price(len(self.prompt_tokens(question)) + tokens, [self.critique_tokens] * self.critiques)

    def _price(self, read: int, critiques: Sequence[int]) -> float:
        asked = len(self.asked.question)
        before = 0 if self.shared else read
        if not critiques:
            return self.ratio * (before + asked)
        # Written after one pass over what is read; then read again, each with the question behind it.
        verdicts = sum(before + written + asked for written in critiques)
        return self.ratio * (before + sum(critiques) + verdicts)

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        if not self.critiques:
            return await super().__call__(question, trajectories)
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
        chances = self.chances([before + tail + self.asked.question for tail in tails])
        texts = [self.decode(tail) for tail in tails]
        if len(self._exact) >= _REMEMBERED:
            self._exact.clear()
        self._exact[trajectory.leaf] = self._price(len(before), [len(c.tokens) for c in written])
        scores = step_scores(texts, len(trajectory.steps))
        return Verdict(score=sum(chances) / len(chances), step_scores=scores, detail=texts[0])

    async def _write(self, before: tuple[int, ...], trajectory: Trajectory, i: int) -> Completion:
        assert self.engine is not None
        seed = derive_seed("critique", self.seed, i, trajectory.question.id, trajectory.tokens)
        stop = (self.asked.text,)
        return await self.engine.generate(Request(before, self.critique_tokens, seed, self.sampling, 1.0, stop))

    def _without_question(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        """The critique alone: its tokens up to where the question begins."""
        asked = self.asked.question
        at = next((i for i in range(len(tokens)) if tokens[i : i + len(asked)] == asked), len(tokens))
        return tokens[:at]

    @torch.inference_mode()
    def chances(self, rows: Sequence[tuple[int, ...]]) -> list[float]:
        """p(yes) renormalised over yes and no, at the end of each row, in order."""
        found: dict[int, float] = {}
        device = self.model.device
        for part in parts(list(map(len, rows)), self.micro_tokens):
            at_T = torch.tensor([len(rows[i]) - 1 for i in part], device=device)
            at_B = torch.arange(len(part), device=device)
            logprobs = next_token_logprobs(self.model, padded([rows[i] for i in part], device), at_B, at_T)
            odds = logprobs[:, self.asked.yes] - logprobs[:, self.asked.no]
            found.update(zip(part, finite(torch.sigmoid(odds / self.temperature).tolist()), strict=True))
        return [found[i] for i in range(len(rows))]
