"""The verbs that others plug into. Nothing here imports an engine, a model or torch.

A search strategy is a coroutine that awaits `Propose` and `Judge`; hundreds of them run at once on one event loop and
the `Engine` behind them batches their calls. Only types cross these borders.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from ponder.types import Group, Problem, Question, SearchResult, Step, StopReason, Trajectory, Usage, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Until = Literal["step", "end", "answer", "think"]
# How an engine takes new weights: tensors of this process, or the path of a checkpoint folder that it reads itself.
Way = Literal["tensors", "path"]


@dataclass(slots=True, eq=False)
class Drawn:
    """What was done for the requests that carry this, those that were cancelled or failed included.

    Each number is a part of the engine's counter of that name: over all requests they sum to it. `returned` are those
    of the `generated` tokens that came back to whoever asked; the others were drawn and lost by a cancellation.
    """

    requests: int = 0
    generated: int = 0
    prefilled: int = 0
    reused: int = 0
    returned: int = 0

    def add(self, generated: int, prefilled: int, reused: int) -> None:
        """One request is over."""
        self.requests += 1
        self.generated += generated
        self.prefilled += prefilled
        self.reused += reused


class Walk(Protocol):
    """Which tokens may come next in one text that must have a form; it is told each token that was drawn."""

    def allowed(self) -> NDArray[np.bool_] | None:
        """[V], true where a token may be drawn; None: any may."""
        ...

    def take(self, token: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One generation. `stop` are strings that end it (the string is kept in the output); `seed` fixes the draw.

    `max_tokens` counts new tokens. `temperature` 0 is greedy. The same request with the same weights gives the same
    tokens, alone or in any batch. `drawn`, if given, is told what the request cost when it is over, however it ends.
    `walk`, if given, makes the walk that bounds the draw; only an engine that says `constrains` may be asked so.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    seed: int
    temperature: float = 1.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    drawn: Drawn | None = field(default=None, compare=False, repr=False)
    walk: Callable[[], Walk] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """The tokens that were drawn, their log-probabilities under the sampler, why it ended and by which weights.

    A log-probability is that of the distribution which the token was drawn from: at the request's temperature, within
    the nucleus if `top_p` is below 1, and among the tokens that a walk allowed (renormalised). A greedy one is given
    at temperature 1, over the whole vocabulary.

    `version` is that of the weights that drew the first token. `versions` has one for each token if the weights
    changed on the way, and is empty otherwise. `computed` and `reused` count prompt tokens that went through the model
    and that came out of a cache; of a request that outlived an update, also what the new weights read again.
    """

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    stop: StopReason
    version: int
    computed: int = 0
    reused: int = 0
    versions: tuple[int, ...] = ()


class Tokenizer(Protocol):
    """The part of a tokenizer that Ponder needs; a transformers tokenizer is wrapped by `policy.codec`.

    Each of `end_ids` ends a turn when it is drawn (there may be none); `eos_id` is the one that we write ourselves.
    """

    @property
    def eos_id(self) -> int: ...

    @property
    def end_ids(self) -> tuple[int, ...]: ...

    def encode(self, text: str) -> tuple[int, ...]: ...

    def decode(self, tokens: Sequence[int]) -> str: ...


class Pictures(Protocol):
    """How a model reads pictures: as ids beyond its vocabulary, in the place of the token `mark` in its texts."""

    @property
    def mark(self) -> int: ...

    def tokens(self, url: str, /) -> tuple[int, ...]:
        """The ids of a picture given as a data URL. PonderError if it cannot be read."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Tokens in, tokens and log-probabilities out. Calls made while others wait share a batch."""

    @property
    def version(self) -> int: ...

    @property
    def context(self) -> int:
        """Longest prompt plus completion, in tokens."""
        ...

    async def generate(self, request: Request) -> Completion: ...

    async def score(self, prompt: Sequence[int], continuation: Sequence[int]) -> tuple[float, ...]:
        """Log-probability of each token of `continuation` after `prompt`, at temperature 1."""
        ...


@dataclass(frozen=True, slots=True)
class WeightSource:
    """New weights, in as many ways as the sender has them: `tensors` by transformers name, `path` of a folder.

    The folder is one that `save_pretrained` wrote; an engine has read it when `update_weights` returns. `logprobs`
    gives the log-probabilities of a text's tokens after its first by the sender's own forward over these weights, for
    an engine that checks its updates and would otherwise load the weights a second time.
    """

    tensors: Mapping[str, Any] | None = None
    path: Path | None = None
    logprobs: Callable[[tuple[int, ...]], Sequence[float]] | None = None


