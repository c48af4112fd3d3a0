"""The process verifier as a judge: scores every step of a trajectory, and the trajectory by aggregating its steps.

Calls from many searches that wait at the same time share batches. Each call costs its tokens: prompt and response
once through the verifier, in token-equivalents of the policy (tokens times the ratio of parameters).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from transformers import PreTrainedModel

from ponder.models.heads import step_logits
from ponder.types import PonderError, Question, Trajectory, Verdict

Aggregation = Literal["last", "min", "product", "mean"]
_TICKS = 4  # event-loop turns that a batch waits for searches which were woken together


def aggregate(step_scores_S: Sequence[float], how: Aggregation) -> float:
    """One score of a trajectory from its step scores.

    Labels from rollouts are values of prefixes, for which `last` is right; correctness labels want `min` or `product`
    (arXiv 2501.07301, section 3).
    """
    if not step_scores_S:
        raise ValueError("a trajectory without steps has no score")
    if how == "last":
        return step_scores_S[-1]
    if how == "min":
        return min(step_scores_S)
    if how == "mean":
        return sum(step_scores_S) / len(step_scores_S)
    return math.exp(sum(math.log(max(score, 1e-12)) for score in step_scores_S))


class ProcessVerifier:
    """`Judge` on a step-verifier model. `prompt_tokens` must be the policy's own prompt."""

    def __init__(
        self,
        model: PreTrainedModel,
        prompt_tokens: Callable[[Question], tuple[int, ...]],
        *,
        policy_parameters: int,
        aggregation: Aggregation = "last",
        micro_tokens: int = 8192,
    ) -> None:
        self.model = model
        self.prompt_tokens = prompt_tokens
        self.aggregation: Aggregation = aggregation
        self.micro_tokens = micro_tokens
        self.ratio = sum(p.numel() for p in model.parameters()) / policy_parameters
        self.tokens_scored = 0
        self._waiting: list[tuple[Trajectory, asyncio.Future[Verdict]]] = []
        self._pump: asyncio.Task[None] | None = None

    def cost(self, trajectory: Trajectory) -> float:
        return self.ratio * (len(self.prompt_tokens(trajectory.question)) + len(trajectory))

    def bound(self, question: Question, tokens: int) -> float:
        return self.ratio * (len(self.prompt_tokens(question)) + tokens)

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Verdict]] = [loop.create_future() for _ in trajectories]
        self._waiting.extend(zip(trajectories, futures, strict=True))
        if self._pump is None or self._pump.done():
            self._pump = loop.create_task(self._run())
        return list(await asyncio.gather(*futures))

    async def _run(self) -> None:
        while self._waiting:
            for _ in range(_TICKS):
                await asyncio.sleep(0)
            batch, self._waiting = self._waiting, []
            try:
                verdicts = self.judge([trajectory for trajectory, _ in batch])
            except Exception as error:  # every waiter must learn of it, or the searches would hang
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), verdict in zip(batch, verdicts, strict=True):
                if not future.done():
                    future.set_result(verdict)

    def judge(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """Verdicts in the order of `trajectories`; runs now, on the calling thread."""
        verdicts: list[Verdict | None] = [None] * len(trajectories)
        rows = [self.prompt_tokens(t.question) + t.tokens for t in trajectories]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        start = 0
        while start < len(order):
            end = start + 1
            while end < len(order) and len(rows[order[end]]) * (end + 1 - start) <= self.micro_tokens:
                end += 1
            part = order[start:end]
            scores_BS = self._score([rows[i] for i in part], [trajectories[i] for i in part])
            for i, scores_S in zip(part, scores_BS, strict=True):
                verdicts[i] = Verdict(score=aggregate(scores_S, self.aggregation), step_scores=scores_S)
            start = end
        return [verdict for verdict in verdicts if verdict is not None]

    @torch.inference_mode()
    def _score(self, rows: Sequence[tuple[int, ...]], trajectories: Sequence[Trajectory]) -> list[tuple[float, ...]]:
        self.model.eval()
        device = self.model.device
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        ends_S = [step_ends(len(row), t) for row, t in zip(rows, trajectories, strict=True)]
        at_B = torch.tensor([i for i, ends in enumerate(ends_S) for _ in ends], device=device)
        at_T = torch.tensor([end for ends in ends_S for end in ends], device=device)
        flat = torch.sigmoid(step_logits(self.model, ids.to(device), at_B, at_T).float()).tolist()
        if not all(map(math.isfinite, flat)):
            raise PonderError(
                "the verifier gave a score that is not finite; its weights are damaged, retrain or reload"
            )
        self.tokens_scored += sum(map(len, rows))
        scores = iter(flat)
        return [tuple(next(scores) for _ in ends) for ends in ends_S]


def step_ends(row_length: int, trajectory: Trajectory) -> list[int]:
    """Positions in prompt + response of the last token of each step (an empty step ends where its parent does)."""
    at = row_length - len(trajectory) - 1
    ends = []
    for step in trajectory.steps:
        at += len(step.tokens)
        ends.append(at)
    return ends
