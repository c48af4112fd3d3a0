"""The policy as search sees it: continue a trajectory by a step, to its end, or straight to an answer.

A policy with `tools` pauses where it calls one, reads the result and goes on, whoever asked it to continue: so
every strategy and every training searches over calls as over steps.

It can also be asked in other ways (`protocols.Steered`): greedily, with words put into its mouth, or to revise an
attempt. A view made by `greedy` or `revising` shares the engine, the codec and the caches of what it was made from.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from ponder.policy.calling import Form, Native, Tagged, draw_with_tools
from ponder.policy.codec import Codec
from ponder.policy.frames.frame import Frame
from ponder.policy.frames.thinking import Opened
from ponder.policy.grammar import Grammar
from ponder.policy.prompts import Prompts
from ponder.policy.steps import Splitter
from ponder.protocols import Completion, Drawn, Engine, Request, ToolUse, Until
from ponder.seeds import derive_seed
from ponder.types import PonderError, Question, Step, StopReason, Trajectory

CanonicalAnswer = Callable[[Question, str], str | None]


@dataclass
class PolicyPropose:
    """`Propose` over an engine. `temperature` 0 is greedy; then all n continuations are equal.

    `canonical` turns a response text into the answer that votes count (families differ in what they call equal).
    `ended` hears of each continuation as it ends.
    `tools` are what it may call while it thinks; their results are forced steps, and count as new tokens.
    `frame` says how questions are put and where thinking ends.
    `after` are tokens between the question's prompt and the response: earlier attempts and requests to revise them.
    `drawn` is told what the engine does for this policy and its views.
    `grammar` is what its answers must be, where the engine can be bounded to it (`grammar.Grammar`).
    """

    engine: Engine
    codec: Codec
    canonical: CanonicalAnswer
    temperature: float = 1.0
    top_p: float = 1.0
    separator: str = "\n"
    after: tuple[int, ...] = ()
    ended: Callable[[int, Step], None] | None = None
    tools: ToolUse | None = None
    drawn: Drawn | None = None
    frame: Frame = field(default_factory=Opened)
    grammar: Grammar | None = None
    prompts: Prompts = field(init=False)
    _splitter: Splitter = field(init=False)

    def __post_init__(self) -> None:
        native = self._calls_natively()
        briefing = self.tools.briefing if self.tools is not None and not native else ""
        schemas = self.tools.schemas if self.tools is not None and native else ()
        self.prompts = Prompts(self.codec, briefing, frame=self.frame, tools=schemas)
        self._splitter = Splitter(self.codec, self.separator)

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]:
        if n < 1:
            return []
        if until == "think" and not self.frame.close:
            raise PonderError(
                f"frame {self.frame.kind} has no mark that ends the thinking, so a strategy that puts the end off "
                "cannot run on this model; use another strategy, or frame.kind=tags"
            )
        if until == "answer":
            prefix, forced = self._closed(question, prefix)
            max_tokens -= forced
        if max_tokens < 1:
            return []
        stop: tuple[str, ...] = {"step": (self.separator,), "think": (self.frame.close,)}.get(until, ())
        if self.frame.ends:  # its line end may be that of the step before
            stop += (self.frame.ends.strip("\n") if until == "step" else self.frame.ends,)

        async def once(came: list[int], after: Step | None, stop: tuple[str, ...], most: int, draw: int) -> Step:
            path = () if after is None else after.path
            prompt = self.prompts.tokens(question) + self.after + tuple(t for step in path for t in step.tokens)
            said = [t for step in path for t in step.tokens]
            walk = None if self.grammar is None else partial(self.grammar.walk, said)
            asked = Request(prompt, most, draw, self.temperature, self.top_p, stop, self.drawn, walk)
            c = await self.engine.generate(asked)
            came.append(len(c.tokens))
            why = self._why_it_stopped(path, c)
            return self._splitter.chain(c.tokens, c.logprobs, c.version, c.versions, stop=why, parent=after)

        async def drawn(place: int) -> Step:
            own, came = derive_seed(seed, question.id, place), list[int]()
            form = self._form()
            if form is None:
                leaf = await once(came, prefix, stop, max_tokens, own)
            else:
                room = partial(self.room, question)
                leaf = await draw_with_tools(form, partial(once, came), room, question, prefix, stop, max_tokens, own)
            if self.drawn is not None:
                self.drawn.returned += sum(came)
            leaf = self._splitter.apart(leaf, self.frame.close) if until == "think" else leaf
            if self.ended is not None:
                self.ended(place, leaf)
            return leaf

        return list(await asyncio.gather(*(drawn(place) for place in range(n))))

    def telling(self, ended: Callable[[int, Step], None]) -> PolicyPropose:
        """The same policy; `ended` hears of each continuation as it ends (`protocols.Telling`)."""
        view = copy.copy(self)
        view.ended = ended
        return view

    def counted(self, drawn: Drawn, temperature: float, top_p: float) -> PolicyPropose:
        """The same policy at another temperature and nucleus; `drawn` is told what it costs the engine."""
        view = copy.copy(self)
        view.drawn, view.temperature, view.top_p = drawn, temperature, top_p
        return view

    def answer(self, trajectory: Trajectory) -> str | None:
        if trajectory.stop is not StopReason.END:
            return None
        return self.canonical(trajectory.question, self.frame.graded(trajectory))

    def graded(self, trajectory: Trajectory) -> str:
        """The response as graders read it, by the frame (`thinking.reading_of`)."""
        return self.frame.graded(trajectory)

    def formed(self, trajectory: Trajectory) -> bool:
        """Whether the response has the form that the frame asks for."""
        return self.frame.formed(trajectory)

    def greedy(self) -> PolicyPropose:
        """The same policy at temperature 0."""
        view = copy.copy(self)
        view.temperature = 0.0
        return view

    def say(self, prefix: Step | None, text: str) -> Step:
        """One forced step with the tokens of `text`. Raises PonderError if it has none."""
        tokens = self.codec.encode(text)
        if not tokens:
            raise PonderError(f"the policy cannot be made to say {text!r}: it has no tokens; give a word")
        said = self.codec.decode(tokens)
        return Step(tokens, (0.0,) * len(tokens), said, self.engine.version, StopReason.STEP, prefix, forced=True)

    def observe(self, question: Question, prefix: Step, text: str) -> Step:
        """One forced step with what an environment said. The token that ended the turn before is not said twice."""
        return self._behind(prefix, self.prompts.observation(question, text))

    def _calls_natively(self) -> bool:
        """Whether tools are called in the model's own format."""
        if self.tools is None or self.tools.format == "tagged":
            return False
        native = self.frame.chat and self.codec.tool_format is not None
        if self.tools.format == "native" and not native:
            raise PonderError(
                "tools.format=native: the chat template of this model leaves tools out, or there is none; set "
                "tools.format=tagged, and calls are written as text"
            )
        return native

    def _form(self) -> Form | None:
        """How tools are called; None: there are none."""
        if self.tools is None:
            return None
        if not self.prompts.tools:
            return Tagged(self.tools, self._read, self.frame.close)
        return Native(self.tools, self.prompts.tool_format, self._results, self._given)

    def _read(self, prefix: Step, result: str) -> Step:
        """One forced step with what a tagged call gave: nothing in it becomes a control token."""
        return self._forced(prefix, self.codec.encode_plain(result))

    def _results(self, question: Question, prefix: Step, results: Sequence[str]) -> Step:
        """One forced step with what calls in the model's own format gave, as its template writes them."""
        tokens = self.prompts.results(question, results)
        ends = self.codec.tokenizer.convert_ids_to_tokens([prefix.tokens[-1]])
        if ends == ["<|eom_id|>"] and tokens[0] in self.codec.end_ids:
            tokens = tokens[1:]  # Llama ends a turn that waits for a result with this token alone
        return self._behind(prefix, tokens)

    def _given(self, question: Question, step: Step, count: int) -> list[str]:
        """The results in such a step."""
        return self.prompts.read(question, step.text, count)

    def _behind(self, prefix: Step, tokens: tuple[int, ...]) -> Step:
        """One forced step behind a turn that the model has ended. The token that ended it is not said twice."""
        return self._forced(prefix, tokens[1:] if prefix.tokens[-1:] == tokens[:1] else tokens)

    def _forced(self, prefix: Step, tokens: tuple[int, ...]) -> Step:
        said, version = self.codec.decode(tokens), self.engine.version
        return Step(tokens, (0.0,) * len(tokens), said, version, StopReason.STEP, prefix, forced=True)

    def room(self, question: Question, prefix: Step | None) -> int:
        """How many more tokens the context window holds after `prefix`; 0 if it is full."""
        before = 0 if prefix is None else sum(len(step.tokens) for step in prefix.path)
        return max(0, self.engine.context - len(self.prompts.tokens(question)) - len(self.after) - before)

    def revising(self, attempt: Trajectory, critique: str = "") -> tuple[PolicyPropose, int]:
        """The same policy with `attempt` and the request to answer again in its prompt; how long that request is."""
        request = self.prompts.again(attempt, critique)
        ended = bool(attempt.tokens) and attempt.tokens[-1] in self.codec.end_ids
        said = attempt.tokens[:-1] if ended else attempt.tokens
        view = copy.copy(self)
        view.after = self.after + said + request
        return view, len(request)

    def _why_it_stopped(self, path: Sequence[Step], drawn: Completion) -> StopReason:
        """The reason of the engine, or that the text ended the answer as the frame has it."""
        if drawn.stop is not StopReason.STEP or not self.frame.ends:
            return drawn.stop
        said = "".join(step.text for step in path[-2:]) + self.codec.decode(drawn.tokens)
        return StopReason.END if self.frame.ended(said) else drawn.stop

    def _closed(self, question: Question, prefix: Step | None) -> tuple[Step | None, int]:
        """`prefix` with its thinking closed by force, and how many forced tokens that took."""
        said = "" if prefix is None else Trajectory(question, prefix).response  # of an earlier turn nothing is open
        close = self.frame.closing(question, said)
        if not close:
            return prefix, 0
        mark = close.lstrip("\n")
        tokens = (self.codec.encode("\n") if mark != close else ()) + self.codec.encode(mark)
        text, version = self.codec.decode(tokens), self.engine.version
        closed = Step(tokens, (0.0,) * len(tokens), text, version, StopReason.STEP, prefix, forced=True)
        return closed, len(tokens)
