r"""The spans of a free text: boxes, mathematics between its marks, bold or code type. Found in one pass, left to right.

A dollar sign opens mathematics or means money: `$x$` is a formula, `$29 and $30` is money. As in other readers of
Markdown, a closing sign follows no blank (unless the opening one stands before a blank, too) and stands before no
digit; a formula holds no prose and no empty line. `fold` puts one private character in the place of each formula, so
that a sentence can be read as a sentence, and `Folded.unfold` puts the formula back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ponder.verifiers.rules.mathematics.finding.vocabulary import word_set

LONGEST_FORMULA = 4_000
FEW = 8  # boxes that are closed one by one
_FIRST = 0xF0000  # a plane of private characters: as many formulas as a text of 65,000 characters can hold
_PRIVATE = re.compile("[\U000f0000-\U000ffffd]")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*(?:(\{)|([0-9]+|[A-Za-z](?![A-Za-z])))?")
_DELIMITER = re.compile(r"\\begin\{(\w+\*?)\}|\\end\{(\w+\*?)\}|\\.|\$\$?|\n[ \t\r]*\n", re.DOTALL)
_STRONG = re.compile(r"\*\*((?:[^*\n]|\*(?!\*)){1,300}?)\*\*|`([^`\n]{1,300})`")
_TEXT = re.compile(r"\\(?:text|mbox|textbf|mathrm|operatorname)\s*\{[^{}]*\}|\\[A-Za-z]+")
_WORD = re.compile(r"[A-Za-z]{3,}")
_NAMES = word_set(
    "sin cos tan cot sec csc log exp sqrt max min mod gcd lcm and",
)
_PAIRS = {r"\(": r"\)", r"\[": r"\]", "$$": "$$", "$": "$"}

Kind = Literal["maths", "strong"]


@dataclass(frozen=True, slots=True)
class Box:
    """A box with its place in the text; `content` without the braces."""

    start: int
    end: int
    content: str


@dataclass(frozen=True, slots=True)
class Span:
    """Mathematics between its marks, or bold or code type; `content` without the marks."""

    kind: Kind
    start: int
    end: int
    content: str


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in which each span is one private character; `spans` are in their order."""

    text: str
    spans: tuple[Span, ...]

    def span(self, character: str) -> Span | None:
        """The span that a character stands for, if it stands for one."""
        place = ord(character) - _FIRST
        return self.spans[place] if 0 <= place < len(self.spans) else None

    def unfold(self, text: str) -> str:
        """`text` with the content of each span again, without marks."""
        for _ in range(2):  # bold type may hold a formula
            text = _PRIVATE.sub(lambda match: span.content if (span := self.span(match.group())) else "", text)
        return text


def boxes(text: str) -> tuple[list[Box], bool]:
    """The outermost boxes, and whether one was opened after them that never closes."""
    opened = list(_BOX.finditer(text)) if "box" in text else []
    # One box is closed by a look at what follows it; many by one pass over all braces.
    closed = braces(text) if len(opened) > FEW else {}
    found: list[Box] = []
    end, unclosed = 0, False
    for match in opened:
        if match.start() < end:
            continue
        if match.group(1):
            at = match.start(1)
            last = closed.get(at) if len(opened) > FEW else braces(text, at).get(at)
            if last is None:
                unclosed = True
                continue
            end, content, unclosed = last + 1, text[match.end() : last], False
        elif match.group(2):
            end, content, unclosed = match.end(), match.group(2), False
        else:
            continue  # the bare word, as in "put it into \boxed"
        found.append(Box(match.start(), end, content.strip()))
    return found, unclosed


def braces(text: str, first: int | None = None) -> dict[int, int]:
    r"""Where each brace that opens is closed, or only those up to the end of the one at `first`; not `\{` and `\}`."""
    pairs: dict[int, int] = {}
    open_: list[int] = []
    for match in _BRACE.finditer(text, first or 0):
        if match.group() == "{":
            open_.append(match.start())
        elif match.group() == "}" and open_:
            pairs[open_.pop()] = match.start()
            if first is not None and not open_:
                break
    return pairs


