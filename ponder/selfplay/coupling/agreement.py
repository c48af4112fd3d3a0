"""Whether the verifier and ground truth say the same of whole answers.

An answer that is wrong and that the verifier likes (score from `LIKED` on) is one that a policy paid by the verifier is
drawn to. The share of such answers among all judged ones is what to watch when the two are coupled: it grows when the
verifier is fooled. Its counterpart is right and not liked. The gap is the mean score less the solve rate: a verifier
that drifts away from its policy promises too much or too little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ponder.evaluation.audit.calibration import auc
from ponder.types import Verdict

LIKED = 0.5


@dataclass(frozen=True)
class Agreement:
    """Of `n` answers: shares that only the verifier or only the truth likes, the gap of means, and the AUC of scores.

    All None where there was nothing to compare; the AUC also where all answers were right, or all wrong.
    """

    n: int
    only_verifier: float | None = None
    only_truth: float | None = None
    gap: float | None = None
    auc: float | None = None

    def as_data(self) -> dict[str, float | None]:
        return asdict(self)


def agreement(verdicts: Sequence[Verdict], outcomes: Sequence[float]) -> Agreement:
    """Of the verifier's verdicts on judged answers; what it gave no score is left out."""
    pairs = [(v.score, outcome) for v, outcome in zip(verdicts, outcomes, strict=True) if v.score is not None]
    if not pairs:
        return Agreement(0)
    n = len(pairs)
    return Agreement(
        n,
        only_verifier=sum(score >= LIKED and outcome < 0.5 for score, outcome in pairs) / n,
        only_truth=sum(score < LIKED and outcome >= 0.5 for score, outcome in pairs) / n,
        gap=sum(score - outcome for score, outcome in pairs) / n,
        auc=auc([score for score, _ in pairs], [outcome for _, outcome in pairs]),
    )
