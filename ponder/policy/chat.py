"""The policy as search sees it, when it is known by its words alone: a remote chat, or a remote continuation of text.

No token ids and no log-probabilities come back, and none are made up. A step has as many tokens as it was charged,
each with the id `UNKNOWN` and the log-probability not-a-number: lengths, texts and ends are all that search needs, and
an engine or a learner that is handed such a token refuses it. A whole answer is cut into steps at line ends; its
tokens are shared out by the bytes of each step, so that their sum is exact and each part is not.

A text that is continued can be extended by steps and branched anywhere. A chat gives whole answers only. An answer
that was cut is asked for in a second turn ("answer"); what the policy is made to say is part of a prompt, and prompts
are not charged. Control words in a question reach the server as they are: unlike `codec.encode_plain`, a text has no
second way to spell them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ponder.policy import conversation
from ponder.policy.frames.frame import Frame
from ponder.policy.frames.thinking import Tags
from ponder.protocols import Drawn, Until
from ponder.seeds import derive_seed
from ponder.types import PonderError, Question, Step, StopReason, Trajectory

UNKNOWN = -1  # the id of a token that was only counted; no vocabulary has it
CanonicalAnswer = Callable[[Question, str], str | None]
Messages = list[dict[str, Any]]

_CLOSE_CHAT = "Stop thinking here. Give your final answer now, in the form that was asked for, and nothing else."


class Words(Protocol):
    """One completion: its text, its end, the tokens it is charged, and those of the prompt as the server says."""

    @property
    def text(self) -> str: ...

    @property
    def stop(self) -> StopReason: ...

    @property
    def tokens(self) -> int: ...

    @property
    def prompt(self) -> int: ...


class TextEngine(Protocol):
    """Words in, words out. `chat` says whether it takes messages or a text."""

    @property
    def chat(self) -> bool: ...

    async def say(
        self,
        prompt: str | Sequence[Mapping[str, Any]],
        *,
        max_tokens: int,
        seed: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        stop: tuple[str, ...] = (),
    ) -> Words: ...


@dataclass
class TextPropose:
    """`Propose` over a `TextEngine`. `canonical` turns a response text into the answer that votes count.

    `ended` hears of each continuation as it ends, `drawn` of what the server counted for it.
    """

    engine: TextEngine
    canonical: CanonicalAnswer
    temperature: float = 1.0
    top_p: float = 1.0
    separator: str = "\n"
    ended: Callable[[int, Step], None] | None = None
    drawn: Drawn | None = None
    frame: Frame = field(default_factory=Tags)

    opens_thinking = False  # no prompt of a server ends in opened thinking; the model opens it itself, or not at all

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        self._check(prefix, until)
        if n < 1 or max_tokens < 1:
            return []
        if until == "answer":
            prefix = self._closed(question, prefix)
        prompt = self._messages(question, prefix) if self.engine.chat else self._text(question, prefix)
        stop = (self.separator,) if until == "step" else ()
        draws = [
            self.engine.say(
                prompt,
                max_tokens=max_tokens,
                seed=derive_seed(seed, question.id, i),
                temperature=self.temperature,
                top_p=self.top_p,
                stop=stop,
            )
            for i in range(n)
        ]

        async def drawn(place: int, draw: Coroutine[Any, Any, Words]) -> Step:
            words = await draw
            if self.drawn is not None:
                self.drawn.add(words.tokens, words.prompt, 0)
                self.drawn.returned += words.tokens
            leaf = self._chain(words, prefix)
            if self.ended is not None:
                self.ended(place, leaf)
            return leaf

        return await _all([drawn(place, draw) for place, draw in enumerate(draws)])

    def telling(self, ended: Callable[[int, Step], None]) -> TextPropose:
        """The same policy; `ended` hears of each continuation as it ends (`protocols.Telling`)."""
        return replace(self, ended=ended)

    def counted(self, drawn: Drawn, temperature: float, top_p: float) -> TextPropose:
        """The same policy at another temperature and nucleus; `drawn` is told what the server counts."""
        return replace(self, drawn=drawn, temperature=temperature, top_p=top_p)

    def answer(self, trajectory: Trajectory) -> str | None:
        if trajectory.stop is not StopReason.END:
            return None
        return self.canonical(trajectory.question, self.graded(trajectory))

    def graded(self, trajectory: Trajectory) -> str:
        """The response as graders read it, by the frame (`thinking.reading_of`)."""
        return self.frame.graded(trajectory, opened=self.opens_thinking)

    def _check(self, prefix: Step | None, until: Until) -> None:
        """Refuse what this kind of server cannot do."""
        if self.engine.chat and until != "answer" and (until != "end" or prefix is not None):
            raise PonderError(
                "this model is asked as a chat and gives whole answers only, so a strategy that branches at steps or "
                "steers the thinking cannot run on it; use sample or vote, or a local model"
            )
        if until not in ("step", "end", "answer"):
            raise PonderError(
                "a remote model gives whole answers and single steps only, so a strategy that steers the thinking "
                "cannot run on it; use sample or vote, or a local model"
            )

    def _closed(self, question: Question, prefix: Step | None) -> Step:
        """`prefix` with its thinking closed by force; that costs no generated token."""
        close = self.frame.closing(question, _said(prefix))
        if prefix is not None and not close:
            return prefix
        return Step((), (), close, 0, StopReason.STEP, prefix, forced=True)

    def _text(self, question: Question, prefix: Step | None) -> str:
        system = self.frame.system(question)
        if question.images:
            raise PonderError(
                "the question has a picture, which a plain text cannot hold; ask the chat endpoint (/v1#NAME)"
            )
        if question.history or question.tools:
            asked = conversation.text(question, system)
        else:
            asked = self.frame.plain(question, system)
        return (asked + self.frame.opening).lstrip() + _said(prefix)

    def _messages(self, question: Question, prefix: Step | None) -> Messages:
        if question.tools or any(role in ("calls", "tool") for role, _ in question.history):
            raise PonderError(
                "this model is asked as a chat of another server, and tools are not passed on to it; give a folder or "
                "a hub id as --model, or leave the tools out"
            )
        system = [text for role, text in question.history if role == "system"]
        asked = "\n\n".join(filter(None, [*system, self.frame.system(question)]))
        turns: Messages = [{"role": role, "content": text} for role, text in question.history if role != "system"]
        messages: Messages = [{"role": "system", "content": asked}] if asked else []
        messages += [*turns, {"role": "user", "content": _content(question)}]
        if prefix is not None:
            messages += [{"role": "assistant", "content": _said(prefix)}, {"role": "user", "content": _CLOSE_CHAT}]
        return messages

    def _chain(self, words: Words, parent: Step | None) -> Step:
        """The leaf of the steps that `words` consist of. Nothing said is one empty step."""
        pieces = _pieces(words.text, self.separator)
        for i, (piece, tokens) in enumerate(zip(pieces, _shares(pieces, words.tokens), strict=True)):
            stop = words.stop if i == len(pieces) - 1 else StopReason.STEP
            parent = Step((UNKNOWN,) * tokens, (math.nan,) * tokens, piece, 0, stop, parent)
        assert parent is not None  # there is always a piece
        return parent


def _content(question: Question) -> str | list[dict[str, Any]]:
    """The words of the question, behind its pictures if it has any."""
    if not question.images:
        return question.text
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in question.images]
    return [*pictures, {"type": "text", "text": question.text}]


def _said(prefix: Step | None) -> str:
    return "" if prefix is None else "".join(step.text for step in prefix.path)


def _pieces(text: str, separator: str) -> list[str]:
    """`text` cut after each separator."""
    parts = text.split(separator)
    return [part + separator for part in parts[:-1]] + ([parts[-1]] if parts[-1] or len(parts) == 1 else [])


def _shares(pieces: Sequence[str], tokens: int) -> list[int]:
    """`tokens` shared out over `pieces` in proportion to their bytes; the sum is exact."""
    sizes = [len(piece.encode()) for piece in pieces]
    total = sum(sizes)
    if not total:
        return [0] * (len(pieces) - 1) + [tokens]
    ends = [tokens * sum(sizes[: i + 1]) // total for i in range(len(sizes))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


async def _all(draws: Sequence[Coroutine[Any, Any, Step]]) -> list[Step]:
    """All leaves, in order. If one fails the others are cancelled, which ends their requests too."""
    tasks = [asyncio.create_task(draw) for draw in draws]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
