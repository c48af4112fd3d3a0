"""What all learned judges share: how they are asked, what they read, and what that costs.

Calls from many searches that wait at the same time become one batch. A kind says at which positions of a text its head
looks (`places`), what number it makes of each (`shown`, `batch`), and what verdict those are (`verdict`).

With a `Reader` a text whose beginning was read before costs only the rest of it, and so it is charged (`Price`).
Without one (an architecture that the reader does not know) every verdict is a whole padded forward, and is charged as
one. Both give the same scores up to rounding.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.models.heads import padded
from ponder.protocols import Price
from ponder.types import PonderError, Question, Trajectory, Verdict
from ponder.verifiers.learned.common.reader import Places, Reader, Tokens

PromptTokens = Callable[[Question], tuple[int, ...]]
_TICKS = 4  # event-loop turns that a batch waits for searches which were woken together


class ScoreNotFinite(PonderError):
    """A verifier gave a score that is no number."""


class BatchedJudge(ABC):
    """`Judge` on a model in this process. `prompt_tokens` must be the policy's own prompt.

    `shared` says that the model's trunk is the policy's own and that `reader` reads the policy's engine: the hidden
    states of a trajectory are there once it was generated, and what a judgement adds is the head at the positions it
    looks at. That is what it costs: head parameters times positions, in token-equivalents. `tokens_scored` counts the
    tokens that went through a trunk for this judge alone; an engine counts its own.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        prompt_tokens: PromptTokens,
        *,
        policy_parameters: int,
        shared: bool = False,
        reader: Reader | None = None,
        micro_tokens: int = 8192,
    ) -> None:
        if shared and reader is None:
            raise ValueError("a trunk that is shared with the policy is read from its engine: hand in a reader of it")
        self.model = model
        self.prompt_tokens = prompt_tokens
        self.shared = shared
        self.reader = reader
        self.micro_tokens = micro_tokens
        self.policy_parameters = policy_parameters
        self.ratio = sum(p.numel() for p in model.parameters()) / policy_parameters
        self._padded = 0
        self._waiting: list[tuple[Trajectory, asyncio.Future[Verdict]]] = []
        self._pump: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @abstractmethod
    def places(self, length: int, trajectory: Trajectory) -> list[int]:
        """The positions of a row of this length at which the head looks."""

    @abstractmethod
    async def shown(self, rows: Sequence[Tokens], places: Places) -> list[list[float]]:
        """The numbers that the head makes of what the readers know at the places of each row."""

    @abstractmethod
    def batch(self, ids_BT: Tensor, places: Places) -> Tensor:
        """The same numbers [N], row after row, by a forward of padded rows."""

    @abstractmethod
    def verdict(self, trajectory: Trajectory, numbers: Sequence[float]) -> Verdict:
        """The verdict by the numbers at its places."""

    def row(self, trajectory: Trajectory) -> Tokens:
        """What the model reads."""
        return self.prompt_tokens(trajectory.question) + trajectory.tokens

    @property
    def readers(self) -> tuple[Reader, ...]:
        """All that this judge reads with."""
        return () if self.reader is None else (self.reader,)

    @property
    def tokens_scored(self) -> int:
        return self._padded + sum(reader.computed for reader in self.readers)

    def looks(self, trajectory: Trajectory) -> int:
        """At how many different positions the head looks: step ends (an empty step ends where its parent does)."""
        return max(1, sum(bool(step.tokens) for step in trajectory.steps))

    def head_parameters(self) -> int:
        """Parameters that a judgement adds to a trunk that was run anyway."""
        trunk = {id(p) for p in self.model.base_model.parameters()}
        return sum(p.numel() for p in self.model.parameters() if id(p) not in trunk)

    def price(self, question: Question) -> Price:
        if self.shared:
            return Price(step=self._head)
        return self._reading(question, self.ratio)

    def extra(self, trajectory: Trajectory) -> float:
        return self._head * self.looks(trajectory) if self.shared else 0.0

    @property
    def _head(self) -> float:
        return self.head_parameters() / self.policy_parameters

    def _reading(self, question: Question, token: float, verdict: float = 0.0) -> Price:
        """The price of a judge that reads question and response at `token` a token, as its reader allows it."""
        return Price(token * len(self.prompt_tokens(question)), token, verdict, rereads=self.reader is None)

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        loop = self._entered()
        futures: list[asyncio.Future[Verdict]] = [loop.create_future() for _ in trajectories]
        self._waiting.extend(zip(trajectories, futures, strict=True))
        if self._pump is None or self._pump.done() or self._pump.get_loop() is not loop:
            self._pump = loop.create_task(self._run())
        return list(await asyncio.gather(*futures))

    def _entered(self) -> asyncio.AbstractEventLoop:
        """The running loop. On a new one nothing is known yet, so what is computed hangs on its own calls alone."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            for reader in self.readers:
                reader.forget()
        self._loop = loop
        return loop

    async def _run(self) -> None:
        while self._waiting:
            for _ in range(_TICKS):
                await asyncio.sleep(0)
            batch, self._waiting = self._waiting, []
            try:
                verdicts = await self._verdicts([trajectory for trajectory, _ in batch])
            except Exception as error:  # every waiter must learn of it, or the searches would hang
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), verdict in zip(batch, verdicts, strict=True):
                if not future.done():
                    future.set_result(verdict)

    async def _verdicts(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        return list(map(self.verdict, trajectories, await self._read(*self._asked(trajectories))))

    async def _read(self, rows: Sequence[Tokens], places: Places) -> list[list[float]]:
        """The numbers at the places of each row, from readers if there are any that can hold the rows."""
        self.model.eval()
        if not self.readers or max(map(len, rows)) > min(reader.context for reader in self.readers):
            return self.forward(rows, places)
        return await self.shown(rows, places)

    def judge(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """Verdicts in the order of `trajectories`, by a whole forward of the model, now and on the calling thread."""
        self.model.eval()
        rows, places = self._asked(trajectories)
        return list(map(self.verdict, trajectories, self.forward(rows, places)))

    def _asked(self, trajectories: Sequence[Trajectory]) -> tuple[list[Tokens], list[list[int]]]:
        rows = [self.row(t) for t in trajectories]
        return rows, [self.places(len(row), t) for row, t in zip(rows, trajectories, strict=True)]

    @torch.inference_mode()
    def forward(self, rows: Sequence[Tokens], places: Places) -> list[list[float]]:
        """The numbers from padded batches that fit into memory."""
        found: dict[int, list[float]] = {}
        for part in parts(list(map(len, rows)), self.micro_tokens):
            ids_BT = padded([rows[i] for i in part], self.model.device)
            some = [places[i] for i in part]
            found.update(zip(part, by_row(self.batch(ids_BT, some), some), strict=True))
        self._padded += sum(map(len, rows))
        return [found[i] for i in range(len(rows))]


def indices(places: Places, device: torch.device) -> tuple[Tensor, Tensor]:
    """Row and position [N] of each place."""
    rows = [i for i, some in enumerate(places) for _ in some]
    at = [position for some in places for position in some]
    return torch.tensor(rows, dtype=torch.long, device=device), torch.tensor(at, dtype=torch.long, device=device)


def by_row(numbers_N: Tensor, places: Places) -> list[list[float]]:
    """Numbers of all rows, shared out to them."""
    values = iter(numbers_N.tolist())
    return [[next(values) for _ in some] for some in places]


def parts(lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Indices in batches of like length, each at most `tokens` padded tokens (a longer row is a batch alone)."""
    found: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if found and lengths[i] * (len(found[-1]) + 1) <= tokens:
            found[-1].append(i)
        else:
            found.append([i])
    return found


def scores(log_odds: Sequence[float], temperature: float) -> tuple[float, ...]:
    """The logistic of log-odds over a temperature, or `ScoreNotFinite` if one of them is not a number."""
    found = tuple((torch.tensor(log_odds) / temperature).sigmoid().tolist())
    if not all(map(math.isfinite, found)):
        raise ScoreNotFinite("the verifier gave a score that is not finite; its weights are damaged, retrain or reload")
    return found


def step_ends(row_length: int, trajectory: Trajectory) -> list[int]:
    """Positions in prompt + response of the last token of each step (an empty step ends where its parent does)."""
    at = row_length - len(trajectory) - 1
    ends = []
    for step in trajectory.steps:
        at += len(step.tokens)
        ends.append(at)
    return ends
