r"""Where the answer stands in a free text. Never looks at the gold answer.

In this order, in what follows the thinking (a box inside the thinking does not count):

1. the last `\boxed{...}`; boxes joined by "or" are alternatives; three or more different boxes in a row are a list of
   guesses and no answer
2. what follows the last `####`
3. what follows the last "the answer is" (or "Answer:")
4. the whole text, if it is short and is not a sentence
5. the conclusion of the last sentence that has a number in it (see `conclusion`)

A text that answers twice (a box, and later a mark with something else) leaves its answer open: both are alternatives,
and it is right only if both are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ponder.thinking import final_answer
from ponder.verifiers.rules.mathematics.final_sentence import conclude
from ponder.verifiers.rules.mathematics.notation import closing

# Only the end of a text is searched for marks and conclusions; boxes are searched in all of it.
TAIL = 20_000
SHORT = 200
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(\{)|\\boxed\s+([0-9A-Za-z])")
_MARK = re.compile(
    r"(?:####|\b(?:final\s+|correct\s+|the\s+)*answer(?:\s+to\s+the\s+\w+)?\s*(?:is|are|:)(?:\s*:)?|\banswer\*\*\s*:?)",
    re.IGNORECASE,
)
_JOINT = re.compile(r"[\s$,.;:)(\\\[\]&]*(or|and|/|)[\s$,;:(\\\[\]&]*", re.IGNORECASE)
_SENTENCE_END = re.compile(r"\n|[.!](?=\s|$)|(?<=\d)\?(?!\s*(?:or|and)\b)|(?<![A-Za-z])\s*<\||</?(?:answer|s)>")
_FILLER = re.compile(r"^(?:[\s*:_,]|(?:therefore|thus|hence|then|simply|just|now)\b)+", re.IGNORECASE)
# "No, it is 6", "Sorry, I meant 6": what takes an answer back and says another one.
_RETRACTION = re.compile(
    r"\b(?:actually|sorry|no|wait|oops|correction|rather|instead)\b[\s,:;.!–—-]*"
    r"(?:i\s+meant?(?:\s+to\s+say)?|(?:it|that|this|the\s+(?:final\s+|correct\s+)?(?:answer|result|value))"
    r"(?:'s|\s+(?:is|was|should\s+be|must\s+be|would\s+be|equals)))\s+(?:actually\s+|really\s+)?"
    r"\$?(?P<value>[-+−]?\.?(?:\d|\\frac|\\sqrt)[^\s$;!?]*)",
    re.IGNORECASE,
)
_MATHS = re.compile(r"\$\$(.+?)\$\$|(?<!\\)\$([^$]+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Extraction:
    """`answers` that the text leaves standing: usually one; none if it gives none; several are alternatives."""

    answers: tuple[str, ...]
    where: str


def extract(response: str) -> Extraction:
    """The answers of a whole response, thinking included."""
    text = final_answer(response)
    if text is None:
        return Extraction((), "no answer after the thinking")
    boxed = _boxed(text)
    if boxed is not None:
        return boxed
    tail = text[-TAIL:]
    marks = list(_MARK.finditer(tail))
    if marks and (marked := _marked(tail[marks[-1].end() :])):
        return Extraction(tuple(dict.fromkeys((marked, *_retracted(tail[marks[-1].end() :])))), "mark")
    if len(text) <= SHORT and _is_bare(text):
        return Extraction((text,), "whole text")
    if re.fullmatch(r"[-+\d\s.,;]*", tail) and len(re.findall(r"\d+", tail)) > 2:
        return Extraction((), "a list of numbers")
    if "=" not in text and "\n" not in text and not re.search(r"[A-Za-z]{2,}", re.sub(r"\\[A-Za-z]+", " ", tail)):
        return Extraction((text,), "whole text")
    concluded = conclude(tail)
    return Extraction((concluded,) if concluded else (), "conclusion" if concluded else "no number in the text")


def boxes(text: str) -> list[tuple[int, int, str]]:
    """Outermost boxes as (start, end, content). A box that never closes is none."""
    found: list[tuple[int, int, str]] = []
    at = 0
    while match := _BOX.search(text, at):
        if match.group(2):
            end, content = match.end(), match.group(2)
        else:
            last = closing(text, match.start(1))
            if last is None:
                break
            end, content = last + 1, text[match.end() : last]
        found.append((match.start(), end, content.strip()))
        at = end
    return found


def _boxed(text: str) -> Extraction | None:
    """The answer by boxes; None if there is no box."""
    found = boxes(text)
    if not found:
        return Extraction((), "a box that never closes") if _BOX.search(text) else None
    run = _last_run(text, found)
    if len({content for content, _ in run}) > 2:
        return Extraction((), "a list of boxes")
    answers = [run[-1][0]]
    if len(run) > 1 and run[-1][1] != "and":
        answers.insert(0, run[-2][0])
    later = text[found[-1][1] :][-TAIL:]
    marks = list(_MARK.finditer(later))
    # "the answer is correct" after a box says nothing new; a mark with a value does.
    if marks and re.search(r"\d", marked := _marked(later[marks[-1].end() :])):
        answers.append(marked)
    return Extraction(tuple(dict.fromkeys([*answers, *_retracted(later)])), "box")


def _retracted(later: str) -> list[str]:
    """The answer that a text puts in the place of the one before it, if it does."""
    return [match["value"].rstrip(".,") for match in list(_RETRACTION.finditer(later))[-1:]]


def _last_run(text: str, found: list[tuple[int, int, str]]) -> list[tuple[str, str]]:
    """The last boxes that stand side by side, each with the word that joins it to the one before."""
    run = [(found[-1][2], "")]
    for before, after in zip(found[-2::-1], found[:0:-1], strict=True):
        joint = _JOINT.fullmatch(text[before[1] : after[0]]) if after[0] - before[1] < 40 else None
        if joint is None:
            break
        run[0] = (run[0][0], joint.group(1).lower())
        run.insert(0, (before[2], ""))
    return run


def _marked(rest: str) -> str:
    """The answer after a mark: the formula that it starts with, else to the end of its sentence."""
    rest = _FILLER.sub("", rest[:TAIL])
    formula = _MATHS.match(rest)
    if formula:
        return next(group for group in formula.groups() if group is not None).strip()
    end = _SENTENCE_END.search(rest)
    sentence = (rest[: end.start()] if end else rest).strip(" \t\n*_")
    return sentence if _is_bare(sentence) else conclude(sentence) or sentence


def _is_bare(text: str) -> bool:
    """Whether a text is an answer and no sentence: one line, at most three words, no sum worked out in words."""
    prose = re.sub(r"\\text\s*\{[^{}]*\}|\\[A-Za-z]+", " ", text)
    if "\n" in text or "<<" in text or ("=" in text and re.search(r"\b[A-Za-z]{3,}\b", prose)):
        return False
    return len(re.findall(r"\b[A-Za-z]{2,}\b", prose)) <= 3
