"""The nouns of Ponder; read this file first.

A `Problem` is a `Question` (what the policy and every judge inside a search may see) and a `Key` (what ground truth
needs). A policy answers with `Step`s. Steps form a tree: each knows its parent, so a `Trajectory` is the path from the
root to one leaf and siblings share their prefix without copying it. A `Verdict` says how good a trajectory is; a
`Group` is several judged trajectories of one problem; a `Credit` gives each generated token its advantage; a `Sample`
is what the learner eats.

Axis letters used in names everywhere: P problem, G sample in a group, S reasoning step, T token, B row of a batch,
V vocabulary. Token counts are token-equivalents unless a name says otherwise: one token-equivalent is the
floating-point work of one token forward through the policy (two operations for each parameter).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any


class PonderError(Exception):
    """An error whose text a user can act on: what was got, what is allowed, what to do. Printed without traceback."""


class EngineError(PonderError):
    """One call that an engine could not serve, after all its tries. Another call may fare better."""


class StopReason(StrEnum):
    """Why a generation ended."""

    STEP = "step"  # a step separator was produced; the trajectory may go on
    END = "end"  # the model ended its turn
    LENGTH = "length"  # the token limit cut it
    CONTEXT = "context"  # the model's context window cut it
    CANCELLED = "cancelled"
    CALL = "call"  # it ended its turn to call tools, whose results come next
    TOOL = "tool"  # a tool that it called broke; what it would have been worth is not known


@dataclass(frozen=True, slots=True)
class Question:
    """What the policy sees. `instructions` says how to answer (a system message); `text` is the question itself.

    `history` are the turns of a conversation before it, as pairs of role (system, user, assistant) and text. They came
    from outside, as `text` did. Behind a turn of the assistant may stand the calls of tools that it made ("calls": a
    JSON list of {"name", "arguments"}) and what each gave ("tool"). A conversation that ends with such results has an
    empty `text`. `tools` are the tools that may be called, a JSON schema each as the OpenAI API has it. `images` are
    pictures that belong to `text` and stand before it, as data URLs.
    """

    id: str
    family: str
    text: str
    instructions: str = ""
    level: int = 0
    history: tuple[tuple[str, str], ...] = ()
    tools: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Key:
    """What ground truth needs and search never sees. `data` holds whatever a family's own checker wants."""

    answer: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """One checkable question."""

    question: Question
    key: Key

    @property
    def id(self) -> str:
        return self.question.id

    @property
    def family(self) -> str:
        return self.question.family

    @property
    def level(self) -> int:
        return self.question.level


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A node in the tree of thought: the tokens of one reasoning step (or of the answer) after `parent`.

    `tokens` and `logprobs` are equally long; `logprobs` are the sampler's own log-probabilities of the tokens it drew
    at the temperature it drew them. `forced` marks tokens that the policy was made to say (they carry log-probability
    0.0 and are never trained on). `version` is the policy version that drew them. Equality is identity: two draws of
    the same text are two samples. `part` counts from 1 where what an environment says is read in several steps (by a
    search with short ones); 0 elsewhere.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    version: int
    stop: StopReason
    parent: Step | None = None
    forced: bool = False
    part: int = 0

    def __post_init__(self) -> None:
        if len(self.tokens) != len(self.logprobs):
            raise ValueError(f"a step needs one log-probability a token: {len(self.logprobs)} for {len(self.tokens)}")

    @property
    def path(self) -> tuple[Step, ...]:
        """The steps from the root to this one."""
        nodes: list[Step] = []
        node: Step | None = self
        while node is not None:
            nodes.append(node)
            node = node.parent
        return tuple(reversed(nodes))

    @property
    def is_end(self) -> bool:
        """Whether the trajectory ends here: the model ended its turn or was cut."""
        return self.stop is not StopReason.STEP

    @property
    def is_result(self) -> bool:
        """Whether this holds what tools gave, behind a turn that the model had ended to call them."""
        return self.forced and self.parent is not None and self.parent.stop is StopReason.CALL

    @property
    def is_observation(self) -> bool:
        """Whether an environment said this: forced tokens after a turn that the model had ended."""
        return self.part > 0 or (self.forced and self.parent is not None and self.parent.stop is StopReason.END)

    @property
    def opens_turn(self) -> bool:
        """Whether a turn of the policy begins with this: the first step of what an environment said."""
        return self.is_observation and self.part <= 1


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A root-to-leaf view of a tree of steps, for one question."""

    question: Question
    leaf: Step

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.leaf.path

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(t for step in self.steps for t in step.tokens)

    @property
    def logprobs(self) -> tuple[float, ...]:
        return tuple(p for step in self.steps for p in step.logprobs)

    @property
    def text(self) -> str:
        return "".join(step.text for step in self.steps)

    @property
    def last_turn(self) -> int:
        """The index of the step with which the last turn of the policy begins; 0 if no environment said anything."""
        return 1 + max((i for i, step in enumerate(self.steps) if step.is_observation), default=-1)

    @property
    def turn_S(self) -> tuple[int, ...]:
        """The turn to which each step belongs, from 0; what an environment says belongs to the turn that it begins."""
        turn, found = 0, []
        for step in self.steps:
            turn += step.opens_turn
            found.append(turn)
        return tuple(found)

    @property
    def turns(self) -> int:
        """How many turns the policy had."""
        return 1 + sum(step.opens_turn for step in self.steps)

    @property
    def response(self) -> str:
        """The text of the last turn: what graders read. All of `text` if nobody said anything in between.

        Where a turn ended with calls of tools in the model's own format, it is what follows their results.
        """
        steps = self.steps[self.last_turn :]
        behind = 1 + max((i for i, step in enumerate(steps) if step.is_result), default=-1)
        return "".join(step.text for step in steps[behind:])

    @property
    def stop(self) -> StopReason:
        return self.leaf.stop

    @property
    def finished(self) -> bool:
        """Whether the model ended its last turn itself, and was not cut."""
        return self.leaf.stop is StopReason.END

    def __len__(self) -> int:
        count, node = len(self.leaf.tokens), self.leaf.parent
        while node is not None:  # searches ask this far more often than anything else
            count += len(node.tokens)
            node = node.parent
        return count


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of a trajectory.

    Ground truth sets `outcome` (1.0 right, 0.0 wrong) or, if it could not judge, `failure` (a typed name such as
    "timeout", "infrastructure" or "environment"): exactly one of the two. A learned verifier sets `score` in [0, 1],
    and `step_scores`, one for each step. Not judged and not scored are None, never 0. `turns` are the outcomes of all
    turns where an environment checked each of them.
    """

    outcome: float | None = None
    failure: str | None = None
    score: float | None = None
    step_scores: tuple[float, ...] | None = None
    extracted: str | None = None
    detail: str = ""
    turns: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class StepLabel:
    """The label of one step: `value` is the share of `rollouts` continuations after it that reached a right answer."""

    step: int
    value: float
    rollouts: int


