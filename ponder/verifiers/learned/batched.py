"""What all learned judges share: calls from many searches that wait at the same time become one batch.

A kind says how a trajectory becomes tokens (`row`) and how a batch of rows becomes verdicts (`verdicts`). The cost of
a judgement is its tokens, prompt and response once through the verifier, in token-equivalents of the policy.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel

from ponder.types import PonderError, Question, Trajectory, Verdict

PromptTokens = Callable[[Question], tuple[int, ...]]
_TICKS = 4  # event-loop turns that a batch waits for searches which were woken together


class ScoreNotFinite(PonderError):
    """A verifier gave a score that is no number."""


class BatchedJudge(ABC):
    """`Judge` on a model in this process. `prompt_tokens` must be the policy's own prompt.

    `shared` says that the model's trunk is the policy's own: then the hidden states of a trajectory are there once it
    was generated, and what a judgement adds is the head at the positions it reads. That is what is counted: head
    parameters times positions read, in token-equivalents. This class computes the trunk again all the same, since
    an engine hands out tokens and not hidden states; that costs seconds, which are reported apart.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        prompt_tokens: PromptTokens,
        *,
        policy_parameters: int,
        shared: bool = False,
        micro_tokens: int = 8192,
    ) -> None:
        self.model = model
        self.prompt_tokens = prompt_tokens
        self.shared = shared
        self.micro_tokens = micro_tokens
        self.policy_parameters = policy_parameters
        self.ratio = sum(p.numel() for p in model.parameters()) / policy_parameters
        self.tokens_scored = 0
        self._waiting: list[tuple[Trajectory, asyncio.Future[Verdict]]] = []
        self._pump: asyncio.Task[None] | None = None

    @abstractmethod
    def verdicts(self, rows: Sequence[tuple[int, ...]], trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """Verdicts on rows that fit into memory together."""

    def row(self, trajectory: Trajectory) -> tuple[int, ...]:
        """What the model reads."""
        return self.prompt_tokens(trajectory.question) + trajectory.tokens

    def read(self, trajectory: Trajectory) -> int:
        """How many positions the head reads."""
        return len(trajectory.steps)

    def head_parameters(self) -> int:
        """Parameters that a judgement adds to a trunk that was run anyway."""
        trunk = {id(p) for p in self.model.base_model.parameters()}
        return sum(p.numel() for p in self.model.parameters() if id(p) not in trunk)

    def cost(self, trajectory: Trajectory) -> float:
        if self.shared:
            return self.read(trajectory) * self.head_parameters() / self.policy_parameters
        return self.ratio * len(self.row(trajectory))

    def bound(self, question: Question, tokens: int) -> float:
        if self.shared:  # at most one step a token
            return max(1, tokens) * self.head_parameters() / self.policy_parameters
        return self.ratio * (len(self.prompt_tokens(question)) + tokens)

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Verdict]] = [loop.create_future() for _ in trajectories]
        self._waiting.extend(zip(trajectories, futures, strict=True))
        if self._pump is None or self._pump.done() or self._pump.get_loop() is not loop:
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

    @torch.inference_mode()
    def judge(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """Verdicts in the order of `trajectories`; runs now, on the calling thread."""
        self.model.eval()
        rows = [self.row(t) for t in trajectories]
        found: dict[int, Verdict] = {}
        for part in parts(list(map(len, rows)), self.micro_tokens):
            verdicts = self.verdicts([rows[i] for i in part], [trajectories[i] for i in part])
            found.update(zip(part, verdicts, strict=True))
        self.tokens_scored += sum(map(len, rows))
        return [found[i] for i in range(len(rows))]


def parts(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Indices in batches of like length, each at most `tokens` padded tokens (a longer row is a batch alone)."""
    found: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if found and lengths[i] * (len(found[-1]) + 1) <= tokens:
            found[-1].append(i)
        else:
            found.append([i])
    return found


def finite(scores: Sequence[float]) -> list[float]:
    """The scores, or `ScoreNotFinite` if one of them is not a number."""
    if not all(map(math.isfinite, scores)):
        raise ScoreNotFinite("the verifier gave a score that is not finite; its weights are damaged, retrain or reload")
    return list(scores)


def step_ends(row_length: int, trajectory: Trajectory) -> list[int]:
    """Positions in prompt + response of the last token of each step (an empty step ends where its parent does)."""
    at = row_length - len(trajectory) - 1
    ends = []
    for step in trajectory.steps:
        at += len(step.tokens)
        ends.append(at)
    return ends
