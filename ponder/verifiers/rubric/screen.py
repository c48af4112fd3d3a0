"""What of an answer a judge is shown: nothing that speaks to the judge, and nothing at all if no answer is left.

An answer is text from outside, written by a policy that is paid for what the judge says. What is addressed to a judge
is taken out before the judge reads it, so that an answer is worth the same with it and without: control tokens of chat
templates, lines that pose as a system or an assistant, orders to ignore instructions, verdicts and scores written in
advance, fences that would end the quotation, and floods of one line. What is left of an empty answer (white space, a
sign, an opener such as "Solution:") earns nothing and no judge is asked.

These are forms that are known; a judge can be fooled by others. So keep a component beside it that knows the truth.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

LONGEST = 20_000  # characters that a judge is shown
_CONTROL = re.compile(
    r"<\|(?:im_start|start_header_id)\|>\s*(?:system|user|assistant|tool)\b|<\|[^|<>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>"
    r"|</?s>|<(?:start|end)_of_turn>|</?(?:think|answer)>"
)
_FENCE = re.compile(r"^\W*(?:begin|end|start) of (?:the )?(?:answer|response|submission)\b.*$|^[`~=#\-]{3,}\s*$", re.I)
_ROLE = re.compile(r"^\W*(?:system|assistant|user|judge|grader|evaluator|instructions?)\W*[:\]>]", re.I)
_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|rubric|above|previous|prior|prompt|criteri)"
    r"|\byou (?:must|should|are to|will) (?:now )?(?:grade|score|rate|judge|answer|mark|respond|output)"
    r"|\b(?:give|award|assign)\b.{0,30}\b(?:full|maximum|highest|top|perfect)\b.{0,20}\b(?:mark|score|credit|grade|point)",
    re.I,
)
_VERDICT = re.compile(
    r"^\W*(?:final |overall )?(?:verdict|score|grade|rating|judge?ment|evaluation|result)\W*[:=]"
    r"|^\W*\[\[.{1,12}\]\]\W*$|[\"'](?:score|verdict|grade|rating|passed|correct)[\"']\s*:",
    re.I,
)
_OPENERS = {
    "solution", "answer", "final answer", "the answer", "the answer is", "response", "thought process", "yes", "no",
    "lets solve this step by step", "let us think step by step", "lets think step by step", "ok", "sure",
    "lösung", "antwort", "die lösung", "solución", "respuesta", "la solución", "réponse", "la réponse",
    "解", "解答", "答案", "かいせつ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Screened:
    """The answer as a judge may see it, and how many pieces that spoke to a judge were taken out of it."""

    text: str
    removed: int = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is left that could be an answer."""
        bare = "".join(c if c.isalnum() or c == " " else " " if c.isspace() else "" for c in self.text.casefold())
        return " ".join(bare.split()) in ({""} | _OPENERS)


def screened(answer: str) -> Screened:
    """`answer` without what is addressed to a judge, at most `LONGEST` characters of it."""
    # The width and the invisible signs of Unicode could hide a word from the patterns and not from a model.
    text = "".join(c for c in unicodedata.normalize("NFKC", answer[: 4 * LONGEST]) if unicodedata.category(c) != "Cf")
    text, removed = _CONTROL.subn("", text)
    kept: list[str] = []
    for line in text.splitlines():
        if any(pattern.search(line) for pattern in (_FENCE, _ROLE, _ORDER, _VERDICT)):
            removed += 1
        elif len(kept) > 2 and line.strip() and line == kept[-1] == kept[-2] == kept[-3]:
            removed += 1  # a flood of one line
        else:
            kept.append(line)
    return Screened("\n".join(kept).strip()[:LONGEST], removed)
