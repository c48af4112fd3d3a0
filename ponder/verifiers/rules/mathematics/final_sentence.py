"""The number that a worked text in plain sentences ends on, when it marks no answer.

The last sentence that holds a number says it. In `a + b = 30 people now after 13 came` the result is what follows the
last equals sign, or the last calculator mark (`<<12+3=15>>15`), as long as nothing after it takes it back. A sentence
with neither gives its last number, or the one that the text computed last, if the sentence repeats it. Numbers that
only name or qualify something (13th, 600-meter) and reasons after "because" do not count.
"""

from __future__ import annotations

import re

# What belongs to the formula round a number: before it single letters, digits and operators back to a word or an equals
# sign; after it a variable (g alone is grams) or an operator and what it takes.
_OPERATOR = re.compile(r"(?:[+*^_×]|\\(?:cdot|times|div))\s*$")
_LEFT = re.compile(r"(?:\\[A-Za-z]+|(?<![A-Za-z])[A-Za-z](?![A-Za-z])|[^A-Za-z=\0:;])*$")
_RIGHT = re.compile(r"(?:[A-Za-fh-z](?![A-Za-z])|\s?[*^+]\s?|\\[a-z]+|\((?=[A-Za-z0-9])[^()]*\)|(?<=[*^+ ])\d+)*")
_SIDE_BY_SIDE = re.compile(r"\s*(?:,|;|,?\s+and)?\s*")
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
_REASON = re.compile(rf"\bbecause\b(?!.*[={_RESULT}])|,? since\b(?!.*[={_RESULT}])", re.DOTALL)
_OPEN = re.compile(r"\b(?:or|either|maybe|perhaps|between)\b")


def conclude(text: str) -> str | None:
    """The concluding number as written, or `a or b` where the sentence leaves it open; None without any number."""
    marks = _MARK.findall(text)
    for sentence in reversed(_SENTENCE.split(_MARK.sub(_RESULT, text))):
        clause = _main_clause(sentence)
        numbers = list(_NUMBER.finditer(clause))
        if numbers:
            return _choose(clause, numbers, marks[-1].strip() if marks else None)
    return None


def _main_clause(sentence: str) -> str:
    """The sentence without the reason it gives, if something with a number is left."""
    reason = _REASON.search(sentence)
    return sentence[: reason.start()] if reason and _NUMBER.search(sentence, 0, reason.start()) else sentence


def _choose(clause: str, numbers: list[re.Match[str]], computed: str | None) -> str:
    left_open = _left_open(clause, numbers)
    if left_open:
        return left_open
    result = max(clause.rfind("="), clause.rfind(_RESULT))
    after = [number for number in numbers if number.start() > result]
    if computed is not None and clause[result:].startswith(_RESULT) and not (after and _turns(clause, after)):
        return computed
    if result >= 0 and after:
        return _text(after[-1] if _turns(clause, after) else after[0])
    if computed is not None and _plain(numbers[0]) == computed:
        return computed
    return ", ".join(_text(number) for number in _enumerated(clause, numbers))


def _enumerated(clause: str, numbers: list[re.Match[str]]) -> list[re.Match[str]]:
    """The last number; or, where three or more stand side by side, all of them: a list and no single answer."""
    start = len(numbers) - 1
    while start > 0 and _SIDE_BY_SIDE.fullmatch(clause, numbers[start - 1].end(), numbers[start].start()):
        start -= 1
    return numbers[start:] if len(numbers) - start > 2 else numbers[-1:]


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
    before, after = number.string[: number.start()], number.string[number.end() :]
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
