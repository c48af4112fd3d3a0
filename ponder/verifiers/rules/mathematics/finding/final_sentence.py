"""The number that a worked text in plain sentences ends on, when it marks no answer.

The last sentence that holds a number says it. In `a + b = 30 people now after 13 came` the result is what follows the
last equals sign, or the last calculator mark (`<<12+3=15>>15`), as long as nothing after it takes it back. A sentence
with neither gives its last number, or the one that the text computed last, if the sentence repeats it. Numbers that
only name or qualify something (13th, 600-meter) and reasons after "because" do not count.
"""

from __future__ import annotations

import re

from ponder.verifiers.rules.mathematics.finding.sentence_values import MAY_DENY, PRIVATE, choose, denied, enclosed
from ponder.verifiers.rules.mathematics.finding.spans import Folded, fold

MOST_NUMBERS = 1_000  # numbers of one sentence; more are no conclusion
_NEAR = 120  # characters round a number that may belong to its formula
# What belongs to the formula round a number: before it single letters, digits and operators back to a word or an equals
# sign; after it a variable (g alone is grams) or an operator and what it takes.
_OPERATOR = re.compile(r"(?:[+*^_×]|\\(?:cdot|times|div))\s*$")
_LEFT = re.compile(r"(?:\\[A-Za-z]+|(?<![A-Za-z])[A-Za-z](?![A-Za-z])|[^A-Za-z=\0:;])*$")
_RIGHT = re.compile(r"(?:[A-Za-fh-z](?![A-Za-z])|\s?[*^+]\s?|\\[a-z]+|\((?=[A-Za-z0-9])[^()]*\)|(?<=[*^+ ])\d+)*")
_SIDE_BY_SIDE = re.compile(r"\s*(?:,|;|,?\s+and)?\s*")
_LISTS = re.compile(r"(?:\b(?:are|is|numbers|values|solutions|roots)\b|[:=])\s*$")
_RESULT = "\0"  # stands for a calculator mark once its content is gone
_NUMBER = re.compile(
    r"(?<![\w.])(?P<sign>[-−])?\s?(?P<money>\\?\$)?\s?(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?: \d{3})+(?!\d)"
    r"|\d+(?:\.\d+)?|\.\d+)(?P<rest>\s?/\s?\d+(?![\d/])|%)?(?!\w*-[A-Za-z]|\d|st\b|nd\b|rd\b|th\b)"
)
_SENTENCE = re.compile(r"\n+|(?<=[.!?])\s+(?=[A-Z\"'(])")
_MARK = re.compile(r"<<[^<>]*?=\s*([^<>=]*)>>")
# After these words a sentence says something else than its result so far, or only why.
_TURN = re.compile(
    r"[;:=]\s|, (?!and\b)|[+*/] |\b(?:so|but|then|thus|hence|therefore|is|wait|no|not|actually|leaving|which rounds)\b"
)
_REASON = re.compile(r"\bbecause\b|,? since\b")
_OPEN = re.compile(r"\b(?:or|either|maybe|perhaps|between|might|could)\b")


def conclude(text: str) -> str | None:
    """The concluding value as written, or `a or b` where the sentence leaves it open; None without any value."""
    folded = fold(text)
    return conclude_folded(folded, folded.text)


def conclude_folded(folded: Folded, text: str) -> str | None:
    """The same for a part of a folded text."""
    marks = _MARK.findall(text)
    for sentence in reversed(_SENTENCE.split(_MARK.sub(_RESULT, text))):
        clause = _main_clause(sentence)
        if folded.spans and PRIVATE.search(clause):
            chosen = choose(folded, clause)
            if chosen is not None:
                return chosen or None
        numbers = list(_NUMBER.finditer(clause))
        if len(numbers) > MOST_NUMBERS:
            return None
        if numbers:
            denying = MAY_DENY.search(clause) is not None
            held = [number for number in numbers if not (denying and _denied(clause, number))]
            return _choose(clause, held, marks[-1].strip() if marks else None) if held else None
    return None


def _main_clause(sentence: str) -> str:
    """The sentence without the reason it gives, if something with a value is left."""
    result = max(sentence.rfind("="), sentence.rfind(_RESULT))
    reason = _REASON.search(sentence, result + 1)
    if reason is None:
        return sentence
    before = sentence[: reason.start()]
    return before if _NUMBER.search(before) or PRIVATE.search(before) else sentence