class WeightedEngine(Engine, Protocol):
    """An engine whose weights Ponder may replace, and that counts its work.

    The weight-sync protocol: `takes` says in which ways it takes weights, the cheapest first. `update_weights` may be
    called at any time, also while requests run; when it returns, `version` is live: every request made from then on is
    drawn by the new weights alone. What happens to requests under way is the engine's to say (they end under the old
    weights or go on under the new ones), and `Completion.versions` tells it for every token. An update is all or
    nothing: if it raises, no token is drawn from weights that are neither the old nor the new ones. A version older
    than the live one is refused, so an update that arrives late does no harm; the same version again is loaded again.
    """

    @property
    def takes(self) -> tuple[Way, ...]: ...

    async def update_weights(self, source: WeightSource, version: int) -> None:
        """Replace the weights. PonderError if `source` has none of the ways, does not fit, or is older."""
        ...

    @property
    def tokens_generated(self) -> int: ...

    @property
    def tokens_prefilled(self) -> int: ...

    @property
    def tokens_reused(self) -> int:
        """Prompt tokens that came out of a cache."""
        ...

    def replace_weights(self, state: Mapping[str, Any], version: int) -> None:
        """`update_weights` from tensors, for plain code outside of any event loop."""
        ...


@runtime_checkable
class HiddenEngine(Engine, Protocol):
    """An engine that also shows what a head reads, out of the same cache as generation."""

    async def hidden(self, tokens: Sequence[int], positions: Sequence[int]) -> Any:
        """Hidden states after the final norm at these positions of a text, a tensor [positions, hidden]."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """What an engine did since it was made, exactly. `flops` follow from the architecture, attention included.

    `tokens` went through the model's layers; `generated` were drawn (several samples may draw one computed token, and
    a token drawn last is computed only if somebody goes on from it); prompt tokens were `prefilled` or `reused`.
    `seconds` is the time in which the engine was busy, so flops / seconds / the machine's peak is the utilisation.
    """

    tokens: int
    generated: int
    prefilled: int
    reused: int
    flops: float
    seconds: float

    def __sub__(self, earlier: Work) -> Work:
        return Work(
            self.tokens - earlier.tokens,
            self.generated - earlier.generated,
            self.prefilled - earlier.prefilled,
            self.reused - earlier.reused,
            self.flops - earlier.flops,
            self.seconds - earlier.seconds,
        )


class Propose(Protocol):
    """Continue a trajectory. Returns the leaves of `n` independent continuations of `prefix` (None: the root).

    `until="step"` stops each at its next step end, "end" goes on to the end of the turn (the leaves' new ancestors
    are the steps passed on the way), "answer" first closes the thinking by force and then lets the policy answer.
    "think" (strategies that force more thinking need it; a source may refuse it) stops where the policy closes its
    thinking: the leaf then holds the close mark alone, and stops with `StopReason.STEP`.
    No leaf costs more than `max_tokens` new tokens. `seed` fixes the draw; different n-th members differ.
    """

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Until, max_tokens: int, seed: int
    ) -> list[Step]: ...

    def answer(self, trajectory: Trajectory) -> str | None:
        """The answer text of a finished trajectory in canonical form (for votes); None if it has none."""
        ...


@runtime_checkable
class Telling(Propose, Protocol):
    """A policy that tells of each continuation as it ends, while the others of the same call still run."""

    def telling(self, ended: Callable[[int, Step], None]) -> Propose:
        """The same policy; `ended` hears the place of a continuation in its call, from 0, and its leaf."""
        ...


@runtime_checkable
class Steered(Propose, Protocol):
    """A policy that can be asked in other ways than to continue. Some strategies need it; a pool is not one."""

    def greedy(self) -> Propose:
        """The same policy at temperature 0."""
        ...

    def say(self, prefix: Step | None, text: str) -> Step:
        """One forced step with the tokens of `text` after `prefix`."""
        ...

    def room(self, question: Question, prefix: Step | None) -> int:
        """How many more tokens the context window holds after `prefix`."""
        ...

    def revising(self, attempt: Trajectory, critique: str = "") -> tuple[Steered, int]:
        """The same policy, asked to answer again with `attempt` (and what a critic says of it) in its prompt.

        Also returns how many tokens that turn puts behind the attempt: they run through the policy and are charged.
        """
        ...


@runtime_checkable
class Conversing(Propose, Protocol):
    """A policy that goes on after an environment has answered it. Environments of several turns need one."""

    def observe(self, question: Question, prefix: Step, text: str) -> Step:
        """One forced step after `prefix`: `text` in the frame that the model expects around what others say.

        The tokens of `prefix` stay what they were: nothing that was drawn is decoded and encoded again.
        """
        ...

    def room(self, question: Question, prefix: Step | None) -> int:
        """How many more tokens the context window holds after `prefix`."""
        ...


@dataclass(frozen=True, slots=True)
class Price:
    """What a judge takes for trajectories of one question, in token-equivalents. All zero: it is free.

    `question` is for reading the question and `token` for each token of a response. Both are paid once a search (the
    rest of a trajectory whose beginning was judged before is all that is new), or with every verdict by a judge that
    `rereads`, since it keeps nothing of what it read. `verdict` is the most that a verdict costs on top, and `step` the
    most that it costs on top for each step; `Judge.extra` says how much it is.
    """

    question: float = 0.0
    token: float = 0.0
    verdict: float = 0.0
    step: float = 0.0
    rereads: bool = False


class Judge(Protocol):
    """Score trajectories of a question without its key. What it costs is counted by `VerifierCost`."""

    def price(self, question: Question) -> Price: ...

    def extra(self, trajectory: Trajectory) -> float:
        """What a verdict on this trajectory costs besides reading it: at most `verdict` and `step` of the price.

        What shows only while judging is taken at its most until this trajectory was judged.
        """
        ...

    async def __call__(self, question: Question, trajectories: Sequence[Trajectory]) -> list[Verdict]: ...


class Account(Protocol):
    """What a strategy may spend; `ponder.search.session.budget.Budget` is the one implementation."""

    @property
    def remaining(self) -> float: ...

    def charge_generated(self, tokens: float, *, calls: int = 1) -> None: ...

    def charge_verifier(self, tokens: float) -> None: ...

    def usage(self, kept: float) -> Usage: ...


class Strategy(Protocol):
    """Think about one question within a budget. Sequential code for one problem; batching is not its concern."""

    async def __call__(
        self, question: Question, propose: Propose, judge: Judge | None, budget: Account, *, seed: int
    ) -> SearchResult: ...


class Family(Protocol):
    """A source of problems: a pure function of (split, seed, index) at a stated difficulty (`level`)."""

    @property
    def name(self) -> str: ...

    @property
    def level(self) -> int: ...

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem: ...


@runtime_checkable
class Finite(Protocol):
    """A family with a last problem: index `size(split)` is index 0 again."""

    def size(self, split: str) -> int: ...


@runtime_checkable
class Graded(Protocol):
    """A family with a checker of its own. Families without one name a verifier in their problems' `Key.data`."""

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Judge a whole response text (thinking included) against the key."""
        ...

    def near_misses(self, problem: Problem) -> list[str]:
        """Responses that must be refused, for the family's self-check."""
        ...


