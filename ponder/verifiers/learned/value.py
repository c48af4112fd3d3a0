"""Value model as a judge: the logistic of one output at step ends is the value of the prefix, so `last` is its score."""

from __future__ import annotations

from ponder.verifiers.process import ProcessVerifier


class ValueVerifier(ProcessVerifier):
    """A `ProcessVerifier` on a token-classification model with one output. Values are read, not compared."""
