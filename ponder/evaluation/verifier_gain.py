"""Does a verifier help: the best guided strategy against the majority vote at equal budget.

The best of many noisy comparisons looks better than it is. So strategy and budget are chosen on one half of the
problems, by the lower end of the difference's interval there (a difference that few problems show is worth little), and
the difference is reported on the other half alone, paired by problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ponder.evaluation.curves.scaling import accuracy_interval, by_family, mean_spent
from ponder.evaluation.intervals import DIFFERENCE, Interval, stratified_interval
from ponder.evaluation.pools.runs import Runs
from ponder.seeds import derive_seed
from ponder.types import PonderError

# A vote that ran out of samples spent less than its budget; comparing with it would flatter the verifier.
MOST_DRY = 0.05


@dataclass(frozen=True, slots=True)
class VerifierGain:
    """`accuracy` of the chosen strategy, of the vote, and their paired difference, on problems that chose neither.

    `spent` and `vote_spent` are mean token-equivalents, `chosen_on` the number of problems of the other half, and
    `compared` the number of pairs of strategy and budget that were chosen from.
    """

    strategy: str
    budget: float
    against: str
    family: str
    accuracy: Interval
    vote: Interval
    difference: Interval
    spent: float
    vote_spent: float
    chosen_on: int
    compared: int


def verifier_gain(
    vote: Sequence[Runs], guided: Mapping[str, Sequence[Runs]], *, family: str = "all", seed: int = 0
) -> VerifierGain | None:
    """Choose on one half, report on the other. `vote` and `guided` hold runs at several budgets.

    Budgets are compared where both were run and at most 5 % of the vote's runs ran out of samples. None if no budget
    is left or a half is empty. Ties go to the smaller budget, then to the strategy named first.
    """
    votes = {runs.budget: runs for runs in vote if runs.dry <= MOST_DRY}
    pairs = [
        _common(runs, votes[runs.budget])
        for some in guided.values()
        for runs in sorted(some, key=lambda r: r.budget)
        if runs.budget in votes
    ]
    choosing = [(_part(runs, 0, seed), _part(against, 0, seed)) for runs, against in pairs]
    ranked = [
        (-gain.low, runs.budget, i)
        for i, (runs, against) in enumerate(choosing)
        if (gain := paired_gain(against, runs, seed=seed)) is not None
    ]
    if not ranked:
        return None
    chosen = min(ranked)[2]
    runs, against = (_part(some, 1, seed) for some in pairs[chosen])
    accuracy, base, gain = accuracy_interval(runs), accuracy_interval(against), paired_gain(against, runs, seed=seed)
    if accuracy is None or base is None or gain is None:
        return None
    return VerifierGain(
        strategy=runs.strategy,
        budget=runs.budget,
        against=against.strategy,
        family=family,
        accuracy=accuracy,
        vote=base,
        difference=gain,
        spent=mean_spent(runs),
        vote_spent=mean_spent(against),
        chosen_on=len(choosing[chosen][0].problems),
        compared=len(ranked),
    )


def paired_gain(before: Runs, after: Runs, *, seed: int = 0) -> Interval | None:
    """Mean over families of after minus before on the same problems; a resample draws a problem in both arms."""
    if [p.id for p in before.problems] != [p.id for p in after.problems]:
        raise PonderError(f"{before.strategy} and {after.strategy} were not run on the same problems; run them again")
    pairs = zip(before.problems, after.problems, strict=True)
    return stratified_interval(
        by_family((b.family, a.accuracy - b.accuracy) for b, a in pairs), seed=seed, bounds=DIFFERENCE
    )


def halves(runs: Runs, seed: int) -> tuple[frozenset[str], frozenset[str]]:
    """Ids of the problems in each half: every family in the order of a hash, alternately to one and the other."""
    return halved(((problem.id, problem.family) for problem in runs.problems), seed)


def halved(problems: Iterable[tuple[str, str]], seed: int) -> tuple[frozenset[str], frozenset[str]]:
    """`halves` of (id, family) pairs."""
    ids: dict[str, list[str]] = {}
    for id, family in problems:
        ids.setdefault(family, []).append(id)
    ordered = [sorted(some, key=lambda id: derive_seed("half", seed, id)) for some in ids.values()]
    return frozenset(i for o in ordered for i in o[::2]), frozenset(i for o in ordered for i in o[1::2])


def _part(runs: Runs, half: int, seed: int) -> Runs:
    return runs.among(halves(runs, seed)[half])


def _common(first: Runs, second: Runs) -> tuple[Runs, Runs]:
    """Both on the problems that both were run on."""
    ids = {p.id for p in first.problems} & {p.id for p in second.problems}
    return first.among(ids), second.among(ids)
