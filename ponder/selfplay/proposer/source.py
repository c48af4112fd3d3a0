"""The source whose problems a model proposes: proposals, then answers, then what the proposals were worth.

One `next` is one turn: groups of proposals are drawn, read and refused or taken; what is missing comes from the
curriculum. `observe` hears how the solver did. `lessons` are then the groups of proposals with what each earned, from
which the policy learns to propose in the same update in which it learns to answer (hierarchical groups). A proposal
that nobody answered, because enough others were good, teaches nothing: it is left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ponder.protocols import ProblemSource, Propose
from ponder.rollout.sources import take
from ponder.search.common import together
from ponder.seeds import derive_seed
from ponder.selfplay.proposer.forms.form import REFUSALS, Draft, Form, Refused, asked, drafted, made
from ponder.selfplay.proposer.pay import pay, repetitions
from ponder.selfplay.proposer.settings import FromProposer
from ponder.thinking import final_answer, reading_of
from ponder.types import EngineError, Group, Key, Problem, Question, Trajectory, Verdict


@dataclass
class Proposal:
    """One proposal: what came of reading it, the problem that was asked (None: not asked), and the solver's rate."""

    trajectory: Trajectory
    draft: Draft | None
    refusal: str = ""
    problem: Problem | None = None
    rate: float | None = None


@dataclass
class Turn:
    """The proposals of one update, by the question that asked for them, and what broke while they were drawn."""

    number: int
    proposals: dict[str, list[Proposal]] = field(default_factory=dict)
    failed: int = 0
    read: int = 0

    @property
    def all(self) -> list[Proposal]:
        return [proposal for some in self.proposals.values() for proposal in some]


def shown_to(propose: Propose) -> bool:
    """Whether a proposer is shown an example turn unless the settings say so: a model whose frame is not its own."""
    frame = getattr(propose, "frame", None)
    return frame is not None and frame.kind != "native"