@dataclass(frozen=True, slots=True)
class Group:
    """Judged trajectories of one problem, equally long lists. An empty group is not a group."""

    problem: Problem
    trajectories: tuple[Trajectory, ...]
    verdicts: tuple[Verdict, ...]

    def __post_init__(self) -> None:
        if not self.trajectories or len(self.trajectories) != len(self.verdicts):
            raise ValueError(
                f"group of {self.problem.id}: {len(self.trajectories)} trajectories, {len(self.verdicts)} verdicts"
            )

    @property
    def judged(self) -> tuple[tuple[Trajectory, float], ...]:
        """Trajectories with an outcome; failures (a broken grader) are left out, never counted as wrong."""
        pairs = zip(self.trajectories, self.verdicts, strict=True)
        return tuple((t, v.outcome) for t, v in pairs if v.outcome is not None)

    @property
    def solve_rate(self) -> float | None:
        """Mean outcome over what could be judged; None if nothing could."""
        outcomes = [outcome for _, outcome in self.judged]
        return sum(outcomes) / len(outcomes) if outcomes else None


@dataclass(frozen=True, slots=True)
class Credit:
    """Advantage of each generated token of one trajectory (`advantages_T`, same length as its tokens).

    With a critic `returns_T` are what it shall learn to foresee and `values_T` what it foresaw, one a token. Two
    credits with the same `pair` are a better and a worse answer, for preference losses.
    """

    trajectory: Trajectory
    advantages_T: tuple[float, ...]
    returns_T: tuple[float, ...] = ()
    values_T: tuple[float, ...] = ()
    pair: str = ""
    teacher_T: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, values_T in (
            ("advantages", self.advantages_T),
            ("returns", self.returns_T),
            ("values", self.values_T),
            ("log-probabilities of a teacher", self.teacher_T),
        ):
            if len(values_T) != len(self.trajectory) and (values_T or name == "advantages"):
                raise ValueError(
                    f"{self.trajectory.question.id}: {len(values_T)} {name} for {len(self.trajectory)} tokens"
                )


