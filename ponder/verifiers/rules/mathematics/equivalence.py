"""Whether an answer is the gold answer: exact numbers first, then outer form, then algebra.

The policy for disputed forms is docs/grading.md; each of its rows is a test. `settle` decides in the caller's process
what needs no algebra (equal texts, plain numbers); `judge` decides the rest inside a worker, because algebra on text of
unknown origin can take any time and memory.
"""

from __future__ import annotations

import re
from typing import Any

from ponder.verifiers.rules.mathematics import symbolic, units
from ponder.verifiers.rules.mathematics.exact import digits, rational
from ponder.verifiers.rules.mathematics.gold import GoldError as GoldError
from ponder.verifiers.rules.mathematics.input_limits import RefusedError, check
from ponder.verifiers.rules.mathematics.names import is_name
from ponder.verifiers.rules.mathematics.notation import compact, normalise
from ponder.verifiers.rules.mathematics.structure import Shape, base_number, read, read_as_list, words

prepare = symbolic.prepare
_MANY_DIGITS = re.compile(r"(?<![\d.])\d{1,3}(?: \d{3})+(?![\d ])")
_UNJOINED = re.compile(r"[\d.] +[\d.]")


def judge(payload: list[Any]) -> dict[str, str | bool]:
    """Work for a pool: `[gold, [answers], listed]` -> `{"right": bool}` or `{"failure": "gold", "detail": ...}`.

    Several answers are alternatives that the response left open; it is right only if each of them is, or if the gold
    answer is a list and `listed`, all of them as one list, is it.
    """
    gold, answers, listed = payload
    try:
        right = bool(answers) and all(equivalent(gold, answer) for answer in answers)
        return {"right": right or (listed is not None and equivalent(gold, listed))}
    except GoldError as error:
        return {"failure": "gold", "detail": str(error)}


def settle(gold: str, answers: list[str], listed: str | None = None) -> bool | None:
    """The verdict where no algebra is needed, else None. Raises GoldError for a gold answer that is refused."""
    try:
        check(gold)
    except RefusedError as error:
        raise GoldError(f"gold answer: {error}") from error
    if not gold.strip():
        raise GoldError("the gold answer is empty")
    decisions = [_settle_one(gold, answer) for answer in answers]
    if not decisions or False in decisions:
        return False if listed is None or digits(gold.strip()) is not None else None
    return True if all(decisions) else None


def _settle_one(gold: str, answer: str) -> bool | None:
    if gold.strip() == answer.strip():
        return True
    try:
        check(answer)
    except RefusedError:
        return False
    plain = digits(gold.strip()), digits(answer.strip())
    return plain[0] == plain[1] if None not in plain else None


def equivalent(gold: str, answer: str) -> bool:
    """Whether `answer` is `gold` in another form. Raises GoldError; an unreadable answer is simply wrong."""
    decision = settle(gold, [answer])
    if decision is not None:
        return decision
    expected, given = normalise(gold), normalise(answer)
    if not given:
        return False
    pairs = [(g, a) for g in _readings(expected) for a in _readings(given)]
    return compact(expected) == compact(given) or any(_same(g, a) for g, a in pairs)


def _readings(text: str) -> list[Shape]:
    other = read_as_list(text)
    return [read(text)] + ([other] if other else [])


def _same(gold: Shape, answer: Shape) -> bool:
    """Compare two shapes, part by part."""
    if gold.name and answer.name and gold.name != answer.name:
        return False
    if gold.kind == "equation" or answer.kind == "equation":
        return _equations(gold, answer)
    if answer.kind == "choice" and gold.kind not in ("list", "choice"):
        return all(_same(gold, part) for part in answer.parts)
    if {gold.kind, answer.kind} <= {"list", "choice"} or gold.kind == answer.kind == "union":
        return _matched(list(gold.parts), list(answer.parts))
    for pair, named in ((gold, answer), (answer, gold)):
        if pair.kind == "tuple" and pair.marks == "()" and named.kind == "list":
            return _coordinates(pair, named)
    if gold.kind == "value" and answer.kind == "list" and len(answer.parts) == 1:
        return _same(gold, answer.parts[0])
    if gold.kind == "list" and answer.kind == "value" and len(gold.parts) == 1:
        return _same(gold.parts[0], answer)
    if gold.kind != answer.kind or gold.marks != answer.marks or len(gold.parts) != len(answer.parts):
        return False
    if gold.kind == "value":
        return _values(gold.text, answer.text)
    return all(_same(g, a) for g, a in zip(gold.parts, answer.parts, strict=True))


