"""Episodes of an OpenEnv server as problems: `openenv:URL`, for the environment `openenv`.

A problem is a seed: the server is reset with it, and what it says first is the question. What happens then, and what
it is worth, the environment finds out; nothing here grades an answer. Seeds of the splits differ. Whether two seeds
give the same episode is the server's affair: a server with few episodes has the same ones in all splits.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from ponder.problems.splits import check_split
from ponder.seeds import derive_seed
from ponder.types import Key, PonderError, Problem, Question

SHOWN = ("prompt", "question", "message", "text", "output", "echoed_message", "result", "feedback")


class OpenEnvEpisodes:
    """Episodes of an OpenEnv server, each a seed; play them with environment.kind=openenv."""

    level = 0

    def __init__(self, url: str, *, instructions: str = "") -> None:
        self.name, self._url, self._instructions = f"openenv:{url}", url, instructions
        self._first = lru_cache(maxsize=4096)(self._reset)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        check_split(split)
        own = derive_seed("openenv", split, seed, index) % 2**31
        question = Question(f"{self.name}-{split}-{seed}-{index}", self.name, self._first(own), self._instructions)
        return Problem(question, Key(None, {"openenv": self._url, "seed": own}))

    def _reset(self, seed: int) -> str:
        async def first() -> str:
            async with client(self._url) as server:
                return told((await server.reset(seed=seed)).observation)

        try:
            with ThreadPoolExecutor(1) as other:  # an event loop may be running in this thread
                return other.submit(asyncio.run, first()).result()
        except PonderError:
            raise
        except Exception as error:  # whatever the client raises: nobody listens, a reset that fails
            raise PonderError(f"{self.name} cannot be reset: {type(error).__name__}: {error}") from error


def told(observation: Mapping[str, Any], shown: tuple[str, ...] = SHOWN) -> str:
    """What of an observation is read: the first of the fields that is a text, else all of it."""
    for name in shown:
        if isinstance(observation.get(name), str) and observation[name]:
            return str(observation[name])
    return json.dumps({k: v for k, v in observation.items() if k != "metadata"}, ensure_ascii=False, default=str)


def client(url: str) -> Any:
    """A client of the server at `url`, to be entered. PonderError without the package."""
    if importlib.util.find_spec("openenv") is None:
        raise PonderError("OpenEnv servers need the package openenv-core; pip install -e '.[openenv]'")
    made: Any = importlib.import_module("openenv.core").GenericEnvClient
    return made(base_url=url)