class ProposerSource:
    """`ProblemSource` over a proposer. `learns`: whether the proposer is the policy, so that `lessons` has groups."""

    def __init__(
        self,
        settings: FromProposer,
        forms: Sequence[Form],
        propose: Propose,
        rest: ProblemSource,
        *,
        seed: int,
        learns: bool = True,
    ) -> None:
        self.settings, self.forms, self.propose, self.rest = settings, list(forms), propose, rest
        self.seed, self.learns = seed, learns
        self.shown = shown_to(propose) if settings.example is None else settings.example
        self.turns = 0
        self.known: dict[str, None] = {}  # contents in the order in which they were proposed
        self._turn = Turn(-1)

    @property
    def levels(self) -> Any:
        """Those of the curriculum beside it."""
        return getattr(self.rest, "levels", None)

    async def next(self, count: int) -> list[Problem]:
        """`count` problems: at most `share` of them proposed, the rest from the curriculum."""
        wanted = round(self.settings.share * count)
        turn = self._turn = Turn(self.turns)
        self.turns += 1
        for question, form, proposals in await self._drawn(wanted, turn):
            turn.proposals[question.id] = [self._read(form, proposal) for proposal in proposals]
        problems = self._asked(turn, wanted)
        return [*problems, *await take(self.rest, count - len(problems))]

    async def _drawn(self, wanted: int, turn: Turn) -> list[tuple[Question, Form, list[Proposal]]]:
        """Groups of proposals, forms in turn."""
        size = self.settings.proposals
        groups = math.ceil(wanted * self.settings.attempts / size)
        seed = derive_seed("propose", self.seed, turn.number)
        asks = [
            (form, asked(form, turn.number * groups + at, self.seed, shown=self.shown))
            for at in range(groups)
            for form in [self.forms[(turn.number + at) % len(self.forms)]]
        ]

        async def one(form: Form, question: Question) -> tuple[Question, Form, list[Proposal]]:
            try:
                leaves = await self.propose(
                    question, None, size, until="end", max_tokens=self.settings.max_tokens, seed=seed
                )
            except EngineError:  # another call may fare better; the curriculum fills the place
                turn.failed += 1
                leaves = []
            return question, form, [Proposal(Trajectory(question, leaf), None) for leaf in leaves]

        return await together([one(form, question) for form, question in asks])

    def _read(self, form: Form, proposal: Proposal) -> Proposal:
        """Read, solve and compare with what is known."""
        trajectory = proposal.trajectory
        text = final_answer(reading_of(self.propose)(trajectory))
        try:
            if text is None or not trajectory.finished:
                raise Refused("no_answer")
            draft = drafted(form, trajectory.question, text)
            content = f"{form.family.name} {draft.content}"
            if content in self.known:
                raise Refused("duplicate", draft.content)
        except Refused as refused:
            return Proposal(trajectory, None, refused.reason)
        self._turn.read += 1
        self.known[content] = None
        for old in list(self.known)[: max(0, len(self.known) - self.settings.remembered)]:
            del self.known[old]
        id = f"{form.family.name}-proposed-{self.seed}-{self._turn.number}-{self._turn.read}"
        return Proposal(trajectory, draft, problem=made(form, draft, id))

    def _asked(self, turn: Turn, wanted: int) -> list[Problem]:
        """The first `wanted` good proposals, one of each group after the other; the others are not asked."""
        good = [[p for p in some if p.problem is not None] for some in turn.proposals.values()]
        in_turns = [some[at] for at in range(max(map(len, good), default=0)) for some in good if at < len(some)]
        for proposal in in_turns[wanted:]:
            proposal.problem = None
        return [proposal.problem for proposal in in_turns[:wanted] if proposal.problem is not None]

    def observe(self, groups: Sequence[Group]) -> None:
        """The solver's rates on what was proposed; the curriculum hears of its own problems alone."""
        ours = {p.problem.id: p for p in self._turn.all if p.problem is not None}
        for group in groups:
            if group.problem.id in ours:
                ours[group.problem.id].rate = group.solve_rate
        self.rest.observe([group for group in groups if group.problem.id not in ours])

    def lessons(self) -> tuple[list[Group], dict[str, float]]:
        """Groups of proposals with what each earned as outcome, and what this turn measured."""
        groups = []
        answered = [p for p in self._turn.all if p.rate is not None and p.draft is not None]
        shares = repetitions([p.draft.shape for p in answered if p.draft is not None])
        repeated = {id(p): share for p, share in zip(answered, shares, strict=True)}
        for some in self._turn.proposals.values():
            kept = [p for p in some if p.refusal or p.problem is not None]
            verdicts = tuple(self._verdict(p, repeated.get(id(p), 0.0)) for p in kept)
            if self.learns and kept:
                question = kept[0].trajectory.question
                problem = Problem(question, Key(data={"role": "proposer"}))
                groups.append(Group(problem, tuple(p.trajectory for p in kept), verdicts))
        return groups, self._metrics(answered, repeated)

    def _verdict(self, proposal: Proposal, repetition: float) -> Verdict:
        if proposal.refusal:
            return Verdict(outcome=0.0, detail=f"refused: {proposal.refusal}")
        if proposal.rate is None:
            return Verdict(failure="unjudged", detail="none of the answers to this proposal could be judged")
        earned = pay(proposal.rate, repetition, self.settings.repetition)
        return Verdict(outcome=earned, detail=f"solved {proposal.rate:.3f}, repeated {repetition:.3f}")

    def _metrics(self, answered: Sequence[Proposal], repeated: Mapping[int, float]) -> dict[str, float]:
        everything = self._turn.all
        found = {"proposer/failed": float(self._turn.failed)}
        if everything:
            refused = Counter(p.refusal for p in everything if p.refusal)
            found |= {f"proposer/{reason}": refused[reason] / len(everything) for reason in REFUSALS}
            found["proposer/solvable"] = 1.0 - sum(refused.values()) / len(everything)
        if answered:
            rates = [p.rate for p in answered if p.rate is not None]
            found["proposer/rate"] = sum(rates) / len(rates)
            found["proposer/levels"] = sum(p.draft.level for p in answered if p.draft is not None) / len(answered)
            found["proposer/repetition"] = sum(repeated.values()) / len(answered)
            found["proposer/pay"] = sum(
                pay(p.rate, repeated[id(p)], self.settings.repetition) for p in answered if p.rate is not None
            ) / len(answered)
        return found

    def state(self) -> dict[str, Any]:
        return {"turns": self.turns, "known": list(self.known), "rest": self.rest.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        self.turns = int(state["turns"])
        self.known = dict.fromkeys(state["known"])
        self.rest.load_state(state["rest"])
        self._turn = Turn(-1)
