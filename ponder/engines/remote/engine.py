"""A model behind an OpenAI-compatible URL: chats, or plain text to be continued.

What such a server does not give, this engine does not pretend to: no token ids, no log-probabilities, no forking, no
weights. It is therefore no `Engine` of `protocols.py`; `policy.chat.TextPropose` makes a `Propose` of it. Seeds are
handed on, but whether they fix the draw is the server's affair.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ponder.engines.remote.address import Address
from ponder.engines.remote.client import Client, Deadlines
from ponder.engines.remote.reply import Said
from ponder.types import PonderError

KEY = "PONDER_API_KEY"


@dataclass
class Spending:
    """What all calls cost so far. `estimated` of the `generated` tokens were not counted by the server.

    `over` are tokens beyond what the server was asked for (reported or estimated); they are not in `generated`.
    """

    calls: int = 0
    generated: int = 0
    estimated: int = 0
    over: int = 0
    prompt: int = 0

    def add(self, said: Said) -> None:
        self.calls += 1
        self.generated += said.tokens
        self.estimated += 0 if said.exact else said.tokens
        self.over += said.over
        self.prompt += said.prompt


class RemoteEngine:
    """Asks one endpoint. The key is read from the environment variable PONDER_API_KEY and sent nowhere else."""

    def __init__(
        self, address: Address, *, deadlines: Deadlines | None = None, concurrency: int = 32, tries: int = 5
    ) -> None:
        if concurrency < 1 or tries < 1:
            raise PonderError(f"got concurrency={concurrency}, tries={tries}; both must be at least 1")
        self.address = address
        self.spending = Spending()
        self.client = Client(address.url, _key(), deadlines or Deadlines(), concurrency, tries)

    @property
    def chat(self) -> bool:
        """Whether it takes messages; else it takes a text."""
        return self.address.chat

    @property
    def tokens_generated(self) -> int:
        return self.spending.generated

    def told(self) -> dict[str, Any]:
        """What it cost, for results: the spending, the requests sent, and whether every token was counted."""
        spent = self.spending
        return {**asdict(spent), "requests": self.client.sent, "exact": not spent.estimated}

    async def say(
        self,
        prompt: str | Sequence[Mapping[str, Any]],
        *,
        max_tokens: int,
        seed: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: tuple[str, ...] = (),
    ) -> Said:
        """One completion of a text, or one answer to messages, of at most `max_tokens` tokens.

        It is charged at most `max_tokens` whatever the server reports; see `reply.py`. EngineError says what went
        wrong with the server; nothing is lost then but this call.
        """
        if isinstance(prompt, str) == self.chat:
            raise PonderError(f"{self.address.url} takes {'messages' if self.chat else 'a text'}, not the other")
        asked = {"messages": list(prompt)} if self.chat else {"prompt": prompt}
        body = {
            "model": self.address.model,
            **asked,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "top_p": top_p,
            "seed": seed % 2**31,  # some servers take no more
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        said = await self.client.post(body | ({"stop": list(stop)} if stop else {}), seed)
        self.spending.add(said)
        return said


def _key() -> str | None:
    """The key of the environment; None if it is not set."""
    key = os.environ.get(KEY, "").strip()
    if not all("!" <= character <= "~" for character in key):
        raise PonderError(f"{KEY} holds characters that no key has (blanks, control characters, accents); set it anew")
    return key or None
