"""The embedded engine: any transformers causal language model in this process, on the CPU or one GPU.

Coroutines await `generate` and `score`; one task of the event loop moves all of them on together.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from ponder.engines import weights
from ponder.engines.limits import check_positions, check_scored, check_tokens, limit_of
from ponder.engines.local.decoder import Decoder, Kept
from ponder.engines.local.generic_decode import GenericDecoder
from ponder.engines.local.lean_decode import LeanDecoder
from ponder.engines.local.rows import Job
from ponder.engines.local.scheduler import Scheduler
from ponder.engines.local.stopping import Stops
from ponder.models import lean
from ponder.models.memory import for_caches
from ponder.models.pictures import pictures_of
from ponder.models.size import rates
from ponder.protocols import Completion, Request, Tokenizer, Way, WeightSource, Work
from ponder.types import PonderError

# A finished request wakes its coroutine, that one its parent's gather, that one the parent, and the parent's new
# children ask again: this many turns of the event loop let them all join the next batch.
_TURNS = 8

Q = TypeVar("Q")
A = TypeVar("A")
Asked = tuple[Q, asyncio.Future[A]]
Tokens = tuple[int, ...]


class LocalEngine:
    """`Engine` over a transformers model, which it owns from now on (an update writes into it).

    An update may come while requests run: each goes on from its text so far, which the new weights read again, and
    its tokens are drawn exactly as if the text had been a prompt for them. The tensors may be of another number format
    than the engine's (float32 weights of a trainer, a bfloat16 engine); they are cast as they are copied.

    With `shared` the module stays the trainer's, which goes on changing it: an update then copies no parameters
    (`tensors` must be the module's own) and only derives again what is laid out for generation. Between the trainer's
    step and that update nothing can be sampled, since the weights would be neither the old nor the new ones: a request
    fails, by name of the cause. A shared module keeps its number format and device.

    `max_batch` rows run at once (default 256 on the CPU, 1024 on a GPU) as far as `cache_bytes` (default 1 GiB on the
    CPU, two fifths of a GPU's memory; taken as it is needed) holds their longest possible lengths. `context` defaults
    to the model's own.

    Texts are known for as long as the event loop runs; a new loop starts with none, so what it computes depends to the
    last bit on its own requests and their order alone, and a run that is resumed equals one that never stopped. With
    `keep_texts` they stay until the weights are replaced.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: Tokenizer,
        *,
        context: int | None = None,
        max_batch: int | None = None,
        cache_bytes: int | None = None,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
        version: int = 0,
        keep_texts: bool = False,
        shared: bool = False,
    ) -> None:
        on_cpu = torch.device(device).type == "cpu"
        self._model = _lent(model, device, dtype) if shared else _prepared(model, device, dtype)
        self._watched = weights.Watched(model) if shared else None
        own = int(getattr(model.config.get_text_config(), "max_position_embeddings", 0) or 4096)
        self._context = min(context or own, own)
        rows = max_batch or (256 if on_cpu else 1024)
        cache = cache_bytes or for_caches(device)
        decoder: Decoder = (
            LeanDecoder(self._model, self._context, rows, cache)
            if lean.supports(self._model)
            else GenericDecoder(self._model, cache)
        )
        self._decoder = decoder
        self._vocabulary = int(model.get_output_embeddings().weight.shape[0])
        check_tokens(tokenizer.end_ids, self._vocabulary)
        self._pictures = pictures_of(self._model)
        stops = Stops(tokenizer, self._vocabulary)
        self._scheduler = Scheduler(decoder, stops, rows)
        self._scheduler.version = version
        self._waiters: dict[Job, asyncio.Future[Completion]] = {}
        self._scores: list[Asked[tuple[Tokens, Tokens], tuple[float, ...]]] = []
        self._states: list[Asked[tuple[Tokens, Tokens], Tensor]] = []
        self._dropped = False  # whether copies of the weights must be made again before anything is computed
        self._pump_task: asyncio.Task[None] | None = None
        self._keep_texts = keep_texts
        self._loop: asyncio.AbstractEventLoop | None = None  # held, so that no other can have its place in memory

    @property
    def version(self) -> int:
        return self._scheduler.version

    @property
    def compiled(self) -> bool:
        """Whether the model runs as machine code of its own, and not by torch's operations."""
        return self._decoder.compiled

    @property
    def context(self) -> int:
        return self._context

    @property
    def device(self) -> torch.device:
        return self._model.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights, and so of the products."""
        return self._model.dtype

    @property
    def tokens_generated(self) -> int:
        return self._scheduler.tokens_generated

    @property
    def tokens_prefilled(self) -> int:
        """Prompt tokens that went through the model."""
        return self._scheduler.tokens_prefilled

    @property
    def tokens_reused(self) -> int:
        """Prompt tokens that came out of the prefix tree, or out of the row of another sample of the same prompt."""
        return self._scheduler.tokens_reused

    @property
    def seconds_busy(self) -> float:
        return self._scheduler.seconds_busy

    @property
    def steps(self) -> int:
        """Steps of the decoder so far; `tokens_generated` over it is how many requests a step served."""
        return self._scheduler.steps

    @property
    def active(self) -> int:
        """Requests that hold a row of the cache now."""
        return self._scheduler.active

    @property
    def work(self) -> Work:
        """Everything that was done so far, for a run's accounts."""
        tally, per = self._decoder.tally, rates(self._model.config.get_text_config())
        flops = per.trunk * tally.tokens + per.attention * tally.contexts + per.head * tally.heads
        counts = (self.tokens_generated, self.tokens_prefilled, self.tokens_reused)
        return Work(tally.tokens, *counts, flops, self.seconds_busy)

    @property
    def kept(self) -> Kept:
        """The texts that the prefix tree knows now, and the memory that they and the running rows take."""
        return self._decoder.kept

    def forget(self) -> None:
        """Empty the prefix tree, so that what follows cannot depend on what was asked before, to the last bit.

        Only while no request runs.
        """
        self._check_idle("forget texts")
        self._decoder.forget()

    def release(self, *, texts: bool = True, weights: bool = False) -> bool:
        """Give memory back, for whoever works between two samplings; the next request takes it again.

        `texts`: that of keys and values; texts are forgotten. `weights`: that of the copies of the weights which are
        laid out for sampling; a new version makes them anew in any case. False, and nothing happens, while requests
        run.
        """
        if self._waiters or self._scores or self._states:
            return False
        if texts:
            self._decoder.reset()
        if weights:
            self._decoder.drop_weights()
            self._dropped = True
        return True

    @property
    def constrains(self) -> bool:
        """Whether requests may carry a walk."""
        return True

    async def generate(self, request: Request) -> Completion:
        limit, cut = limit_of(request, self._context)
        self._check(request.prompt)
        if limit == 0:
            return Completion((), (), cut, self.version)
        job = Job(request, limit, cut, walk=None if request.walk is None else request.walk())
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiters[job] = future
        self._scheduler.submit(job)
        self._wake()
        try:
            return await future
        except asyncio.CancelledError:
            if self._waiters.pop(job, None):
                self._scheduler.cancel(job)
            raise

    async def score(self, prompt: Sequence[int], continuation: Sequence[int]) -> tuple[float, ...]:
        check_scored(len(prompt), len(continuation), self._context)
        self._check((*prompt, *continuation))
        return await self._asked(self._scores, (tuple(prompt), tuple(continuation)))

    async def hidden(self, tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """What a head reads at these positions: hidden states after the final norm, [positions, hidden]."""
        check_positions(len(tokens), positions, self._context)
        self._check(tokens)
        return await self._asked(self._states, (tuple(tokens), tuple(positions)))

    def _check(self, tokens: Sequence[int]) -> None:  # no word of the vocabulary and no picture that is known
        check_tokens(tokens if self._pictures is None else self._pictures.words(tokens), self._vocabulary)

    async def _asked(self, line: list[Asked[Q, A]], question: Q) -> A:
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        line.append((question, future))
        self._wake()
        return await future

    @property
    def takes(self) -> tuple[Way, ...]:
        return ("tensors",)

    async def update_weights(self, source: WeightSource, version: int) -> None:
        self.replace_weights(weights.tensors_of(source), version)

    def replace_weights(self, state: Mapping[str, Any], version: int) -> None:
        """Copy in place, all or nothing, at any time between two steps."""
        weights.check_version(version, self.version)
        if self._watched is None:
            weights.replace(self._model, state)
        else:
            self._watched.take(state)
        self._scheduler.interrupt()
        self._decoder.refresh()
        self._dropped = False
        self._scheduler.version = version

    def _check_idle(self, what: str) -> None:
        if running := len(self._waiters) + len(self._scores) + len(self._states):
            raise PonderError(f"cannot {what} while {running} requests run; await them first")

    def _wake(self) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop and not self._keep_texts:
            self._decoder.forget()
        self._loop = loop
        if self._pump_task is None or self._pump_task.done() or self._pump_task.get_loop() is not loop:
            self._pump_task = loop.create_task(self._pump())

    async def _pump(self) -> None:
        """Step while there is work. Whatever goes wrong reaches everyone who waits."""
        turns, first = _TURNS, True
        try:
            while self._scheduler.busy or self._scores or self._states:
                for _ in range(turns):
                    await asyncio.sleep(0)
                if self._watched is not None:
                    self._watched.check(thorough=first)
                    first = False
                if self._dropped:
                    self._decoder.refresh()
                    self._dropped = False
                answered = self._answer(self._scores, self._score) | self._answer(self._states, self._hidden)
                finished = self._scheduler.step()
                for job, completion in finished:
                    _resolve(self._waiters.pop(job), completion)
                turns = _TURNS if finished or answered else 1
        except BaseException as error:
            self._fail(error)
            if not isinstance(error, Exception):
                raise

    def _answer(self, line: list[Asked[Q, A]], answers: Callable[[list[Q]], list[A]]) -> bool:
        """Answer all that wait in a line together; whether there were any. On an error they go on waiting for it."""
        line[:] = [item for item in line if not item[1].done()]
        if not line:
            return False
        started = time.perf_counter()
        for (_, future), answer in zip(line, answers([question for question, _ in line]), strict=True):
            future.set_result(answer)
        line.clear()
        self._scheduler.seconds_busy += time.perf_counter() - started
        return True

    def _score(self, asked: list[tuple[Tokens, Tokens]]) -> list[tuple[float, ...]]:
        return [tuple(row) for row in self._decoder.score([p for p, _ in asked], [c for _, c in asked])]

    def _hidden(self, asked: list[tuple[Tokens, Tokens]]) -> list[Tensor]:
        return self._decoder.hidden([tokens for tokens, _ in asked], [positions for _, positions in asked])

    def _fail(self, error: BaseException) -> None:
        asked: list[Asked[Any, Any]] = [*self._scores, *self._states]
        futures: list[asyncio.Future[Any]] = [*self._waiters.values(), *(future for _, future in asked)]
        self._waiters.clear()
        self._scores.clear()
        self._states.clear()
        self._scheduler.clear()
        for future in futures:
            if future.done():
                continue
            if isinstance(error, asyncio.CancelledError):
                future.cancel()
            else:
                future.set_exception(error)


def _prepared(model: PreTrainedModel, device: str, dtype: torch.dtype | None) -> PreTrainedModel:
    default = torch.float32 if torch.device(device).type == "cpu" else torch.bfloat16
    nn.Module.to(model, device=torch.device(device), dtype=dtype or default)
    model.eval()
    return model


def _lent(model: PreTrainedModel, device: str, dtype: torch.dtype | None) -> PreTrainedModel:
    """The module as it is; PonderError if it would have to be moved or cast."""
    wanted = torch.device(device)
    if (
        dtype not in (None, model.dtype)
        or model.device.type != wanted.type
        or wanted.index
        not in (
            None,
            model.device.index,
        )
    ):
        raise PonderError(
            f"weights can be shared only as they are, {model.dtype} on {model.device}; got dtype={dtype}, "
            f"device={device}: leave both out or let the engine have a copy (share_weights=false)"
        )
    model.eval()
    return model


def _resolve(future: asyncio.Future[Completion], completion: Completion) -> None:
    if not future.done():
        future.set_result(completion)
