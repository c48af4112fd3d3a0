"""Question to prompt tokens: the one place where a prompt is written, in training, search, evaluation and serving.

What is asked, and how, the frame says (`policy.frames`). A model with a chat template is asked through it, with the
frame's instructions as system message, or before the question where the template refuses system messages (Gemma,
Mistral). A template that leaves them out was made for a model that needs no instructions, as the embedded one is. A
model without a template gets the frame's plain text after the begin token that its tokenizer asks for.

A question that comes at the end of a conversation is asked with the turns before it. All of them came from outside, the
system message too, so nothing in them becomes a control token.

Tools are shown by the template where it takes them (`codec.tool_format`), else described in the instructions
(`native.generic`). They too came from outside.

A revision is a further turn: the question, the earlier attempt as the model itself wrote it (thinking included), then
`REVISE` or, with a critique, `CRITIQUE`. Only what follows the attempt is new to the model; what comes before it has
run through the model when the attempt was drawn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import jinja2

from ponder.policy import conversation
from ponder.policy.codec import Codec
from ponder.policy.frames.auto import template_of
from ponder.policy.frames.frame import PLAIN_TURN, Frame
from ponder.policy.frames.thinking import Opened
from ponder.policy.native import generic
from ponder.policy.native.formats import ToolFormat
from ponder.policy.native.harmless import Harmless
from ponder.types import PonderError, Question, Trajectory

Turn = dict[str, Any]

_SLOT = "\u2402question\u2403"  # stands for the question while the template is rendered; no template holds it
_ATTEMPT = "\u2402attempt\u2403"
# What a template raises, be it on purpose or by a mistake in it.
_REFUSALS = (jinja2.TemplateError, ValueError, TypeError, AttributeError, KeyError)
# Templates that write the date (Llama 3) would give another prompt every day; this is the day that they fall back to.
_DAY = "26 Jul 2024"
REVISE = "Check this. If there is a mistake, correct it. Then answer again."
CRITIQUE = "A critic says: {critique}\nTake this into account and answer again."


class Prompts:
    """Prompt tokens of questions for one model, cached (the last `kept`): a question is asked many times.

    `briefing` goes behind the instructions of every question: what the model is told of its tools. `frame` None is the
    embedded model's: opened thinking. `tools` are schemas (JSON, as the OpenAI API has them) of tools that every
    question may use, besides its own, in the model's own format.
    """

    def __init__(
        self,
        codec: Codec,
        briefing: str = "",
        kept: int = 65_536,
        frame: Frame | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.codec, self.briefing, self.frame, self.tools = codec, briefing, frame or Opened(), tuple(tools)
        self.chat = self.frame.chat and template_of(codec.tokenizer) is not None
        self.tokens = lru_cache(maxsize=kept)(self._tokens)
        self._frame = lru_cache(maxsize=1024)(self._render)
        self._turn = lru_cache(maxsize=1024)(self._render_turn)
        self._user_turn = lru_cache(maxsize=1024)(self._render_user_turn)
        self._results = lru_cache(maxsize=1024)(self._render_results)

    @cached_property
    def tool_format(self) -> ToolFormat:
        """How this model writes calls: as its template has it, else in the general form that the prompt explains."""
        return (self.codec.tool_format if self.chat else None) or generic.FORMAT

    @cached_property
    def _harmless(self) -> Harmless:
        return Harmless(list(self.codec.tokenizer.get_added_vocab()))

    def text(self, question: Question) -> str:
        if question.history or question.tools:
            ours, outside = self._conversation(question)
            return ours[0] + "".join(map("".join, zip(outside, ours[1:], strict=True)))
        return question.text.join(self._frame(question.instructions, question.family))

    def again(self, attempt: Trajectory, critique: str = "") -> tuple[int, ...]:
        """The tokens that follow `attempt` when the model is asked to answer its question once more."""
        return self._filled(
            self._turn(attempt.question.instructions, attempt.question.family, bool(critique)), critique
        )

    def observation(self, question: Question, text: str) -> tuple[int, ...]:
        """The tokens that follow a turn of the model when an environment answers it with `text`, as text from outside.

        They begin as the template ends a turn of the model, and end where the model's next thinking begins.
        """
        return self._filled(self._user_turn(question.instructions, question.family, _SLOT), text)

    def turn(self, question: Question) -> tuple[str, ...]:
        """The text around what an environment says behind a turn of the model, as `observation` encodes it."""
        return self._user_turn(question.instructions, question.family, _SLOT)

    def rendered(self, question: Question, answer: str, request: str) -> str:
        """The text that the chat template makes of `question`, `answer` and a `request`, all at once."""
        before: list[Turn] = [{"role": "user", "content": question.text}, {"role": "assistant", "content": answer}]
        if not self.chat:
            return self.text(question) + answer.removeprefix(self.frame.opening) + request.join(self.turn(question))
        return self._chat(self._system(question), [*before, {"role": "user", "content": request}], self.tools)

    def results(self, question: Question, results: Sequence[str]) -> tuple[int, ...]:
        """The tokens that follow a turn of the model which called tools: `results`, one a call, as text from outside.

        They begin as the template ends a turn of the model, and end where the model's next thinking begins.
        """
        ours, escaped = self._results(question.instructions, question.family, len(results))
        tokens = self.codec.encode(ours[0])
        for result, piece in zip(results, ours[1:], strict=True):
            said = json.dumps(result, ensure_ascii=False)[1:-1] if escaped else result
            tokens += self.codec.encode_plain(said) + self.codec.encode(piece)
        return tokens

    def read(self, question: Question, text: str, count: int) -> list[str]:
        """The `count` results in `text`, the decoded tokens of `results`."""
        ours, _ = self._results(question.instructions, question.family, count)
        first, *between, last = [self.codec.decode(self.codec.encode(piece)) for piece in ours]
        inside = text[: len(text) - len(last)].removeprefix(first)
        return inside.split(between[0]) if between else [inside]

    def _tokens(self, question: Question) -> tuple[int, ...]:
        begin = () if self.chat else self.codec.begin
        if question.images:
            return begin + self._with_pictures(question)
        if question.history or question.tools:
            return begin + self.codec.start(*self._conversation(question))
        return begin + self.codec.start(self._frame(question.instructions, question.family), question.text)

    def _with_pictures(self, question: Question) -> tuple[int, ...]:
        """The pictures stand in front of the question's words, each on a line of its own."""
        pictures = self.codec.pictures
        if pictures is None:
            raise PonderError(
                "the question has a picture and this model reads text alone; give the folder of an image-text model "
                "(docs/models.md) or the address of a chat server with one (--model http://HOST:PORT/v1#NAME)"
            )
        if question.history or question.tools:
            raise PonderError(
                "a local model takes no picture together with turns before it or tools; leave one of them out"
            )
        mark = str(self.codec.tokenizer.convert_ids_to_tokens(pictures.mark))
        first, *others = self._frame(question.instructions, question.family)
        first += f"{mark}\n" * len(question.images)
        shown = iter(question.images)
        found = self.codec.start((first, *others), question.text)
        if found.count(pictures.mark) != len(question.images):
            raise PonderError(f"the tokenizer does not keep {mark} as one token, so pictures have no place")
        return tuple(
            token for word in found for token in (pictures.tokens(next(shown)) if word == pictures.mark else (word,))
        )

    def messages(self, question: Question) -> list[dict[str, str]]:
        """The turns that ask `question` through the chat template, as it takes them."""
        system, turn = self._system(question), {"role": "user", "content": question.text}
        if system and self.takes_system():
            return [{"role": "system", "content": system}, turn]
        return [{**turn, "content": f"{system}\n\n{question.text}" if system else question.text}]

    def takes_system(self) -> bool:
        """Whether the chat template takes a system message."""
        try:
            self._rendered([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}])
        except _REFUSALS:
            return False
        return True

    def opens_itself(self) -> bool:
        """Whether the chat template ends in the frame's opening without our help."""
        return self._rendered([{"role": "user", "content": "Hello"}]).rstrip().endswith(self.frame.opening.strip())

    def _render(self, instructions: str, family: str) -> tuple[str, ...]:
        """What stands before, after and (where a template writes it more than once) between the question."""
        asked = Question("", family, _SLOT, instructions)
        if self.chat:
            rendered = self._chat(self._system(asked), [{"role": "user", "content": _SLOT}], self.tools)
        else:
            rendered = self._opened(self.frame.plain(asked, self._system(asked)))
        return tuple(rendered.split(_SLOT))

    def _system(self, question: Question) -> str:
        """The frame's instructions and what is said of tools."""
        return "\n".join(filter(None, (self.frame.system(question), self.briefing)))

    def _conversation(self, question: Question) -> tuple[list[str], list[str]]:
        """What we write around the turns of a conversation, and the turns in the order in which they stand there."""
        instructions = self._system(question)
        tools = [*self.tools, *map(conversation.table, question.tools)]
        native = self.chat and self.codec.tool_format is not None
        described = self._harmless.hide(generic.briefing(tools)) if tools and not native else ""
        if described:
            instructions, tools = "\n\n".join(filter(None, (instructions, described))), []
        said = conversation.said(question, written=None if native else generic.FORMAT.written)
        turns = conversation.messages(said, native=native)
        if not self.chat:
            rendered = self._opened(conversation.plain(instructions, turns))
        else:
            try:
                rendered = self._chat(instructions, turns, tools)
                kept = all(turn["content"] in rendered for turn in turns if turn["role"] == "system")
            except PonderError:
                kept = False
            if not kept:  # the template refuses or drops a system message: it then stands before the user's words
                turns = conversation.without_system(turns)
                rendered = self._chat(instructions, turns, tools)
            if described not in rendered:
                told = [{"role": "system", "content": described}, *turns]
                rendered = self._chat("", conversation.without_system(told), tools)
        return conversation.filled(self._harmless.show(rendered), said)

    def _filled(self, ours: tuple[str, ...], outside: str) -> tuple[int, ...]:
        """Tokens of the pieces of `ours`, which go on after other text, with `outside` between each two of them."""
        tokens = self.codec.encode(ours[0])
        for piece in ours[1:]:
            tokens += self.codec.encode_plain(outside) + self.codec.encode(piece)
        return tokens

    def _render_turn(self, instructions: str, family: str, criticised: bool) -> tuple[str, ...]:
        """What stands between an attempt and a critique of it, and after that critique; without one all of it."""
        return self._render_user_turn(instructions, family, CRITIQUE.format(critique=_SLOT) if criticised else REVISE)

    def _render_user_turn(self, instructions: str, family: str, request: str) -> tuple[str, ...]:
        """What stands between an answer of the model and the slot in `request`, and after it (and between several)."""
        return tuple(self._behind(instructions, family, [{"role": "user", "content": request}]).split(_SLOT))

    def _render_results(self, instructions: str, family: str, count: int) -> tuple[tuple[str, ...], bool]:
        """What stands around `count` results behind a turn of the model, and whether they are written as JSON texts."""
        turns: list[Turn] = [{"role": "tool", "content": _SLOT}] * count
        ours = tuple(self._behind(instructions, family, turns).split(_SLOT))
        if len(ours) != count + 1:
            raise PonderError(
                f"the model's chat template does not write {count} results of tools one after the other; "
                "set tools.format=tagged"
            )
        return ours, conversation.quoted(ours[0], ours[1])

    def _behind(self, instructions: str, family: str, turns: list[Turn]) -> str:
        """What the template writes behind a turn of the model when `turns` follow, up to the opened thinking."""
        if not self.chat:
            return self._opened(PLAIN_TURN.format(request=turns[0]["content"]))
        system = self._system(Question("", family, _SLOT, instructions))
        before: list[Turn] = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _ATTEMPT}]
        return self._chat(system, [*before, *turns], self.tools).rpartition(_ATTEMPT)[2]

    def _chat(self, instructions: str, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """The rendered turns, `instructions` as system message or, where that is refused, before the first turn."""
        turns = list(turns)
        system = [{"role": "system", "content": instructions}] if instructions else []
        try:
            rendered = self._rendered([*system, *turns], tools)
        except _REFUSALS:
            if system:
                turns[0] = {**turns[0], "content": f"{instructions}\n\n{turns[0]['content']}"}
            try:
                rendered = self._rendered(turns, tools)
            except _REFUSALS as error:
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                raise PonderError(
                    f"the model's chat template cannot write a user's turn ({reason}); mend it or take it out, and "
                    "the model is asked in plain text"
                ) from error
        if turns[-1]["content"].strip() not in rendered:  # many templates trim
            raise PonderError("the model's chat template leaves out what the user says; mend it or take it out")
        return self._opened(rendered)

    def _rendered(self, turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        template, told = self.codec.tokenizer.apply_chat_template, self.frame.template_options()
        hidden = self._harmless.hide(list(tools)) or None
        turns = [
            {**turn, "tool_calls": self._harmless.hide(turn["tool_calls"])} if "tool_calls" in turn else turn
            for turn in turns
        ]
        text = template(turns, add_generation_prompt=True, tokenize=False, date_string=_DAY, tools=hidden, **told)
        return self._harmless.show(str(text))

    def _opened(self, text: str) -> str:
        """`text` ending in the frame's opening."""
        opening = self.frame.opening
        return text if text.rstrip().endswith(opening.strip()) else text + opening
