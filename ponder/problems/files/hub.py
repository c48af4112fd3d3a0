"""Problems from a data set of the Hugging Face hub: `hf:openai/gsm8k?config=main&answer=answer`.

Needs the package `datasets`. Rows become those of a jsonl file, graded as mathematics; the hub's own train, validation
and test parts are the splits.
"""

from __future__ import annotations

import importlib
import importlib.util
import random
from typing import Any

from ponder.names import install, known
from ponder.problems.files.jsonl import INSTRUCTIONS
from ponder.problems.files.written import answer_text
from ponder.problems.splits import check_split
from ponder.types import Key, PonderError, Problem, Question


class Hub:
    """The data set `name`; `question` and `answer` name its columns, `after` what stands before the final answer."""

    level = 0

    def __init__(
        self, name: str, *, config: str = "", question: str = "question", answer: str = "answer", after: str = ""
    ) -> None:
        if importlib.util.find_spec("datasets") is None:
            raise PonderError(f"hf:{name} needs the package datasets; {install('hub')}")
        self.name, self._question, self._answer, self._after = f"hf:{name}", question, answer, after
        try:
            self._parts: Any = importlib.import_module("datasets").load_dataset(name, config or None)
        except Exception as error:  # whatever the library raises: no such name, no network, a script that fails
            raise PonderError(f"cannot load {self.name}: {error}") from error
        for part in self._parts:
            for column in (question, answer):
                known(f"column in {self.name}/{part}", column, self._parts[part].column_names)

    def problem(self, index: int, *, split: str = "train", seed: int = 0) -> Problem:
        """Row number `index` of the split in an order that `seed` shuffles; after the last one it begins again."""
        check_split(split)
        known(f"split of {self.name}", split, list(self._parts))
        rows = self._parts[split]
        order = list(range(len(rows)))
        random.Random(f"{self.name}/{split}/{seed}").shuffle(order)
        at = order[index % len(order)]
        answer = answer_text(rows[at][self._answer]) or ""
        answer = answer.rsplit(self._after, 1)[-1].strip() if self._after else answer
        text = Question(f"{self.name}-{split}-{at}", self.name, str(rows[at][self._question]), INSTRUCTIONS["math"])
        return Problem(text, Key(answer, {"verifier": "math"}))
