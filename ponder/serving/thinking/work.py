"""One search on the thinking loop, from the question to the reply: think, choose, make sure there is an answer, bill.

A search ends by itself, by its deadline, because the server stops, or because the client left. In all four cases there
is a bill; in all but the last an answer, if one can be had at all: where no chain of thought was finished in time, the
thinking is closed and the model answers with the tokens that every strategy leaves for that.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ponder.api.thinking.answers import marked_answer
from ponder.api.thinking.asked import Asked
from ponder.api.thinking.search import LiveSearch, Thought
from ponder.policy.grammar import Grammar
from ponder.policy.native.formats import Said
from ponder.policy.propose import PolicyPropose
from ponder.protocols import Drawn, Telling
from ponder.search.registry import make, needs_judge
from ponder.search.session.choose import Candidate
from ponder.search.strategy import Thinking
from ponder.serving.errors import ApiError, as_api_error, refused
from ponder.serving.thinking import reply as replies
from ponder.serving.thinking.ask import Ask, question
from ponder.serving.thinking.bill import Bill, bill_of
from ponder.serving.thinking.direct import Direct
from ponder.serving.thinking.mind import Mind
from ponder.serving.thinking.progress import Watcher
from ponder.serving.thinking.reply import Ending, Reply
from ponder.serving.thinking.running import Running
from ponder.types import PonderError, Question, SearchResult, Step, Trajectory

_log = logging.getLogger(__name__)
_LEAST = 40  # token-equivalents below which no strategy can think and answer
_MARGIN, _SHARE = 1.0, 0.2  # what is kept of a deadline to make an answer: a second, or a fifth of a short one
_LATE = 5.0  # seconds after a deadline in which the last answer may still be drawn


def strategy_of(ask: Ask, left: float, judged: bool) -> tuple[str, Thinking]:
    """The strategy for a budget of `left`, by the name that is told back. ApiError for one that cannot be."""
    if not ask.budget.thinks or left < _LEAST:
        return "none", Direct(max_tokens=max(1, min(ask.longest, int(left))))
    try:
        if needs_judge(ask.strategy) and not judged:
            raise refused("ponder.strategy", f"strategy {ask.strategy} needs a verifier, and this server has none")
        made = make(ask.strategy, max_tokens=min(ask.longest, max(_LEAST, int(left))), **ask.settings)
    except PonderError as error:
        raise refused("ponder.strategy", str(error)) from None
    return ask.strategy, made


async def answered(thinker: Mind, ask: Ask, running: Running) -> None:
    """Work off `running`. Never raises: whatever happens is told to whoever waits."""
    try:
        reply = await _reply(thinker, ask, running)
    except BaseException as error:
        if not isinstance(error, ApiError | PonderError | asyncio.CancelledError):
            _log.exception("a search failed")
        reply = replies.failed(as_api_error(error), Bill(limit=ask.budget.tokens), ask.strategy)
        running.finish(reply)
        if not isinstance(error, Exception | asyncio.CancelledError):
            raise
    else:
        running.finish(reply)


async def _reply(thinker: Mind, ask: Ask, running: Running) -> Reply:
    """The reply; where it must have a form, searches until an answer has it or the budget is spent."""
    before = Bill(limit=ask.budget.tokens)
    asked = question(ask, thinker.source.name)
    grammar = await thinker.grammar(ask.form)
    number = 0
    while True:
        limit = ask.budget.tokens - math.ceil(before.spent)
        attempt = Attempt(thinker, ask, running, asked, limit, ask.seed + number, grammar)
        reply = replies.with_bill(await attempt.reply(), before)
        left = ask.budget.tokens - math.ceil(reply.bill.spent + reply.bill.unsettled)
        if ask.form is None or reply.error is not None or reply.ending != "answered":
            break
        if ask.form.problem(reply.visible) is None or left < _LEAST:
            break
        number += 1
        before = replace(reply.bill, limit=ask.budget.tokens)
    return _in_form(ask, reply, number + 1)


def _in_form(ask: Ask, reply: Reply, tries: int) -> Reply:
    wrong = None if ask.form is None or reply.error is not None else ask.form.problem(reply.visible)
    if wrong is None:
        return reply
    why = f"no answer within the budget had the form that was asked for ({tries} tries; of the last: {wrong})"
    return replace(reply, content="", calls=(), tokens=(), refusal=why, notes=(*reply.notes, why))


@dataclass
class Attempt:
    """One search for one answer, with `limit` to spend."""

    thinker: Mind
    ask: Ask
    running: Running
    question: Question
    limit: int
    seed: int
    grammar: Grammar | None = None
    drawn: Drawn = field(default_factory=Drawn)
    late: str | None = None

    async def reply(self) -> Reply:
        """Think and answer."""
        ask, thinker = self.ask, self.thinker
        judged = thinker.judge is not None
        self.name, strategy = strategy_of(ask, self.limit, judged)
        propose = thinker.propose.counted(self.drawn, ask.temperature, ask.top_p)
        if isinstance(propose, PolicyPropose):
            decided = ask.form or ask.tools
            propose.canonical = marked_answer if decided is None else decided.answer
            propose.grammar = self.grammar
        asked = Asked(
            self.question.text,
            thinker.name,
            self.name,
            budget=float(self.limit),
            verifier=thinker.verifier,
            seed=self.seed,
            temperature=ask.temperature,
            max_tokens=ask.longest,
            given=self.question,
        )
        live = LiveSearch(asked, propose, thinker.judge, exact=self._exact, strategy=strategy)
        self.live = live
        watcher = Watcher(live.recorder, self.running) if ask.progress else None
        error: ApiError | None = None
        ending: Ending = "answered"
        try:
            ending = await self._think()
        except Exception as problem:
            if not isinstance(problem, PonderError):
                _log.exception("a search failed")
            error, ending = as_api_error(problem), "failed"
        finally:
            if watcher is not None:
                watcher.close()
        return self._told(live.thought(self.result), ending, error)

    async def _think(self) -> Ending:
        """Run the search to its end, its deadline or its stop. `result` is what came of it."""
        ask, running = self.ask, self.running
        recorder = self.live.recorder
        left = ask.deadline - time.monotonic()
        self.result = SearchResult(self.question, None, None, recorder.budget.usage(0))
        ending: Ending = "answered"
        running.task = asyncio.current_task() if running.wish is None else None
        try:
            if running.wish is not None:
                raise asyncio.CancelledError
            async with asyncio.timeout(max(0.0, left - min(_MARGIN, left * _SHARE))):
                self.result = await self.live.run()
        except TimeoutError:
            self.result, ending = recorder.stopped("by the deadline"), "deadline"
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None:
                task.uncancel()  # it is answered here and goes no further
            left_alone = running.wish == "cancel"
            self.result = recorder.stopped("since the client left" if left_alone else "since the server ends")
            ending = "cancelled" if left_alone else "stopped"
        except Exception:
            self.result = recorder.stopped("by an error")
            raise
        finally:
            running.task = None
        if ending != "cancelled":
            self._take_formed()
            if not replies.visible(self.result.trajectory)[0]:
                await self._answer_now()
        return ending

    def _take_formed(self) -> None:
        """Where the answer must have a form and has not, take the best candidate that has it."""
        form, result = self.ask.form, self.result
        if form is None or form.problem(replies.visible(result.trajectory)[0]) is None:
            return
        scores = result.scores or (None,) * len(result.trajectories)
        formed = [
            Candidate(t, self.live.propose.answer(t), score)
            for t, score in zip(result.trajectories, scores, strict=True)
            if form.problem(replies.visible(t)[0]) is None
        ]
        if formed:
            chosen = self.live.strategy.rule(formed)
            self._choose(chosen.trajectory)

    async def _answer_now(self) -> None:
        """Close the thinking and answer, with what is left of the budget and, if it has to be, a little late."""
        budget = self.live.recorder.budget
        lost = self.drawn.generated - self.drawn.returned
        unsettled = lost if self._counted else self.result.usage.unsettled
        tokens = min(self.live.strategy.answer_reserve, int(budget.remaining - unsettled))
        if tokens < 1 or isinstance(self.live.strategy, Direct):
            return
        first = self.live.recorder.reserve(None, 1)
        # It is known as soon as it has ended: a timeout at that very moment would lose what was drawn.
        ended, propose = list[Step](), self.live.propose
        if isinstance(propose, Telling):
            propose = propose.telling(lambda _, leaf: ended.append(leaf))
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self.ask.deadline - time.monotonic()) + _LATE):
                ended = await propose(self.question, None, 1, until="answer", max_tokens=tokens, seed=self.seed)
        if not ended:
            return
        self.late = "no chain of thought was finished: the model was made to answer at once"
        answer = Trajectory(self.question, ended[0])
        budget.charge_generated(len(answer))
        self.live.recorder.grew(None, ended, first)
        self.result = replace(self.result, trajectories=(*self.result.trajectories, answer))
        if self.result.scores:
            self.result = replace(self.result, scores=(*self.result.scores, None))
        self._choose(answer)

    def _choose(self, trajectory: Trajectory) -> None:
        """Make `trajectory` the answer; what was spent stays the same."""
        kept, unsettled = len(trajectory), self.result.usage.unsettled
        usage = self.live.recorder.budget.usage(kept)
        usage = replace(usage, unsettled=unsettled, seconds=self.result.usage.seconds)
        answer = self.live.propose.answer(trajectory)
        self.result = replace(self.result, trajectory=trajectory, answer=answer, usage=usage)

    @property
    def _counted(self) -> bool:
        return isinstance(self.thinker.propose, PolicyPropose)

    def _exact(self) -> bool:
        return bool(self.thinker.source.told()["exact"])

    def _told(self, thought: Thought, ending: Ending, error: ApiError | None) -> Reply:
        """The reply, with the bill that the engine's own counts confirm."""
        result, ask = thought.result, self.ask
        content, thinking, stopped = replies.visible(result.trajectory, ask.stop)
        propose = self.thinker.propose
        prompt = len(propose.prompts.tokens(self.question)) if isinstance(propose, PolicyPropose) else self._asked()
        bill = bill_of(
            result.usage,
            self.drawn,
            limit=float(self.limit),
            prompt=prompt,
            answer=replies.answer_tokens(result.trajectory, self.thinker.source.decode if self._counted else None),
            exact=self._exact(),
            counted=self._counted,
        )
        tokens: tuple[replies.Said, ...] = ()
        if ask.logprobs and result.trajectory is not None:
            tokens = replies.tokens_of(result.trajectory, content, self.thinker.source.decode)
        said = Said(content) if ask.tools is None or stopped else ask.tools.said(content)
        if not content and ending != "cancelled" and error is None:
            self.late = "the budget or the deadline left no room for an answer"
        notes = [result.degraded, self.late, *thought.warnings]
        return Reply(
            content=said.content if said.calls else content,
            calls=said.calls,
            visible=content,
            thinking=thinking,
            finish="tool_calls" if said.calls else replies.ended_at(result.trajectory, stopped),
            ending=ending,
            bill=bill,
            strategy=self.name,
            why=replies.explained(thought.tree),
            tree=thought.tree,
            tokens=tokens,
            checked=thought.checked,
            score=thought.score,
            notes=tuple(note for note in notes if note),
            error=error if not content else None,
            version=self.thinker.version,
            form=None if ask.form is None else "checked" if self.grammar is None else "bounded",
        )

    def _asked(self) -> int:
        """Prompt tokens of one request as the other server counted them: the mean of all, since it tells no more."""
        return round(self.drawn.prefilled / self.drawn.requests) if self.drawn.requests else 0
