"""What a run is measured by: pass@1 sampled, greedy and at the best temperature, coverage, and the thinking-time pool.

Test problems, but for the choice of a temperature, which is made on validation problems. Every function takes the
policy as `Propose`, so that arms differ in weights and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from ponder.evaluation.curves import scaling as curves
from ponder.evaluation.episodes import scored
from ponder.evaluation.pools.pool import Live, Pool, make_pool
from ponder.evaluation.pools.runs import Runs, replay, run_live
from ponder.evaluation.suite import Scores, Suite, build_suite, evaluate
from ponder.evaluation.tables import mean_accuracy
from ponder.evaluation.verifier_gain import verifier_gain
from ponder.protocols import Environment, Family, Levelled, Propose
from ponder.rollout.collect import Grade, collect
from ponder.rollout.grading import graded
from ponder.search.limits import reserve_within
from ponder.search.registry import make
from ponder.seeds import derive_seed
from ponder.selfplay.config import Evaluation
from ponder.selfplay.steps.parts import RunAsync
from ponder.thinking import reading_of
from ponder.types import Curve, Group, Problem, Trajectory

# Strategies that draw whole answers from the root can be replayed on a pool; the others must be run live.
POOLED = ("sample", "vote", "best_of_n", "weighted_vote")
LIVE = ("beam",)
UNGUIDED = ("sample", "vote")  # what a run without a verifier measures
SPARE = 1.25  # a pool holds so much more than the largest budget buys on average
TEMPERATURES = (0.0, 0.3, 0.6, 0.8)  # beside the one that the run samples at; the best is chosen for each arm
FRESH = 4  # times as many tries as choose the problems that the base fails: the rest are fresh, and give pass@k
ORDERS = 4  # random orders in which the samples of a problem are replayed; they take the luck of the order out


@dataclass(frozen=True)
class Bench:
    """What measuring needs besides a policy: ground truth, the event loop, and sizes.

    In an `environment` (None: one answer) a try is an episode, and searches branch at any step of any turn.
    """

    grade: Grade
    run: RunAsync[Any]
    sizes: Evaluation
    max_tokens: int
    seed: int
    environment: Environment | None = None


def accuracy(
    bench: Bench, propose: Propose, suite: Suite, *, temperature: float, tries: int = 1, draw: str = ""
) -> Scores:
    """Outcomes of `tries` whole answers to each problem (or episodes of the environment), drawn as they are served.

    Calls with the same `draw` share their random numbers; what must be independent needs a name of its own.
    """
    seed = derive_seed("measure", bench.seed, *([draw] if draw else []))
    if bench.environment is not None:
        playing = collect(
            suite.problems,
            propose,
            bench.grade,
            group_size=tries,
            max_tokens=bench.max_tokens,
            seed=seed,
            environment=bench.environment,
        )
        groups: Sequence[Group] = bench.run(playing)
        return scored(suite, groups, temperature=temperature, seed=bench.seed)

    async def one(problem: Problem, seed: int) -> list[float | None]:
        leaves = await propose(problem.question, None, tries, until="end", max_tokens=bench.max_tokens, seed=seed)
        answers = [Trajectory(problem.question, leaf) for leaf in leaves]
        verdicts = graded(bench.grade, [problem] * len(answers), answers, read=reading_of(propose))
        return [verdict.outcome for verdict in verdicts]

    scores: Scores = bench.run(evaluate(suite, one, temperature=temperature, seed=seed))
    return scores


def harder(families: Sequence[Family], by: int) -> list[Family]:
    """The families `by` levels above where they are; those without levels are left out."""
    return [family.at_level(family.level + by) for family in families if isinstance(family, Levelled)]


@dataclass(frozen=True)
class Suites:
    """The test problems of everything that is measured; levels count from those at which training begins.

    `main`: the headline. `validation`: no test problems, to choose a temperature on. `beyond`: one level up, for
    coverage and the problems that the base fails. `hard`: the same level (None if no family has levels). The base
    thinks about the default level, where it stands at a third; the final model one level up, where as much is left to
    be gained.
    """

    main: Suite
    validation: Suite
    beyond: Suite
    hard: Suite | None
    thinking_base: Suite
    thinking: Suite


def suites(bench: Bench, families: Sequence[Family]) -> Suites:
    """The suites at the sizes of `bench`; the same every time."""
    sizes = bench.sizes

    def suite(some: Sequence[Family], n: int, split: str = "test") -> Suite:
        return build_suite(some, n, split=split, seed=bench.seed)

    higher = harder(families, 1)
    return Suites(
        main=suite(families, sizes.problems),
        validation=suite(families, sizes.ladder, "validation"),
        beyond=suite(higher or families, sizes.unsolved_problems),
        hard=suite(higher, sizes.pool_problems) if higher else None,
        thinking_base=suite(families, sizes.pool_problems),
        thinking=suite(higher or families, sizes.pool_problems),
    )


ARM_NOTES = 5  # how often `arm` tells what it does
SAMPLED, GREEDY, BEST = "sampled", "greedy", "best"


def arm(
    bench: Bench, at: Callable[[float], Propose], suites: Suites, name: str, tell: Callable[[str], None]
) -> dict[str, Scores]:
    """Everything that is measured of one set of weights without thinking, by name.

    `main` (at the run's temperature), `greedy` and `best` (at the temperature that did best on validation problems) are
    of the same test problems; `validation T` holds what the choice was made from. `tries` are of the level above:
    `FRESH` times `unsolved_tries` a problem, drawn apart from every other arm's. `hard`: one answer each, that level.
    """
    warm = bench.sizes.temperature
    tell(f"{name}: test problems")
    found = {"main": accuracy(bench, at(warm), suites.main, temperature=warm)}
    tell(f"{name}: greedy answers")
    found[GREEDY] = accuracy(bench, at(0.0), suites.main, temperature=0.0)
    tell(f"{name}: the best temperature")
    for t in sorted({*TEMPERATURES, warm}):
        found[f"validation {t:g}"] = accuracy(bench, at(t), suites.validation, temperature=t)
    t = best_temperature(found, warm)
    known = {warm: found["main"], 0.0: found[GREEDY]}
    found[BEST] = known[t] if t in known else accuracy(bench, at(t), suites.main, temperature=t)
    tries = FRESH * bench.sizes.unsolved_tries
    tell(f"{name}: {tries} tries a problem")
    found["tries"] = accuracy(bench, at(warm), suites.beyond, temperature=warm, tries=tries, draw=f"tries of {name}")
    tell(f"{name}: harder problems")
    if suites.hard is not None:
        found["hard"] = accuracy(bench, at(warm), suites.hard, temperature=warm)
    return found


def best_temperature(found: Mapping[str, Scores], usual: float) -> float:
    """The temperature of the `validation` scores with the highest mean; among equals the one nearest to `usual`."""
    scores = [some for name, some in found.items() if name.startswith("validation ")]
    known = [
        (mean, -abs(s.temperature - usual), s.temperature) for s in scores if (mean := mean_accuracy(s)) is not None
    ]
    return max(known)[2] if known else usual


def ways(found: Mapping[str, Scores]) -> dict[str, Scores]:
    """The ways of drawing one answer that `arm` measured on the main suite."""
    return {SAMPLED: found["main"], GREEDY: found[GREEDY], BEST: found[BEST]}


@dataclass(frozen=True)
class Thinking:
    """Runs of every strategy at every budget, and the pool that most of them were replayed on."""

    pool: Pool
    runs: dict[str, list[Runs]]

    def curves(self, family: str | None, seed: int) -> list[Curve]:
        """One curve a strategy, of one family or of all."""
        chosen = {name: [r if family is None else r.of(family) for r in some] for name, some in self.runs.items()}
        return [curves.thinking_curve(name, some, seed=seed) for name, some in chosen.items()]


def think_notes(bench: Bench, strategies: Sequence[str]) -> int:
    """How often `think` tells what it does."""
    return 2 + len(strategies) * len(bench.sizes.budgets)


def think(bench: Bench, suite: Suite, live: Live, strategies: Sequence[str], tell: Callable[[str], None]) -> Thinking:
    """Draw the pool, replay on it what can be replayed, run the rest live on the first problems of each family."""
    sizes = bench.sizes
    tell("drawing the pool of samples")
    groups = _draw(bench, suite, live)
    tell("scoring the pool with the verifier")
    pool: Pool = bench.run(make_pool(groups, live, max_tokens=bench.max_tokens))
    runs: dict[str, list[Runs]] = {name: [] for name in strategies}
    for name in strategies:
        for budget in sizes.budgets:
            tell(f"{name} at {budget} token-equivalents")
            found = _at(bench, suite, live, pool, name, budget)
            if found is not None:
                runs[name].append(found)
    return Thinking(pool, {name: some for name, some in runs.items() if some})


def _draw(bench: Bench, suite: Suite, live: Live) -> list[Group]:
    """The samples of a pool: `pool_samples` a problem, and where these are short as many as the largest budget buys."""
    sizes, most = bench.sizes, max(bench.sizes.budgets)

    def some(problems: Sequence[Problem], counts: Sequence[int], name: str) -> list[Group]:
        drawn: list[Group] = bench.run(
            collect(
                problems,
                live.propose if live.acting is None else live.acting.base,
                bench.grade,
                group_size=counts,
                max_tokens=bench.max_tokens,
                seed=derive_seed("pool", name, bench.seed),
                environment=bench.environment,
            )
        )
        return drawn

    first = some(suite.problems, [sizes.pool_samples] * len(suite.problems), "first")
    length = {g.problem.id: sum(map(len, g.trajectories)) / len(g.trajectories) for g in first}
    more = [max(0, ceil(SPARE * most / max(1.0, length[p.id])) - sizes.pool_samples) for p in suite.problems]
    rest = {g.problem.id: g for g in some(suite.problems, more, "rest")}
    return [joined(group, rest.get(group.problem.id)) for group in first]


def joined(group: Group, other: Group | None) -> Group:
    """Both groups of one problem as one."""
    if other is None:
        return group
    return Group(group.problem, group.trajectories + other.trajectories, group.verdicts + other.verdicts)


def _at(bench: Bench, suite: Suite, live: Live, pool: Pool, name: str, budget: int) -> Runs | None:
    """One strategy at one budget; None if the budget is smaller than one answer."""
    strategy = make(name, max_tokens=bench.max_tokens, answer_reserve=reserve_within(bench.max_tokens))
    if budget < strategy.least:
        return None
    seed = derive_seed("think", bench.seed)
    if name in POOLED:
        replayed: Runs = bench.run(replay(name, strategy, pool, budget, orders=ORDERS, seed=seed))
        return replayed
    few = first_of_each(suite.problems, bench.sizes.beam_problems)
    lived: Runs = bench.run(run_live(name, strategy, few, live, budget, seed=seed))
    return lived


def first_of_each(problems: Sequence[Problem], most: int) -> list[Problem]:
    """The first `most` problems of each family, in order."""
    seen: dict[str, int] = {}
    kept = []
    for problem in problems:
        seen[problem.family] = seen.get(problem.family, 0) + 1
        if seen[problem.family] <= most:
            kept.append(problem)
    return kept


def gain_over_vote(thinking: Thinking, seed: int) -> dict[str, Any] | None:
    """The best verifier-guided strategy against the vote, chosen on one half of the problems, shown on the other."""
    guided = {name: runs for name, runs in thinking.runs.items() if name not in ("sample", "vote")}
    found = verifier_gain(thinking.runs.get("vote", []), guided, seed=seed)
    return None if found is None else asdict(found)