@runtime_checkable
class Demonstrated(Protocol):
    """A family that can show worked responses in its own trace format, for behaviour cloning."""

    def demonstration(self, problem: Problem, seed: int) -> str: ...


@runtime_checkable
class Levelled(Protocol):
    """A family whose difficulty the curriculum may move."""

    def at_level(self, level: int) -> Family: ...


class Grade(Protocol):
    """Ground truth as plain code: a verdict for each response to the problem at the same place.

    A grader that names a parameter `finished` (a list of truth values) is also told which responses their model ended
    itself; the others were cut by a limit, so that what they hold may be half a thought. See `grade_responses`.
    """

    def __call__(self, problems: Sequence[Problem], responses: Sequence[str], /) -> list[Verdict]: ...


def grade_responses(
    grade: Grade, problems: Sequence[Problem], responses: Sequence[str], finished: Sequence[bool]
) -> list[Verdict]:
    """Call `grade`, with `finished` if it takes that. Raises ValueError unless it gives one verdict a response."""
    told: Callable[..., list[Verdict]] = grade
    parameters = inspect.signature(told).parameters
    verdicts = told(problems, responses, **({"finished": finished} if "finished" in parameters else {}))
    if len(verdicts) != len(responses):
        raise ValueError(f"the grader gave {len(verdicts)} verdicts for {len(responses)} responses")
    return verdicts


class ToolBroken(Exception):
    """A tool failed by its own fault or gave nothing in time; what called it is not to blame."""


