"""The policy's trainer as the loop sees it (`selfplay.roles.Trainer`), whose work is done by a group of learners.

Every learner is a rank of one process group with its share of the weights (`worker`). A call goes to all of them, each
gets the samples once and computes its share of the micro-batches, and rank 0 answers for all. After an update the
driver's model holds the new weights, so whoever reads that model (the parity check, the verifier's start, model
folders) reads what was trained.

Nothing is lost with a learner. The driver keeps the state that was last written or read, and every call since. When a
rank dies or gives no sign of life, the whole group is ended, since the others wait for it for ever; a new one takes
that state and makes the calls again, which gives the same weights. The state is whole tensors in the ordinary form of
a checkpoint, so that any number of learners, or one process, goes on from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.distributed.background import Background
from ponder.distributed.learners.worker import Course, Sent
from ponder.distributed.members import Heard, Launch, Lost, Member, silent
from ponder.distributed.messages import unpacked
from ponder.learning.checkpoints.state import LearnerState, restore_weights
from ponder.learning.report import UpdateReport
from ponder.learning.settings import TrainerSettings
from ponder.losses.loss import Loss
from ponder.losses.normalisation import LeftOut
from ponder.selfplay.cluster import Cluster
from ponder.types import PonderError, Sample

_BEAT = 5.0  # seconds after which learners at work are asked whether they are still there


class LearnersLost(PonderError):
    """The group was lost too often. The text names the rank, and how to go on."""


class LearnerGroup:
    """Trains `model` on the members that `launch` starts. `share` puts a value where all members can fetch it."""

    def __init__(
        self,
        model: PreTrainedModel,
        course: Course,
        launch: Launch,
        share: Callable[[Any], Any],
        settings: Cluster,
        *,
        heard: Heard = silent,
        beat: float = _BEAT,
    ) -> None:
        """PonderError if the model is not float32, which is what learners keep their shares in."""
        if model.dtype != torch.float32:
            raise PonderError(
                f"cluster.learners={settings.learners}: learners keep float32 weights and the model is {model.dtype}; "
                "load it in float32 and set trainer.precision=bfloat16, or set cluster.learners=0"
            )
        self.model: PreTrainedModel = model.eval()
        self._course, self._launch, self._share, self._settings, self._heard = course, launch, share, settings, heard
        self._beat = beat
        self._background = Background("ponder learners")
        self._members: list[Member] = []
        self._began = 0
        self._finished = False
        # What makes the present state, first of all "load"; `_done` of it was done by the present members.
        self._calls: list[tuple[str, tuple[Any, ...]]] = []
        self._done = 0
        self._written: LearnerState | None = None  # the state that `_calls` begins with, if nothing came after it
        zero = {"steps": 0, "skips": 0, "skips_in_a_row": 0}
        self._begin_with(LearnerState(dict(model.named_parameters()), {}, zero))

    # What a run sees.

    def start(self) -> None:
        """Start all learners and wait for them; PonderError that names those which did not come up."""
        self._through()

    def update(self, samples: Sequence[Sample], left_out: LeftOut | None = None) -> UpdateReport:
        """One update by all learners; the driver's model then holds its weights. Errors as `PolicyTrainer.update`.

        LearnersLost if a learner was lost and no new group got through.
        """
        answers = self._do("update", samples, left_out)
        report, weights = answers[0]
        with torch.no_grad():
            own, found = self.model.state_dict(), unpacked(weights)
            for name, tensor in own.items():
                tensor.copy_(found[name])
        return report  # type: ignore[no-any-return]

    def weights(self) -> dict[str, Tensor]:
        """What an engine serves: the driver's model, which holds what was trained."""
        return dict(self.model.state_dict())

    def state(self) -> LearnerState:
        """Everything that the next step depends on, gathered from all learners: whole tensors."""
        if self._written is None:
            self._begin_with(self._do("state")[0].state())
            self._done = 1  # the members are in this very state
        assert self._written is not None
        live = {name: p.detach() for name, p in self.model.named_parameters()}
        return LearnerState(live, self._written.tensors, self._written.counters)

    def load_state(self, state: LearnerState) -> None:
        """Continue from `state`, whatever number of learners wrote it; PonderError if it belongs to another model."""
        restore_weights(self.model, state.weights)
        self._begin_with(state)
        self._through()

    def restage(self, settings: TrainerSettings, loss: Loss, total_steps: int) -> None:
        """Go on from these weights with another loss and other settings: a fresh optimizer."""
        self._course = Course(settings, loss, total_steps, self._course.scale)
        self._do("restage", self._course)

    def slow(self, scale: float) -> None:
        """Multiply the rate of all further steps by `scale`, whatever it was multiplied by before."""
        if scale != self._course.scale:
            self._course = Course(self._course.settings, self._course.loss, self._course.total_steps, scale)
            self._do("slow", scale)

    def finish(self) -> None:
        """Training is over: the learners end. The driver's model stays."""
        self._finished = True
        self._end()

    def close(self) -> None:
        self._end()
        self._background.close()

    # Calls, and what becomes of them.

    def _begin_with(self, state: LearnerState) -> None:
        """From here on the calls begin with this state."""
        weights = {name: tensor.detach().cpu().clone() for name, tensor in state.weights.items()}
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in state.tensors.items()}
        self._written = LearnerState(weights, tensors, dict(state.counters))
        self._calls, self._done = [("load", (self._course, Sent.of(self._written)))], 0

    def _do(self, method: str, *arguments: Any) -> list[Any]:
        if self._finished:
            raise PonderError("training is over and its learners ended; nothing more can be asked of them")
        self._written = None
        self._calls.append((method, arguments))
        return self._through()

    def _through(self) -> list[Any]:
        """Make all calls that the members did not make yet; the answers to the last one.

        A lost group is replaced by a new one, which begins with the first call.
        """
        lost_in_a_row = 0
        while True:
            try:
                if not self._members:
                    self._started()
                answers: list[Any] = []
                while self._done < len(self._calls):
                    answers = self._made(*self._calls[self._done])
                    self._done += 1
                return answers
            except Lost as error:
                lost_in_a_row += 1
                self._lose(error, lost_in_a_row)
            except PonderError:
                if self._done and self._done + 1 == len(self._calls):
                    self._calls.pop()  # every rank refused it
                raise

    def _made(self, method: str, arguments: tuple[Any, ...]) -> list[Any]:
        shared = [self._share(argument) for argument in arguments]
        limit = self._settings.start_seconds if method == "load" else self._settings.update_seconds
        what = f"{method} on {len(self._members)} learners"
        return self._background.run(self._all(method, shared, limit), limit + 60.0, what)

    def _lose(self, why: Lost, times: int) -> None:
        """End what is left of the group; LearnersLost if that happened too often."""
        made = sum(method == "update" for method, _ in self._calls[: self._done])
        self._end()
        self._heard("learner_lost", {"why": str(why), "updates_again": made})
        if times > self._settings.restarts:
            self._give_up(why, times)

    def _give_up(self, why: Lost, times: int) -> NoReturn:
        raise LearnersLost(
            f"{why}; the group of {self._settings.learners} learners was lost {times} times in a row (cluster.restarts="
            f"{self._settings.restarts}). The last finished round is saved: go on with `ponder run --resume --out RUN "
            "--cluster ADDRESS`, with fewer learners (--set cluster.learners=N) if a machine is gone"
        ) from None

    def _end(self) -> None:
        for member in self._members:
            member.kill()
        self._members, self._done = [], 0

    # The rest runs on the loop of `background`.

    def _started(self) -> None:
        limit = self._settings.start_seconds
        self._background.run(self._start(limit), 3 * limit + 30.0, "starting the learners")

    async def _start(self, limit: float) -> None:
        """New members that have found each other."""
        began, self._began = self._began, self._began + 1
        for place in range(self._settings.learners):
            self._members.append(await self._launch(place, began))
        await self._all("alive", [], limit)
        host, port = await self._members[0].call("meeting", seconds=limit)
        await self._all("join", [host, port, limit], limit)

    async def _all(self, method: str, arguments: list[Any], limit: float) -> list[Any]:
        """The answers of all ranks, in order. Lost names the rank that is gone; PonderError if all ranks raised it."""
        asked = [asyncio.ensure_future(member.call(method, *arguments, seconds=limit)) for member in self._members]
        try:
            while True:
                done, waiting = await asyncio.wait(asked, timeout=self._beat, return_when=asyncio.FIRST_EXCEPTION)
                errors = [error for error in (task.exception() for task in done) if error is not None]
                if any(isinstance(error, Lost) for error in errors):
                    raise _first_lost(asked) if method == "alive" else await self._blamed(asked)
                if errors and waiting:  # the others refuse it soon too, or they are out of step
                    await asyncio.wait(waiting, timeout=self._settings.stall_seconds)
                if errors or not waiting:
                    return _agreed(method, [_outcome(task) for task in asked])
                if method != "alive":
                    # An update may take long, but its learners must be alive: one that was stopped is given up.
                    await self._all("alive", [], self._settings.stall_seconds)
        finally:
            for task in asked:
                task.cancel()

    async def _blamed(self, asked: Sequence[asyncio.Task[Any]]) -> Lost:
        """Who is gone. When a rank dies, the others fail too, and often sooner than its death is noticed."""
        limit = self._settings.stall_seconds  # a dead one is told of at once; a live one may be slow
        asking = (member.call("alive", seconds=limit) for member in self._members)
        alive = await asyncio.gather(*asking, return_exceptions=True)
        return next((answer for answer in alive if isinstance(answer, Lost)), _first_lost(asked))


def _first_lost(asked: Sequence[asyncio.Task[Any]]) -> Lost:
    """The first rank that is lost by its answer; there is one."""
    errors = (task.exception() for task in asked if task.done())
    return next(error for error in errors if isinstance(error, Lost))


def _outcome(task: asyncio.Task[Any]) -> Any:
    """What a rank gave or raised; None if it is at work still."""
    return (task.exception() or task.result()) if task.done() else None


def _agreed(method: str, answers: Sequence[Any]) -> list[Any]:
    """The answers, if all ranks have one; the error, if all raised one. Else they are not in step any more: Lost."""
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    if not errors:
        return list(answers)
    if len(errors) == len(answers):
        raise errors[0]
    rank = next(rank for rank, answer in enumerate(answers) if isinstance(answer, BaseException))
    raise Lost(f"learner {rank} refused {method} and others did not: {errors[0]}")
