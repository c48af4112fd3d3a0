"""The pipeline of a run as service times: what one update asks of engines, graders, driver and learner.

All times are seconds of the part named. They come from a run that was measured (`measured.py`), or from a machine's
data sheet (`hardware.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ponder.types import PonderError


@dataclass(frozen=True)
class Service:
    """Times of the parts.

    An engine with b answers under way gives each of them a token every `step + step_row * b` seconds, for b up to
    `rows`; reading a prompt takes `prefill` a token. The driver spends `dispatch` on an answer (sending it, taking it
    back, its share of search and credit), a grader `grade`. The learner takes `learn` + `learn_token` a token.
    New weights reach all nodes in `publish` + `publish_hop` for each doubling of their number, and an engine takes
    them in `load`. `measure` is what a round's measuring costs an update, on the driver.
    """

    step: float
    step_row: float
    rows: int
    prefill: float
    dispatch: float
    grade: float
    learn: float
    learn_token: float
    publish: float = 0.0
    publish_hop: float = 0.0
    load: float = 0.0
    measure: float = 0.0

    def __post_init__(self) -> None:
        wrong = {name: value for name, value in vars(self).items() if value < 0}
        if wrong or self.rows < 1 or not self.step + self.step_row:
            raise PonderError(
                "service times must not be negative, a step must take some, and rows are at least 1; got "
                f"{wrong or self}"
            )


@dataclass(frozen=True)
class Load:
    """What an update asks for: `problems` of `group` answers each, prompts of `prompt` tokens.

    Answers have `mean` tokens with a coefficient of variation `spread`, and at most `longest`; or, where a run was
    measured, one of its `lengths`. `learned` is the share of tokens that the learner computes: groups whose answers all
    have the same reward teach nothing and are left out.
    """

    problems: int
    group: int
    prompt: float
    mean: float
    spread: float
    longest: int
    lengths: tuple[int, ...] = ()
    learned: float = 1.0

    @property
    def answers(self) -> int:
        return self.problems * self.group


@dataclass(frozen=True)
class Shape:
    """How many parts there are. `staleness` is how many updates sampling may run ahead; `graders` 0: the driver's.

    `round` updates make a round, at whose end sampling rests until the round is measured (0: rounds without end).
    `processors` are shared by all parts, as on one machine (0: each part has its own).
    """

    engines: int
    graders: int = 0
    staleness: int = 0
    round: int = 0
    processors: int = 0
