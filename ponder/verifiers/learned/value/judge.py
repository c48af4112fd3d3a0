"""Value model as a judge: the logistic of its one output at a step end is the value of the prefix; read the last."""

from __future__ import annotations

from ponder.verifiers.learned.process.judge import ProcessVerifier


class ValueVerifier(ProcessVerifier):
    """A `ProcessVerifier` on a token-classification model with one output. Values are read, not compared."""
