"""What OmegaPRM searches next (arXiv 2406.06592, eq. 2 and 3): states, wrong rollouts and the rule of choice.

    Q(s, r) = alpha^(1 - MC(s)) * beta^(len(r) / L)     high where the policy should have succeeded, low for long r
    U(s)    = c_puct * sqrt(sum_i N(s_i)) / (1 + N(s))  high where little was searched

The pool holds pairs of a state and a wrong rollout from it, only for states with 0 < MC < 1: elsewhere there is no
first error to find, or no reason to expect one. Ties go to the pair that came first. Nothing is backed up to the root.

A prefix that is wrong already enters that pool too if one of its k rollouts recovers by luck, and every search from it
finds an error that is too late. `least` asks for more than one such rollout: a prefix whose value is below it stays as
a label but not searched from. The question itself is never wrong and always enters. `least` 0 is the paper's rule; the
default, two rollouts of eight, was chosen on validation problems (docs/log.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ponder.types import PonderError, Step


@dataclass(frozen=True, slots=True)
class OmegaSettings:
    """The paper's settings. `length` is L in tokens, `rollouts` is k, `searches` the most for one question.

    `least` is the smallest share of right rollouts at which a prefix is searched from.
    """

    alpha: float = 0.5
    beta: float = 0.9
    length: float = 500.0
    c_puct: float = 0.125
    rollouts: int = 8
    searches: int = 100
    least: float = 0.25

    def __post_init__(self) -> None:
        if not (0 < self.alpha <= 1 and 0 < self.beta <= 1 and self.length > 0 and self.c_puct >= 0):
            raise PonderError(f"{self}: alpha and beta lie in (0, 1], length is above 0, c_puct is not negative")
        if self.rollouts < 1 or self.searches < 1:
            raise PonderError(f"{self}: at least 1 rollout and 1 search are needed")
        if not 0 <= self.least < 1:
            raise PonderError(f"{self}: least is a share of right rollouts, from 0 to below 1")


@dataclass(eq=False, slots=True)
class State:
    """A prefix (None: the question), the share of its rollouts that ended right, and how often it was searched."""

    prefix: Step | None
    value: float
    visits: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A wrong rollout from `state`; `tokens` is its length after the state."""

    state: State
    leaf: Step
    tokens: int


@dataclass
class Pool:
    """All states met, and the pairs still to be searched."""

    settings: OmegaSettings
    states: list[State] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)

    def add(self, state: State, wrong: list[tuple[Step, int]]) -> None:
        """A new state with its wrong rollouts (leaf, tokens after the state)."""
        self.states.append(state)
        trusted = state.prefix is None or state.value >= self.settings.least
        if 0 < state.value < 1 and trusted:
            self.candidates += [Candidate(state, leaf, tokens) for leaf, tokens in wrong]

    def take(self) -> Candidate | None:
        """The pair with the highest Q + U, which leaves the pool; its state counts as visited. None: pool empty."""
        if not self.candidates:
            return None
        total = sum(state.visits for state in self.states)
        best = max(self.candidates, key=lambda c: self._worth(c, total))
        self.candidates.remove(best)
        best.state.visits += 1
        return best

    def _worth(self, candidate: Candidate, total: int) -> float:
        state, s = candidate.state, self.settings
        return quality(state.value, candidate.tokens, s) + curiosity(total, state.visits, s)


def quality(value: float, tokens: int, settings: OmegaSettings) -> float:
    """Q of a state of this value and a wrong rollout of this many tokens."""
    return math.pow(settings.alpha, 1 - value) * math.pow(settings.beta, tokens / settings.length)


def curiosity(total: int, visits: int, settings: OmegaSettings) -> float:
    """U of a state visited `visits` times when all states together were visited `total` times."""
    return settings.c_puct * math.sqrt(total) / (1 + visits)
