r"""Where the answer stands in a free text. Never looks at the gold answer.

In this order, in what follows the thinking (a box inside the thinking does not count):

1. what stands in the last `<answer>` tags
2. the last `\boxed{...}`, or the last run of boxes that stand side by side (see `joined_boxes`)
3. what follows the last answer mark that has a value behind it (see `answer_marks`)
4. the whole text, if it is short and is not a sentence
5. the conclusion of the last sentence that has a value in it (see `final_sentence`)

A text that answers twice (a box, and later a mark with something else) leaves its answer open: both are alternatives,
and it is right only if both are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ponder.thinking import final_answer
from ponder.verifiers.rules.mathematics.finding.answer_marks import is_bare, is_words, marked, option
from ponder.verifiers.rules.mathematics.finding.final_sentence import conclude
from ponder.verifiers.rules.mathematics.finding.joined_boxes import last_run
from ponder.verifiers.rules.mathematics.finding.sentence_values import box_denied
from ponder.verifiers.rules.mathematics.finding.spans import fold
from ponder.verifiers.rules.mathematics.input_limits import is_program

# Only the end of a text is searched for conclusions; marks and boxes are searched in all of it.
TAIL = 20_000
SHORT = 200
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_TURN_END = re.compile(r"(?:<\|[a-z_]{1,20}\|>|</s>|<eos>|<end_of_turn>)\s*$")
_BOLD = re.compile(r"\*\*([^*\n]{1,60}[^*\n:])\*\*")
# "No, it is 6", "Sorry, I meant 6": what takes an answer back and says another one.
_RETRACTION = re.compile(
    r"\b(?:actually|sorry|no|wait|oops|correction|rather|instead)\b[\s,:;.!–—-]{0,9}"
    r"(?:i\s+meant?(?:\s+to\s+say)?|(?:it|that|this|the\s+(?:final\s+|correct\s+)?(?:answer|result|value))"
    r"(?:'s|\s+(?:is|was|should\s+be|must\s+be|would\s+be|equals)))\s+(?:actually\s+|really\s+)?"
    r"\$?(?P<value>[-+−]?\.?(?:\d|\\frac|\\sqrt)[^\s$;!?]*)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Extraction:
    """`answers` that the text leaves standing: usually one; none if it gives none; several are alternatives.

    `listed` are several boxes as one list, the other reading of them: the answer to a question that asks for a list.
    """

    answers: tuple[str, ...]
    where: str
    listed: str | None = None


def extract(response: str) -> Extraction:
    """The answers of a whole response, thinking included."""
    text = final_answer(response)
    if text is None:
        return Extraction((), "no answer after the thinking")
    text = _TURN_END.sub("", text).strip() if text.endswith(">") else text
    tagged = _tagged(text)
    if tagged is None:
        return _standing(text)
    content, before, after = tagged
    inside = _standing(content)
    others = [run for part in (before, after) if (run := last_run(part)[0]) is not None]
    if not others:
        return Extraction(inside.answers, "answer tags", inside.listed)
    answers = dict.fromkeys((*inside.answers, *(content for run in others for content in run.contents)))
    return Extraction(tuple(answers), "answer tags and a box")


def _tagged(text: str) -> tuple[str, str, str] | None:
    """What stands in the last filled answer tags, before the first and after the last of them."""
    if "nswer>" not in text and "NSWER>" not in text:
        return None
    opened: int | None = None
    first, found = 0, None
    for match in _TAG.finditer(text):
        if not match.group(1):
            opened = match.end()
            first = first or match.start() + 1
        elif opened is not None:
            content = text[opened : match.start()].strip()
            found = (content, match.end()) if content else found
            opened = None
    return None if found is None else (found[0], text[: first - 1], text[found[1] :])


def _standing(text: str) -> Extraction:
    run, unclosed = last_run(text)
    if unclosed:
        return Extraction((), "a box that never closes")
    if run is not None and not run.contents:
        return Extraction((), "a list of boxes")
    if run is not None:
        later = text[run.end :]
        said = marked(later)
        # "the answer is correct" after a box says nothing new; a mark with a value does.
        more = said.answers if said is not None and said.kind == "value" else ()
        if len(run.contents) == 1 and box_denied(text[: run.start], later):
            answers = tuple(dict.fromkeys((*more, *_retracted(later))))
            return Extraction(answers, "mark" if answers else "a box that is denied")
        if len(run.contents) > 1 and len(more) == 1 and more[0] in run.contents:
            return Extraction(tuple(dict.fromkeys((*more, *_retracted(later)))), "mark")  # it settles on one of them
        answers = tuple(dict.fromkeys((*run.contents, *more, *_retracted(later))))
        return Extraction(
            answers, "box", run.listed if len(run.contents) > 1 and len(answers) == len(run.contents) else None
        )
    said = marked(text)
    if said is not None and said.kind != "prose":
        return Extraction(tuple(dict.fromkeys((*said.answers, *_retracted(text[said.end :])))), "mark")
    letter = option(text) if len(text) <= SHORT else None
    if letter is not None:
        return Extraction((letter,), "option")
    if len(text) <= SHORT and (is_bare(_plain(text)) or is_words(text)):
        return Extraction((_plain(text),), "whole text")
    return _unmarked(text, said.answers if said is not None else ())


def _unmarked(text: str, said: tuple[str, ...]) -> Extraction:
    if said:
        return Extraction(said, "mark")
    tail = text[-TAIL:]
    if re.fullmatch(r"[-+\d\s.,;]*", tail) and len(re.findall(r"\d+", tail)) > 2:
        return Extraction((), "a list of numbers")
    if "=" not in text and "\n" not in text and not re.search(r"[A-Za-z]{2,}", re.sub(r"\\[A-Za-z]+", " ", tail)):
        return Extraction((_plain(text),), "whole text")
    if len(text) <= SHORT and is_program(text):
        return Extraction((text,), "whole text")
    concluded = conclude(tail)
    if concluded:
        return Extraction((concluded,), "conclusion")
    bold = _BOLD.findall(tail.rstrip().rpartition("\n")[2])
    words = bold[-1].strip(" .") if bold else ""
    return Extraction((words,), "bold words") if is_words(words) else Extraction((), "no value in the text")


def _plain(text: str) -> str:
    """A short answer without the marks of formulas and of bold type in it: `$3$, $5$` is `3, 5`."""
    if len(text) > SHORT:
        return text
    folded = fold(text)
    return folded.unfold(folded.text) if len(folded.spans) > 1 else text


def _retracted(later: str) -> list[str]:
    """The answer that a text puts in the place of the one before it, if it does."""
    return [match["value"].rstrip(".,") for match in list(_RETRACTION.finditer(later))[-1:]]
