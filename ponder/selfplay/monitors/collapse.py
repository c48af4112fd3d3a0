"""How self-play collapses, counted in every round: (hits, of how many) by family, like the other counters of the watch.

    one text            unsolved groups whose answers are all the same text: nothing is tried any more (diversity)
    sure and wrong      groups in which four of five answers agree on one and truth calls it wrong (agreement with
                        truth; label-free rewards drift here, since the vote of the group pays for itself)
    no legal move       moves in matches that were lost by rule: a seat that stopped playing
    one seat            wins of the seat that wins more often, of games that are no foregone conclusion (role imbalance)
    refused proposals   proposals that were no problem (share that is solvable)
    repeated proposals  proposals that were made before (novelty)

A group needs `FEWEST` answers to count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ponder.problems.games.known import GAMES
from ponder.selfplay.monitors.counters import Hits
from ponder.thinking import final_answer
from ponder.types import Group, Verdict

FEWEST = 4
SURE = 0.8
Counts = dict[str, dict[str, Hits]]


def counts(groups: Sequence[Group], proposals: Sequence[Group]) -> Counts:
    """All counters that have something to look at."""
    matches = [group for group in groups if "match" in group.problem.key.data]
    answers = [group for group in groups if "match" not in group.problem.key.data]
    found: Counts = {}
    for group in answers:
        if len(group.judged) >= FEWEST:
            if group.solve_rate != 1.0:
                texts = {trajectory.text for trajectory, _ in group.judged}
                _add(found, "one text", group.problem.family, len(texts) == 1)
            _add(found, "sure and wrong", group.problem.family, _sure_and_wrong(group))
    for group in matches:
        for verdict in group.verdicts:
            if verdict.outcome is not None:
                _add(found, "no legal move", group.problem.family, verdict.detail.endswith("lost by rule"))
    for family, hits in _wins(matches).items():
        found.setdefault("one seat", {})[family] = hits
    for group in proposals:
        for verdict in group.verdicts:
            _add(found, "refused proposals", group.problem.family, verdict.detail.startswith("refused"))
            _add(found, "repeated proposals", group.problem.family, verdict.detail == "refused: duplicate")
    return found


def _sure_and_wrong(group: Group) -> bool:
    """Whether most answers agree on one that truth calls wrong."""
    said: Counter[str] = Counter()
    wrong: dict[str, bool] = {}
    for trajectory, verdict in zip(group.trajectories, group.verdicts, strict=True):
        if verdict.outcome is not None:
            answer = _answer(trajectory.response, verdict)
            said[answer] += 1
            wrong[answer] = verdict.outcome < 0.5
    answer, count = said.most_common(1)[0]
    return bool(answer) and wrong[answer] and count >= SURE * said.total()


def _answer(response: str, verdict: Verdict) -> str:
    read = verdict.extracted if verdict.extracted is not None else final_answer(response)
    return "".join((read or "").split()).casefold()


def _wins(matches: Sequence[Group]) -> dict[str, Hits]:
    """Winning moves of the seat that has more of them, of all winning moves, for games whose starts decide nothing."""
    wins: dict[str, Counter[str]] = {}
    for group in matches:
        game = GAMES[str(group.problem.key.data["game"])]
        if not game.decided:
            role = str(group.problem.key.data["role"])
            won = sum(verdict.outcome is not None and verdict.outcome > 0.5 for verdict in group.verdicts)
            wins.setdefault(group.problem.family, Counter())[role] += won
    return {family: (max(found.values()), found.total()) for family, found in wins.items() if found.total()}


def _add(found: Counts, name: str, family: str, hit: bool) -> None:
    hits, of = found.setdefault(name, {}).get(family, (0, 0))
    found[name][family] = hits + hit, of + 1