def fold(text: str) -> Folded:
    """The text with every formula, and then every value in bold or code type, folded into one character."""
    text = _PRIVATE.sub(" ", text)
    found = _maths(text) if "\\" in text or text.count("$") > 1 else []
    if not found and "**" not in text and "`" not in text:
        return Folded(text, ())
    pieces: list[str] = []
    at = 0
    for number, span in enumerate(found):
        pieces += [text[at : span.start], chr(_FIRST + number)]
        at = span.end
    folded = "".join([*pieces, text[at:]])

    def strong(match: re.Match[str]) -> str:
        content = match.group(1) or match.group(2)
        if not is_value(content):
            return match.group()
        found.append(Span("strong", match.start(), match.end(), content.strip()))
        return chr(_FIRST + len(found) - 1)

    return Folded(_STRONG.sub(strong, folded), tuple(found))


def _maths(text: str) -> list[Span]:
    found: list[Span] = []
    opened: tuple[str, int, int] | None = None  # the mark, where it starts and where it ends
    for match in _DELIMITER.finditer(text):
        mark = match.group()
        if mark[0] == "\n":
            opened = opened if opened and opened[0] in (r"\[", "$$") else None
        elif opened is not None and _closes(text, opened, match):
            found.append(_span(text, opened, match))
            opened = None
        elif (opened is None or opened[0] in ("$", "$$")) and (mark in _PAIRS or match.group(1) is not None):
            opened = (match.group(1) or mark, match.start(), match.end())
    return found


def _closes(text: str, opened: tuple[str, int, int], match: re.Match[str]) -> bool:
    mark, _, end = opened
    if match.group(2) is not None:
        return match.group(2) == mark
    if match.group() != _PAIRS.get(mark) or match.start() - end > LONGEST_FORMULA:
        return False
    content = text[end : match.start()]
    if not content.strip() or (mark in ("$", "$$") and _is_prose(content)):
        return False
    if mark == "$" and ("\n" in content or content.rstrip()[-1] in "=+*/"):
        return False
    one_sided = content[-1].isspace() and not content[0].isspace()
    return mark != "$" or not (one_sided or text[match.end() : match.end() + 1].isdigit())


def _span(text: str, opened: tuple[str, int, int], match: re.Match[str]) -> Span:
    _, start, end = opened
    whole = match.group(2) is not None  # an environment is its own mark
    return Span("maths", start, match.end(), text[start : match.end()] if whole else text[end : match.start()].strip())


def _is_prose(content: str) -> bool:
    """Whether what stands between two dollar signs is a sentence about money and no formula."""
    words = [word for word in _WORD.findall(_TEXT.sub(" ", content)) if word.lower() not in _NAMES]
    return len(words) > 1


_VALUE_START = re.compile(
    r"\s*(?:[-+−–±(\[{\\$€£¥<|.\d√π∞≥≤>⌊⌈\U000f0000-\U000ffffd½⅓⅔¼¾]|[^\W\d_](?![^\W\d_])"
    r"|(?:sqrt|sin|cos|tan|log|ln|pi|exp|arc\w{3}|inf|infinity)(?![A-Za-z]))"
)
_NUMBERED = re.compile(r"\s*\d+[.)]\s+\S")


def is_value(text: str) -> bool:
    """Whether a text begins as a number, a formula or a single letter does and goes on with at most three words."""
    if _VALUE_START.match(text) is None or _NUMBERED.match(text) or "\n\n" in text.strip():
        return False
    if re.match(r"\s*[AI]\s+[A-Za-z]", text):  # "I get", "A box"
        return False
    return len(_words(text)) <= 3


def _words(text: str) -> list[str]:
    return re.findall(r"\b[A-Za-z]{2,}\b", _TEXT.sub(" ", text))
