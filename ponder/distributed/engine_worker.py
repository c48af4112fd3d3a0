"""The far end of an engine: an ordinary engine in a process of its own, asked in batches and heard by polling.

Plain code without Ray, so that it is tested without. Results wait here until they are fetched; whoever fetched them
knows by their ids which questions they answer.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from ponder.distributed.messages import Ask, Done, EngineSpec, Packed, Report, Told, unpacked
from ponder.engines.open import open_engine
from ponder.engines.publish import folder_of, publish
from ponder.engines.settings import VllmSettings
from ponder.policy.codec import Codec
from ponder.protocols import Drawn, WeightedEngine, Work
from ponder.types import EngineError, PonderError

# Results that end within so many seconds of each other travel together.
_GATHER = 0.01


class EngineWorker:
    """One engine. `load` comes first: it brings the weights."""

    def __init__(self, spec: EngineSpec) -> None:
        torch.set_num_threads(spec.threads)
        self._spec = spec
        self._codec = Codec(spec.tokenizer, spec.ends)
        self._engine: WeightedEngine | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._done: list[Done] = []
        self._news = asyncio.Event()

    async def load(self, version: int, weights: Packed) -> Told:
        """Make `weights` live as `version`; requests under way go on under them. An older version is refused."""
        state = unpacked(weights)
        if self._engine is None:
            self._engine = self._opened(state, version)
        else:
            await publish(self._engine, state, version, self._spec.config)
        return self._told()

    async def submit(self, asks: Sequence[Ask]) -> None:
        """Begin to answer. A question whose id is under way or waits to be fetched is not begun again."""
        if self._engine is None:
            raise PonderError("this engine has no weights yet; load some before asking")
        known = {done.id for done in self._done} | self._tasks.keys()
        for ask in asks:
            if ask.id not in known:
                self._tasks[ask.id] = asyncio.get_running_loop().create_task(self._answer(self._engine, ask))

    async def cancel(self, ids: Sequence[int]) -> None:
        """End these questions; what they cost is reported."""
        for name in ids:
            if name in self._tasks:
                self._tasks[name].cancel()

    async def results(self, patience: float) -> Report:
        """What has ended since the last call; waits up to `patience` seconds for something."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), patience)
        if self._done and self._tasks:
            await asyncio.sleep(_GATHER)
        done, self._done = tuple(self._done), []
        self._news.clear()
        return Report(done, self._told())

    async def _answer(self, engine: WeightedEngine, ask: Ask) -> None:
        drawn = Drawn()
        try:
            value: Any
            if ask.request is not None:
                value = await engine.generate(replace(ask.request, drawn=drawn))
            else:
                value = await engine.score(ask.prompt, ask.continuation)
            done = Done(ask.id, value)
        except asyncio.CancelledError:
            done = Done(ask.id)
        except PonderError as error:
            done = Done(ask.id, error=error)
        except Exception as error:  # it may be of a class that the other side cannot read
            done = Done(ask.id, error=EngineError(f"the engine failed: {type(error).__name__}: {error}"))
        self._tasks.pop(ask.id, None)
        self._done.append(replace(done, cost=(drawn.generated, drawn.prefilled, drawn.reused)))
        self._news.set()

    def _opened(self, state: dict[str, Any], version: int) -> WeightedEngine:
        spec = self._spec
        if isinstance(spec.settings, VllmSettings):
            with folder_of(state, spec.config) as folder:
                spec.tokenizer.save_pretrained(folder)
                return open_engine(spec.settings, self._codec, folder=folder, version=version)
        model = AutoModelForCausalLM.from_config(spec.config)
        model = model.to(next(iter(state.values())).dtype)
        model.load_state_dict(state)
        return open_engine(spec.settings, self._codec, model=model, device=spec.device, version=version)

    def _told(self) -> Told:
        engine = self._engine
        if engine is None:
            return Told(host=socket.gethostname(), pid=os.getpid())
        work = getattr(engine, "work", None)
        return Told(
            engine.version,
            engine.context,
            engine.tokens_generated,
            engine.tokens_prefilled,
            engine.tokens_reused,
            work if isinstance(work, Work) else None,
            len(self._tasks),
            socket.gethostname(),
            os.getpid(),
        )
