"""A client of decision servers (`/v1/systemone`: vLLM, SGLang, Ollama and others): probabilities of yes, no text.

A request holds a `state` and named questions of the type `noul` (yes or no); the answer has the probability of yes of
each. Tried again are only calls that a server refused for the moment (429, 5xx) or that never reached it.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ponder.engines.remote.address import parse
from ponder.engines.remote.quoting import Quoting
from ponder.types import EngineError, PonderError

try:
    import httpx2
except ImportError as missing:
    raise PonderError("remote judges need httpx2, which is not installed; pip install -e '.[remote]'") from missing

_LARGEST = 1_000_000  # bytes of an answer


def at(address: str) -> SystemOne:
    """The client of `URL#NAME`, where URL ends with /v1 (or with /v1/systemone)."""
    bare = parse(address.replace("/systemone#", "#"))
    return SystemOne(f"{bare.url.removesuffix('/chat/completions')}/systemone", bare.model)


@dataclass
class SystemOne:
    """Asks the model `model` at `url` (`.../v1/systemone`); `seconds` bound one call with all its `tries`.

    `key` is never shown.
    """

    url: str
    model: str
    key: str | None = field(default_factory=lambda: os.environ.get("PONDER_API_KEY"), repr=False)
    seconds: float = 120.0
    tries: int = 4
    first_wait: float = 0.5
    transport: Any = field(default=None, repr=False)

    async def probabilities(self, state: str, questions: Sequence[str]) -> list[float]:
        """The probability that the answer to each of `questions` about `state` is yes. Raises EngineError."""
        named = {f"q{i}": {"type": "noul", "instructions": text} for i, text in enumerate(questions)}
        body = {"model": self.model, "state": state, "questions": named}
        try:
            async with asyncio.timeout(self.seconds):
                answers = (await self._asked(body)).get("answers")
        except TimeoutError:
            raise EngineError(f"{self.url} did not answer within {self.seconds:g} s") from None
        try:
            found = [float(answers[name]["noul"]) for name in named]  # type: ignore[index]
        except (KeyError, TypeError, ValueError):
            raise EngineError(f"{self.url} answered without a probability for each question") from None
        if not all(math.isfinite(p) and 0 <= p <= 1 for p in found):
            raise EngineError(f"{self.url} answered with what is no probability")
        return found

    async def _asked(self, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        quoting, why = Quoting(self.key), ""
        async with httpx2.AsyncClient(timeout=None, headers=headers, transport=self.transport) as http:
            for tried in range(self.tries):
                if tried:
                    await asyncio.sleep(self.first_wait * 2 ** (tried - 1))
                try:
                    async with http.stream("POST", self.url, json=body) as response:
                        data = b""
                        async for piece in response.aiter_bytes():
                            data += piece
                            if len(data) > _LARGEST:
                                raise EngineError(f"{self.url} answered with more than {_LARGEST} bytes")
                except httpx2.ConnectError as error:
                    why = f"cannot be reached ({quoting.shown(str(error), 200)})"
                    continue
                except httpx2.HTTPError as error:
                    raise EngineError(f"{self.url} broke off ({type(error).__name__})") from None
                if response.status_code == 200:
                    return _table(data, self.url)
                why = f"answered {response.status_code}: {quoting.shown(data[:400].decode('utf-8', 'replace'), 200)}"
                if response.status_code != 429 and response.status_code < 500:
                    break
        raise EngineError(f"{self.url} {why}")


def _table(data: bytes, url: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise EngineError(f"{url} answered with what is no JSON object")
    return found