@dataclass(frozen=True, slots=True)
class Sample:
    """One row for the learner: prompt and response tokens, and for each response token what the loss needs.

    `mask_T` is 1.0 where the token is trained on (0.0 for forced tokens). `logprobs_T` are the sampler's. For behaviour
    cloning `advantages_T` are all 1.0 and `logprobs_T` is empty. `returns_T` and `values_T` are there where a critic is
    trained, `teacher_logprobs_T` where a teacher is followed; a loss says which of them it needs. Two rows with the
    same `pair` are a better and a worse one. The trainer fills `old_logprobs_T` (its own log-probabilities before the
    update) and `marks_T` (what the loss said of each token before the step) where a loss asks for them. `turn_T` is the
    turn of each token, from 0, for rows of an environment.
    """

    id: str
    prompt: tuple[int, ...]
    response: tuple[int, ...]
    advantages_T: tuple[float, ...]
    mask_T: tuple[float, ...]
    logprobs_T: tuple[float, ...] = ()
    version: int = 0
    returns_T: tuple[float, ...] = ()
    values_T: tuple[float, ...] = ()
    teacher_logprobs_T: tuple[float, ...] = ()
    pair: str = ""
    old_logprobs_T: tuple[float, ...] = ()
    turn_T: tuple[float, ...] = ()
    marks_T: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost, in token-equivalents: `kept + discarded + verifier == spent`.

    `kept` are the generated tokens of the trajectory that was returned, `discarded` all other generated tokens (and
    those of requests to revise, which run through the policy once each), `verifier` the forward passes of judges.
    `calls` counts proposals and judgements; `seconds` is wall-clock time and no part of equality. `unsettled` is not
    spent: it is the most that calls may have cost which a deadline cancelled before they told what they drew;
    `spent + unsettled` stays within the budget too.
    """

    kept: float = 0.0
    discarded: float = 0.0
    verifier: float = 0.0
    calls: int = 0
    seconds: float = field(default=0.0, compare=False)
    unsettled: float = 0.0

    @property
    def spent(self) -> float:
        return self.kept + self.discarded + self.verifier

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.kept + other.kept,
            self.discarded + other.discarded,
            self.verifier + other.verifier,
            self.calls + other.calls,
            self.seconds + other.seconds,
            self.unsettled + other.unsettled,
        )

    def flops(self, parameters: int) -> float:
        """Floating-point operations for a policy of `parameters`: two a parameter and token-equivalent."""
        return 2.0 * parameters * self.spent


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a strategy returns: the answer text, the trajectory that carries it and what was spent.

    `answer` is None only if nothing that ends could be produced. `trajectories` are all finished candidates.
    `degraded` says in a sentence what did not go as asked (a verifier that failed, a deadline); None: nothing.
    """

    question: Question
    answer: str | None
    trajectory: Trajectory | None
    usage: Usage
    trajectories: tuple[Trajectory, ...] = ()
    scores: tuple[float | None, ...] = ()
    degraded: str | None = None

    def with_seconds(self, seconds: float) -> SearchResult:
        return replace(self, usage=replace(self.usage, seconds=seconds))


@dataclass(frozen=True, slots=True)
class CheckpointRef:
    """Where a policy lives on disk and what went into it. `flops` is the training work so far, sampling included."""

    path: str
    version: int
    round: int
    flops: float = 0.0


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One point of a scaling curve with its 95 % interval over problems; `n` is the number of problems."""

    x: float
    y: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line: `x_name` and `y_name` carry units."""

    name: str
    x_name: str
    y_name: str
    points: tuple[CurvePoint, ...]
    note: str = ""
