r"""What follows `####`, "the answer is", "Answer:" or a heading "Answer".

The last mark with a value behind it counts; a later mark with words ("I hope the answer is clear") says nothing new.
Only where no mark has a value are words the answer ("The answer is Monday").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ponder.verifiers.rules.mathematics.finding.final_sentence import conclude_folded
from ponder.verifiers.rules.mathematics.finding.sentence_values import MAY_DENY
from ponder.verifiers.rules.mathematics.finding.spans import Folded, fold, is_value
from ponder.verifiers.rules.mathematics.finding.vocabulary import word_set

MOST = 20  # marks that are looked at, from the last
REACH = 2_000  # characters after a mark
_MARK = re.compile(
    r"(?<!#)####(?!#)"
    r"|\banswers?(?:\s{1,3}to\s{1,3}th\w{1,3}\s{1,3}\w{1,12})?[\s*_`]{0,6}(?:(?:is|are)\b|[:=：])"
    r"|\b(?:option|choice)\s{1,3}is\b"
    r"|(?m:^[#*>_ \t✅]{0,12}(?:the )?(?:final )?answer[*_: \t]{0,6}\r?$)"
    r"|答案[是为：:]",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"^(?:[\s*:_,>=\"“”'‘#]|(?:therefore|thus|hence|then|simply|just|now|that|indeed|option|choice|equal to|given by)\b"
    r"|\\(?:displaystyle|quad|,))+",
    re.IGNORECASE,
)
_END = re.compile(r"\n|[.!](?=[\s\"”'’)*_]|$)|(?<=[\d\U000f0000-\U000ffffd])\?(?!\s*(?:or|and)\b)|<\||</")
_OPEN = re.compile(r"\b(?:or|maybe|perhaps|might|could|either)\b")
_HEDGED = re.compile(r"\b(?:or|maybe|perhaps)\b[\s\w,']{0,15}$", re.IGNORECASE)
_LEADING = re.compile(
    r"(?:[-−]?\s?\\?\$?\d[\d,]*(?:\.\d+)?(?:\s?/\s?\d+)?%?|[\U000f0000-\U000ffffd]|[(\[{][^()\[\]{}]{1,80}[)\]}])"
)
# An option with its text: `E. a score`, `(E) a score`, `\text{E: a score}`. Its letter is the answer.
_OPTION = re.compile(r"(?:\\text\w*\s?\{)?(?:\(([A-J])\)|([A-J])(?=[.:)}]))[.:)}]*(?=\s|$)(?!\s*(?:or|and)\b)")
_WORKED = re.compile(r"=|\b(?:which is|equals|namely|i\.e\.|that is)\b")
_GOES_ON = re.compile(r"\b(?:after|in|for|with|from|by|since|because|when|at|on|of|per|out of)\s+(?:\w+\s+)?\d")
_ITEM = re.compile("[\\d\U000f0000-\U000ffffd]")
# Words with which no answer begins: the mark says something about an answer, and not the answer.
_ABOUT = word_set(
    "correct right clear below above in as given boxed shown helpful complete consistent wrong incorrect verified",
    "found obtained confirmed reasonable unique to on at by from what also good fine valid accurate displayed",
)
# Words that make a sentence of what is no answer.
_SENTENCE = word_set(
    "i we you he she they it its this that there is are was were be do does did not cannot can could should would",
    "have has had know sure think guess get got need",
)

Kind = Literal["value", "words", "prose"]


@dataclass(frozen=True, slots=True)
class Marked:
    """The answers that the marks leave standing, what kind they are and where the text goes on."""

    answers: tuple[str, ...]
    kind: Kind
    end: int


def marked(text: str) -> Marked | None:
    """The answer after the last mark that has one."""
    lower = text.lower()
    if not any(word in lower for word in ("answer", "####", "option", "choice", "答案")):
        return None
    marks = list(_MARK.finditer(text))[-MOST:]
    found = [(mark, _said(text[mark.end() : mark.end() + REACH])) for mark in marks]
    for kind in ("value", "words", "prose"):
        held = [(mark, said[1]) for mark, said in found if said is not None and said[0] == kind]
        if held:
            mark, answer = held[-1]
            answers = [answer]
            if len(held) > 1 and _HEDGED.search(text[max(0, mark.start() - 40) : mark.start()]):
                answers.insert(0, held[-2][1])
            return Marked(tuple(dict.fromkeys(answers)), kind, mark.end())
    return None


def is_words(text: str) -> bool:
    """Whether a text is an answer in words: one to three, and no sentence. `No solution`, but not `I do not know`."""
    if re.search(r"[\d$=<>^{}|]", re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text)):
        return False
    words = re.findall(r"[A-Za-z']+", re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text))
    return 0 < len(words) <= 3 and "\n" not in text.strip() and not {word.lower() for word in words} & _SENTENCE


def is_bare(text: str) -> bool:
    """Whether a text is a value alone, and no sum worked out in words."""
    worked = "=" in text and re.search(r"(?<![\\A-Za-z])[A-Za-z]{3,}", _untext(text))
    return is_value(text) and not worked and "\n" not in text and "<<" not in text


def option(text: str) -> str | None:
    """The letter with which a text begins as an option does; None if it begins as anything else."""
    match = _OPTION.match(text)
    return match.group(1) or match.group(2) if match else None


def _untext(text: str) -> str:
    return re.sub(r"\\text\s*\{[^{}]*\}|\\[A-Za-z]+", " ", text)


def _said(rest: str) -> tuple[Kind, str] | None:
    folded = fold(rest)
    text = _FILLER.sub("", folded.text)
    letter = option(text)
    if letter is not None:
        return "value", letter
    end = _END.search(text)
    sentence = (text[: end.start()] if end else text).strip(" \t\r\n*_\"“”'’`")
    sentence = re.sub(r"(?<=\d)(?:…|\.{2,3})$", "", sentence)
    sentence = re.sub(r"(?<=[\w\U000f0000-\U000ffffd])\s\((?![^)]*\b(?:or|maybe|not)\b)[A-Za-z ]+\)$", "", sentence)
    first = re.match(r"[A-Za-z']+", sentence)
    if not sentence or (first and first.group().lower() in _ABOUT and len(first.group()) > 1):
        return None
    whole = folded.unfold(sentence)
    if is_value(sentence) and not _GOES_ON.search(sentence) and is_bare(whole.replace("\n", " ")):
        return "value", whole
    return _longer(folded, sentence, whole)


def _longer(folded: Folded, sentence: str, whole: str) -> tuple[Kind, str] | None:
    """What a sentence after a mark says that is more than a value."""
    leading = None if "=" in sentence.partition(" since ")[0] else _LEADING.match(sentence)
    if leading and not re.match(r"\s*[-+*/^=×<>≤≥(,\d]|\s+(?:is|and|or|to)\b", sentence[leading.end() :]):
        if re.match(r"[.)]\s+[A-Z]", sentence[leading.end() :]):
            return None  # "3. Add them up" is a heading
        if _OPEN.search(sentence, leading.end()) and _ITEM.search(sentence, leading.end()):
            return "value", whole
        return "value", folded.unfold(leading.group())
    if is_words(whole):
        return "words", whole
    concluded = conclude_folded(folded, sentence)
    if concluded is None:
        denied = MAY_DENY.search(sentence) and _ITEM.search(sentence)  # "not $y = 2x$" is no answer in words either
        return None if denied or len(whole.split()) > 12 else ("prose", whole)
    return ("value" if _WORKED.search(sentence) else "prose"), concluded