class ToolUse(Protocol):
    """The tools that a policy may call while it thinks (`ponder.tools.Toolbox` is the one implementation).

    `format` says how calls are written: "tagged", in the model's own format ("native"), or there if its template has
    one ("auto"). Drawing tagged calls pauses behind each of `marks`, and `briefing` tells the policy of the tools; it
    goes into the instructions. `schemas` are the same tools for a chat template.
    """

    @property
    def format(self) -> Literal["auto", "tagged", "native"]: ...

    @property
    def marks(self) -> tuple[str, ...]: ...

    @property
    def briefing(self) -> str: ...

    @property
    def schemas(self) -> tuple[Mapping[str, Any], ...]: ...

    async def reply(self, text: str) -> str | None:
        """What stands behind a chain of thought that ends with a call; None: it ends with none. Raises ToolBroken."""
        ...

    async def answer(self, name: str, arguments: Mapping[str, Any], broken: str, before: Sequence[Answered]) -> str:
        """What a call in the model's own format gives. `before` are the calls that went before on the same chain.

        `broken` says what is wrong with a call that could not be read, and the policy is told so. Raises ToolBroken.
        """
        ...

    def parts(self, text: str) -> list[tuple[str, bool]]:
        """`text` in pieces, each with whether it is a result that was read and not said."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that was answered: the tool's name, its arguments and the result."""

    name: str
    arguments: Mapping[str, Any]
    result: str


class Check(Protocol):
    """Ground truth as an environment may ask it: the verdict on the last turn of a trajectory.

    `problem` is another one than that of the episode to grade it for, with a part of its tests for example. The key
    stays with the grader.
    """

    def __call__(self, trajectory: Trajectory, problem: Problem | None = None, /) -> Awaitable[Verdict]: ...


class Episode(Protocol):
    """One policy at work on one problem, as the environment sees it. Its methods wait, and never block the event loop.

    An exception out of either method is the typed failure "environment" of this trajectory and of no other.
    """

    async def reply(self, trajectory: Trajectory) -> str | None:
        """What the policy reads after the turn it has just ended; None ends the episode.

        Asked only where another turn may follow: not after the last turn allowed, nor after a turn that was cut.
        """
        ...

    async def verdict(self, trajectory: Trajectory) -> Verdict:
        """What the whole episode was worth: an outcome, or the typed failure of whatever was to judge it."""
        ...


class Environment(Protocol):
    """What a policy acts in. Its turns alternate with what the environment says (observations).

    Observations are forced steps: the policy reads them, nothing is learned from them. One environment serves many
    episodes at once and keeps what belongs to one of them in its `Episode`.
    """

    @property
    def most_turns(self) -> int:
        """The most turns of the policy in an episode."""
        ...

    @property
    def most_turn_tokens(self) -> int:
        """The most tokens of one turn; 0: as many as the episode has left. A turn that is cut ends the episode."""
        ...

    def episode(self, problem: Problem, check: Check, *, seed: int) -> AbstractAsyncContextManager[Episode]:
        """Open an episode; leaving the context releases what it holds. `check` is ground truth for this problem.

        `seed` fixes every random draw of the environment. `check` grades the last turn of a trajectory, waits in a
        queue with all other trajectories, and never raises for a grader that broke: that is a failure in the verdict.
        """
        ...


@dataclass(frozen=True, slots=True)
class Joint:
    """What came of one joint episode: the answers to learn from, each with its own problem and verdict.

    A problem may name a role in `Key.data["role"]` (a seat, a proposer). `tokens` and `calls` are the cost; `metrics`
    are numbers of this episode, of which the log shows the mean.
    """

    answers: tuple[tuple[Problem, Trajectory, Verdict], ...]
    tokens: float
    calls: int
    metrics: Mapping[str, float]


@runtime_checkable
class Together(Protocol):
    """An environment in which several answers of one policy come about together, as the two seats of a game do."""

    async def joint(self, problem: Problem, member: int, propose: Propose, *, max_tokens: int, seed: int) -> Joint:
        """Play the episode number `member` that begins with `problem`. No answer has more than `max_tokens` tokens.

        What breaks behind a role is a failure in the verdicts of the episode and never an exception, but for a
        PonderError, which is something to act on.
        """
        ...


class ProblemSource(Protocol):
    """Where training problems come from: a curriculum, a file, a model that proposes them, a game.

    `next` may be plain code or a coroutine (`rollout.sources.take` awaits whichever it is): a source that computes
    stays plain, one that asks a model awaits the engine on the loop that also samples the answers. The other methods
    are plain, for a checkpoint must not have to wait.
    """

    def next(self, count: int) -> list[Problem] | Awaitable[list[Problem]]:
        """`count` problems to be answered next."""
        ...

    def observe(self, groups: Sequence[Group]) -> None:
        """Hear how the problems of this source were answered."""
        ...

    def state(self) -> dict[str, Any]:
        """All that the next call of `next` depends on, as plain data for JSON."""
        ...

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on exactly where `state` was read."""
        ...


@runtime_checkable
class Teaching(Protocol):
    """A source that the policy learns from too, because the policy made its problems (`selfplay.proposer`)."""

    def lessons(self) -> tuple[list[Group], dict[str, float]]:
        """After `observe`: answers of the policy to the source itself, judged by what came of them, and metrics."""
        ...
