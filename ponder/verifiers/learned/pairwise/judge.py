"""Pairwise step model as a judge: scores rank siblings; their level means nothing, so never compare them with a cut.

Temperature scaling on labelled steps can give them a slope, not an offset: expect a poor calibration error.
"""

from __future__ import annotations

from ponder.verifiers.learned.process.judge import ProcessVerifier


class PairwiseVerifier(ProcessVerifier):
    """A `ProcessVerifier` whose log-odds were trained on differences only."""
