"""What became of first answers: the four cells of self-correction, from the outcomes of the first and the last turn.

    right_right  kept     right_wrong  spoiled     wrong_right  mended     wrong_wrong  left

last - first == wrong_right - right_wrong exactly (SCoRe, arXiv 2409.12917, section 3). An episode that ended with its
first turn counts as unchanged: where the environment stops at a right answer (`retry`) it is right_right.
"""

from __future__ import annotations

from collections.abc import Sequence

from ponder.types import Group

CELLS = ("right_right", "right_wrong", "wrong_right", "wrong_wrong")


def cells(groups: Sequence[Group]) -> dict[str, float]:
    """Shares of all answers whose turns were checked, and `first` and `last`, the accuracy of those turns.

    Empty where no environment checked turns.
    """
    ends = [(v.turns[0] > 0.5, v.turns[-1] > 0.5) for group in groups for v in group.verdicts if v.turns]
    if not ends:
        return {}
    wanted = {(True, True): "right_right", (True, False): "right_wrong", (False, True): "wrong_right"}
    counts = dict.fromkeys(CELLS, 0)
    for pair in ends:
        counts[wanted.get(pair, "wrong_wrong")] += 1
    shares = {name: count / len(ends) for name, count in counts.items()}
    first, last = (sum(pair[which] for pair in ends) / len(ends) for which in (0, 1))
    return {**shares, "first": first, "last": last}