def _coordinates(gold: Shape, answer: Shape) -> bool:
    """`x=1, y=2` for `(1,2)`: equations solved for different single letters, in the order of the alphabet."""
    solved = [_solved(part) for part in answer.parts]
    names = [name for name, _ in solved]
    if len(names) != len(gold.parts) or not all(re.fullmatch("[a-z]", name) for name in names):
        return False
    ordered = names == sorted(set(names))
    return ordered and all(_same(g, values[-1]) for g, (_, values) in zip(gold.parts, solved, strict=True))


def _matched(gold: list[Shape], answer: list[Shape]) -> bool:
    """Same members in any order, each as often."""
    if len(gold) != len(answer):
        return False
    left = list(answer)
    for part in gold:
        found = next((other for other in left if _same(part, other)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _equations(gold: Shape, answer: Shape) -> bool:
    """`x = 5` for 5 and the other way round; `y = 2x` for `2x - y = 0`; but never `x = 5` for `y = 5`."""
    name_gold, values_gold = _solved(gold)
    name_answer, values_answer = _solved(answer)
    if name_gold and name_answer and name_gold != name_answer and len(name_gold) == len(name_answer):
        return False
    if (name_gold or gold.kind != "equation") and (name_answer or answer.kind != "equation"):
        return all(_same(values_gold[-1], value) for value in values_answer)
    if gold.kind != answer.kind:
        # `3 + 4 = 7` for 7: every side must be right.
        return gold.kind != "equation" and all(_same(gold, side) for side in answer.parts)
    if len(gold.parts) != 2 or len(answer.parts) != 2:
        return False
    return _algebra(symbolic.proportional, _texts(gold), _texts(answer))


def _solved(shape: Shape) -> tuple[str, tuple[Shape, ...]]:
    """The variable that an equation is solved for ("" if none) and what it is equal to."""
    if shape.kind != "equation":
        return "", (shape,)
    sides = shape.parts
    if is_name(sides[0].text):
        return compact(sides[0].text), tuple(read(side.text) for side in sides[1:])
    if len(sides) == 2 and is_name(sides[1].text):
        return compact(sides[1].text), (read(sides[0].text),)
    return "", sides


def _texts(shape: Shape) -> tuple[str, str]:
    return shape.parts[0].text, shape.parts[1].text


def _values(gold: str, answer: str) -> bool:
    """Compare two single values: words, numbers with a base, numbers with units, formulas."""
    if compact(gold) == compact(answer):
        return True
    if _UNJOINED.search(_MANY_DIGITS.sub("0", gold)) or _UNJOINED.search(_MANY_DIGITS.sub("0", answer)):
        return False  # numbers side by side are no number: 1 2 is neither 12 nor 2
    if base_number(gold) or base_number(answer):
        return base_number(gold) == base_number(answer)
    if words(gold) or words(answer):
        if words(gold) == words(answer) or not re.fullmatch("[a-z]", gold):
            return words(gold) == words(answer)
        return words(answer) is None and _algebra(symbolic.equal, gold, answer)
    if (":" in gold) != (":" in answer):
        value = rational(answer if ":" in gold else gold)
        if value is None or value.denominator == 1:
            return False  # 5:1 is a ratio and no 5; 1:2 may be written as 1/2
    expected, given = units.quantity(gold), units.quantity(answer)
    if not units.agree(expected, given):
        return False
    first, second = rational(expected.number), rational(given.number)
    if first is not None and second is not None:
        first, second = first * expected.scale, second * given.scale
        return first == second or _percent(expected, given, first, second)
    if expected.scale != 1 or given.scale != 1:
        return False
    return _algebra(symbolic.equal, expected.number, given.number)


def _percent(expected: units.Quantity, given: units.Quantity, first: Any, second: Any) -> bool:
    """50% is also 1/2: a percent sign on one side alone may be read as a hundredth."""
    if expected.measure == given.measure:
        return False
    first = first / 100 if expected.measure == "percent" else first
    second = second / 100 if given.measure == "percent" else second
    return bool(first == second)


def _algebra(compare: Any, gold: Any, answer: Any) -> bool:
    """Algebra, where an unreadable answer is wrong and an unreadable gold answer is a failure."""
    for text in (gold,) if isinstance(gold, str) else gold:
        try:
            symbolic.parse(text)
        except (symbolic.UnreadableError, RefusedError) as error:
            raise GoldError(f"the gold answer cannot be read: {error}") from error
    try:
        return bool(compare(gold, answer))
    except (symbolic.UnreadableError, RefusedError):
        return False