def _denied(clause: str, number: re.Match[str]) -> bool:
    """`We can rule out 5`, `anything other than 5`, `5 is not the answer`: a number that is said not to be it."""
    return denied(clause[max(0, number.start() - _NEAR) : number.start()], clause[number.end() : number.end() + _NEAR])


def _choose(clause: str, numbers: list[re.Match[str]], computed: str | None) -> str:
    left_open = _left_open(clause, numbers)
    if left_open:
        return left_open
    result = max(clause.rfind("="), clause.rfind(_RESULT))
    after = [number for number in numbers if number.start() > result]
    if computed is not None and clause[result:].startswith(_RESULT) and not (after and _turns(clause, after)):
        return _text(after[0]) if after and _contradicts(clause[result + 1 :], after[0], computed) else computed
    if result >= 0 and after:
        return _text(after[-1] if _turns(clause, after) else after[0])
    if computed is not None and _plain(numbers[0]) == computed:
        return computed
    return ", ".join(dict.fromkeys(_text(number) for number in _enumerated(clause, numbers)))


def _contradicts(behind: str, number: re.Match[str], computed: str) -> bool:
    """`<<9*2=18>>19 eggs`: whether the number right behind a calculator mark is another one, which then is said."""
    if not behind.lstrip(" $\\").startswith(number["number"]):
        return False
    try:
        return float(number["number"].replace(",", "").replace(" ", "")) != float(
            computed.replace(",", "").strip("$% ")
        )
    except ValueError:  # a mark that holds no plain number
        return False


def _enumerated(clause: str, numbers: list[re.Match[str]]) -> list[re.Match[str]]:
    """The last number; or, where several stand side by side, all of them: a list and no single answer.

    Two numbers are a list only behind a verb: in "the roots are 1 and 2", but not in "in May, 2 and 3 years ago".
    """
    start = len(numbers) - 1
    while start > 0 and _SIDE_BY_SIDE.fullmatch(clause, numbers[start - 1].end(), numbers[start].start()):
        start -= 1
    pair = len(numbers) - start == 2 and _LISTS.search(
        clause[max(0, numbers[start].start() - 24) : numbers[start].start()]
    )
    return numbers[start:] if len(numbers) - start > 2 or pair else numbers[-1:]


def _turns(clause: str, after: list[re.Match[str]]) -> bool:
    """Whether the sentence goes on to another result after the first number of `after`."""
    return len(after) > 1 and _TURN.search(clause, after[0].end()) is not None


def _left_open(clause: str, numbers: list[re.Match[str]]) -> str | None:
    """`3 or 5`: the last two numbers as alternatives; but in `6/3 or 2` and `or 2 = x` it only rewrites."""
    if len(numbers) < 2:
        return None
    first, second = numbers[-2:]
    between = clause[first.end() : second.start()]
    if len(between) > 40 or "=" in between or not _OPEN.search(between):
        return None
    if re.search(r"[-+*/=–]\s*$", clause[: first.start()]) or re.match(r"\s*=", clause[second.end() :]):
        return None
    return f"{_text(first)} or {_text(second)}"


def _text(number: re.Match[str]) -> str:
    r"""The number as written; or the formula that it is only a part of (`x^2 + 5`, `5x`, `\frac{1}{5}` are not 5)."""
    whole = enclosed(number.string, number.start("number"), number.end("number"))
    if whole is not None:
        return whole
    before = number.string[max(0, number.start() - _NEAR) : number.start()]
    after = number.string[number.end() : number.end() + _NEAR]
    mixed = re.search(r"(?<![\d.,/])(\d{1,6}) $", before)
    if mixed and re.match(r"\s?/", number["rest"] or ""):
        return f"{mixed.group(1)} {_plain(number)}"  # 1 1/2
    run = (before.split(" ")[-1] + number.group() + after.split(" ")[0]).replace(_RESULT, "")
    if re.search(r"[\\^_{]|[A-Za-z]\(", run) and "=" not in run:
        return run.strip().strip("$,;:.'\"*")
    left, right = _LEFT.search(before), _RIGHT.match(after)
    if left and (_OPERATOR.search(before) or (number["sign"] and re.search(r"[\w)]\s*$", before))):
        return (left.group() + number.group() + (right.group() if right else "")).strip(" $,(")
    if right and right.group():
        return number.group().strip(" $") + right.group()
    return _plain(number)


def _plain(number: re.Match[str]) -> str:
    sign, rest = (number["sign"] or "").replace("−", "-"), (number["rest"] or "")
    return f"{sign}{number['number']}{rest}".replace(" ", "")
