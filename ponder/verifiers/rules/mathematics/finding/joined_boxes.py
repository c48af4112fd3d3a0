r"""Boxes that stand side by side: a list, alternatives that were left open, or the same answer several times.

Two boxes belong together if what stands between them joins them: separators, "and", "or", labels such as "Second root:"
or `y =`, line breaks and bullets. Words that go on with the work ("so", "therefore", "is wrong") part them, and the
last box alone counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ponder.verifiers.rules.mathematics.finding.spans import boxes
from ponder.verifiers.rules.mathematics.finding.vocabulary import word_set

MOST = 64  # boxes of one run; more are guesses
_NEAR, _NEARER = 160, 80  # characters between two boxes that belong together; with words that are not known
_PLACEHOLDERS = frozenset({"", "...", r"\ldots", r"\dots", r"\text{answer}", "answer", "your answer", r"\cdot"})
_PARTING = word_set(
    "so therefore thus hence wait corrected correct correction actually wrong incorrect final finally conclude",
    "gives get then check again instead rather mistake error sorry no assistant user question problem",
)
_JOINING = word_set(
    "and or also either both the a an is are of it other another second third fourth fifth sixth next last first",
    "root roots solution solutions value values answer answers case number numbers zero zeros respectively for",
    "when if by possible alternatives with",
)
_OPEN = word_set(
    "or maybe perhaps possibly might may could either alternatively alternative otherwise else not unless oder ou",
)
_COMMAND = re.compile(r"\\(?:text|mbox|textbf|mathrm)\s*\{([^{}]*)\}|\\(lor|vee)(?![A-Za-z])|\\[A-Za-z]+|\\.")
_LABEL = re.compile(r"([A-Za-z](?:_\{?\w{1,3}\}?)?)\s*=[\s$({\\]{0,6}$")


@dataclass(frozen=True, slots=True)
class Run:
    """The last boxes that belong together: each content once, and all of them as one list with their labels.

    No content if they are more than `MOST`.
    """

    contents: tuple[str, ...]
    listed: str
    start: int
    end: int


def last_run(text: str) -> tuple[Run | None, bool]:
    """The last run of filled boxes, and whether a box after it never closes."""
    found, unclosed = boxes(text)
    found = [box for box in found if box.content not in _PLACEHOLDERS]
    if not found:
        return None, unclosed
    run = [found[-1]]
    for before in reversed(found[:-1]):
        if not _joined(text[before.end : run[0].start]) or len(run) > MOST:
            break
        run.insert(0, before)
    if len(run) > MOST:
        return Run((), "", run[0].start, run[-1].end), unclosed
    if len(run) == 1:
        return Run((run[0].content,), run[0].content, run[0].start, run[0].end), unclosed
    labels = [_LABEL.search(text[max(0, box.start - 24) : box.start]) for box in run]
    contents = tuple(dict.fromkeys(box.content for box in run))
    labelled = all(labels) and len({label.group(1) for label in labels if label}) > 1
    members = [f"{label.group(1)}={box.content}" for box, label in zip(run, labels, strict=True) if label]
    listed = ", ".join(dict.fromkeys(members if labelled else contents))
    return Run(contents, listed, run[0].start, run[-1].end), unclosed


def _joined(gap: str) -> bool:
    if len(gap) > _NEAR:
        return False
    plain = _COMMAND.sub(lambda match: f" {'or' if match.group(2) else match.group(1) or ''} ", gap)
    words = {word.lower() for word in re.findall(r"[A-Za-z]{2,}", plain)} | ({"a"} & set(plain.split()))
    if words & _PARTING:
        return False
    return words <= _JOINING or (len(gap) <= _NEARER and bool(words & _OPEN))
