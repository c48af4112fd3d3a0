"""Preference reward model as a judge (Bradley-Terry): the logistic of the reward, a monotone score in [0, 1].

sigma(r) is not a chance of being right: r was trained on differences within a problem and has no zero.
"""

from __future__ import annotations

from ponder.verifiers.learned.outcome.judge import OutcomeVerifier


class PreferenceVerifier(OutcomeVerifier):
    """An `OutcomeVerifier` whose output is a reward."""
