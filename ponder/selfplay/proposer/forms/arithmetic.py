"""Proposed arithmetic: `Compute 3*9+7-6.`, the grammar of the family `arithmetic`. Gold: exact evaluation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.expressions import evaluate
from ponder.selfplay.proposer.forms.form import Draft, Refused, trained
from ponder.types import Key

_PROPOSAL = re.compile(r"Compute ([1-9][0-9]{0,5}(?:[-+*][1-9][0-9]{0,5})*)\.")


@dataclass(frozen=True)
class ArithmeticForm:
    """At most `most_terms` numbers of at most `largest`, joined by + - *."""

    family: Arithmetic
    most_terms: int = 12
    largest: int = 99
    instructions: str = (
        "Write one new problem of this kind, neither too easy nor too hard: an expression of whole numbers with + - "
        "and *. After your thinking, answer with the problem alone, for example: Compute 3*4+7-5."
    )

    def read(self, text: str) -> Draft:
        found = _PROPOSAL.fullmatch(text.strip())
        if found is None:
            raise Refused("unparsable", text[:80])
        expression = found[1]
        numbers = [int(number) for number in re.findall(r"[0-9]+", expression)]
        if len(numbers) > self.most_terms or max(numbers) > self.largest:
            raise Refused("too_large", expression)
        if len(numbers) < 2:
            raise Refused("trivial", expression)
        key = Key(str(evaluate(expression)), {"expression": expression})
        shape = re.sub(r"[0-9]+", "n", expression)
        return trained(Draft(f"Compute {expression}.", key, len(numbers), expression, shape))
