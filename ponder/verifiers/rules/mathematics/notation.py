r"""One spelling for the many ways to write the same mathematics. Text in, text out; nothing is computed.

`normalise` turns Unicode, plain text and LaTeX variants into one LaTeX dialect: `\frac{a}{b}`, `\sqrt{a}`, `\pi`,
`\cdot`, no sizing commands, no dollar signs, no spacing commands, no full stop at the end. Money keeps its `\$`.
"""

from __future__ import annotations

import re
import unicodedata

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_SIGNS = {
    "−": "-", "–": "-", "—": "-", "×": r"\cdot ", "·": r"\cdot ", "⋅": r"\cdot ", "∗": r"\cdot ", "÷": "/",
    "π": r"\pi ", "∞": r"\infty ", "≤": r"\leq ", "≥": r"\geq ", "≠": r"\neq ", "∪": r"\cup ", "∈": r"\in ",
    "±": r"\pm ", "∓": r"\mp ", "°": r"^{\circ}", "∅": r"\emptyset ", "√": r"\sqrt", "½": r"\frac{1}{2}",
    "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "θ": r"\theta ", "ℝ": r"\mathbb{R}", "€": r"\text{ euro}",
}  # fmt: skip
# Applied in order. Sizing and spacing first, then synonyms.
_REWRITES: tuple[tuple[str, str], ...] = (
    (r"\{,\}|,\\!\s*|,\\,(?=\d{3})", ","),
    (r"\\(?:left|right|middle|bigl?|bigr?|Bigl?|Bigr?|displaystyle|textstyle|limits|nolimits)(?![A-Za-z])\s*", ""),
    (r"\\!", ""),
    (r"(?<!\\)\\[,;:> ]|~|\\q?quad(?![A-Za-z])|\\hspace\{[^{}]*\}", " "),
    (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
    (r"\\(?:mbox|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|operatorname|bf|rm)\s*\{", r"\\text{"),
    (r"\\(?:lbrace|\{)", r"\\{"),
    (r"\\(?:rbrace|\})", r"\\}"),
    (r"\\(?:le|leqslant)(?![A-Za-z])", r"\\leq "),
    (r"\\(?:ge|geqslant)(?![A-Za-z])", r"\\geq "),
    (r"\\ne(?![A-Za-z])", r"\\neq "),
    (r"\\(?:lt)(?![A-Za-z])", "<"),
    (r"\\text\{([^{}A-Za-z\\]*)\}", r"\1"),
    (r"\\text\{\s*infinity\s*\}", r"\\infty "),
    (r"\\(?:gt)(?![A-Za-z])", ">"),
    (r"\\(?:times|ast)(?![A-Za-z])", r"\\cdot "),
    (r"\\(?:varnothing)(?![A-Za-z])", r"\\emptyset "),
    (r"(begin|end)\{(?:bmatrix|array|matrix)\}(?:\{[lcr|]*\})?", r"\1{pmatrix}"),
    (r"\^\s*\{?\s*\\circ\s*\}?", r"^{\\circ}"),
    (r"\\(?:degree|degrees)(?![A-Za-z])", r"^{\\circ}"),
    (r"\\%", "%"),
    (r"\*\*", "^"),
    (r"\*", r"\\cdot "),
    (r"<=", r"\\leq "),
    (r">=", r"\\geq "),
    (r"(?<![A-Za-z\\])(?:infinity|inf|oo)(?![A-Za-z])", r"\\infty "),
    (r"(?<![A-Za-z\\])pi(?![A-Za-z])", r"\\pi "),
    (r"(?<![A-Za-z\\])(sin|cos|tan|sec|csc|cot|ln|log)(?=\s*\(|\s*\d)", r"\\\1"),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in _REWRITES)
_WRAPPERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"))
_ARGUMENT = re.compile(r"\s*(\\[A-Za-z]+|\S)")


def normalise(text: str) -> str:
    """The one spelling; the same for any text that already has it."""
    text = _unwrap(_unicode(text)).replace("\\$", "\0").replace("$", "\0" if _is_money(text) else "")
    text = text.replace("\0", r"\$")
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    text = _plain_roots(text)
    text = _brace(_brace(text, "sqrt", 1), "frac", 2)
    # A full stop or a half-cut "\ " at the end is no part of the answer; an ellipsis is.
    return re.sub(r"(?<!\.)[.;]$|(?<!\\)\\$", "", re.sub(r"\s+", " ", text).strip()).rstrip()


def _is_money(text: str) -> bool:
    """`$5` is money; `$5$` is a formula."""
    return text.count("$") - text.count("\\$") == 1


def _unicode(text: str) -> str:
    """Full-width and other digits to ASCII; superscripts to powers; signs to commands."""
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+", lambda match: "^{" + match.group().translate(_SUPERSCRIPTS) + "}", text)
    for sign, command in _SIGNS.items():
        text = text.replace(sign, command)
    text = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in text)


def _unwrap(text: str) -> str:
    """Take off the marks round a whole formula, and a full stop after it."""
    text, before = re.sub(r"(?<!\.)\.$", "", text.strip()).strip(), None
    while text != before:
        before = text
        for opening, closing in _WRAPPERS:
            inner = text[len(opening) : -len(closing)]
            if len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing):
                text = text if opening in inner else inner.strip()
    return text


def _plain_roots(text: str) -> str:
    r"""`sqrt(2)` and `\sqrt(2)` -> `\sqrt{2}`."""
    text = re.sub(r"(?<![A-Za-z\\])sqrt(?![A-Za-z])", r"\\sqrt", text)
    at = text.find(r"\sqrt(")
    while at >= 0:
        opening = at + len(r"\sqrt")
        end = closing(text, opening)
        if end is None:
            return text
        text = f"{text[:opening]}{{{text[opening + 1 : end]}}}{text[end + 1 :]}"
        at = text.find(r"\sqrt(", at + 1)
    return text


def _brace(text: str, command: str, count: int) -> str:
    r"""`\frac12`, `\frac\pi4`, `\sqrt5` with braces round each argument; from the right, so inner ones come first."""
    places = [match.end() for match in re.finditer(rf"\\{command}(?![A-Za-z])", text)]
    for place in reversed(places):
        at, arguments = place, ""
        if command == "sqrt" and text[at : at + 1] == "[":
            end = text.find("]", at)
            at, arguments = (end + 1, text[at : end + 1]) if end > 0 else (at, "")
        for _ in range(count):
            argument, at = _argument(text, at)
            arguments += f"{{{argument}}}"
        text = text[:place] + arguments + text[at:]
    return text


def _argument(text: str, at: int) -> tuple[str, int]:
    """The argument that starts at `at`: a group, a command with its own groups, or one character."""
    match = _ARGUMENT.match(text, at)
    if match is None:
        return "", len(text)
    if match.group(1) == "{":
        end = closing(text, match.start(1))
        return (text[match.end() : end], end + 1) if end is not None else (text[match.end() :], len(text))
    stop = match.end()
    while match.group(1).startswith("\\") and text[stop : stop + 1] == "{":
        end = closing(text, stop)
        if end is None:
            break
        stop = end + 1
    return text[match.start(1) : stop], stop


def closing(text: str, opening: int) -> int | None:
    """Where the bracket at `opening` closes, counting brackets of its own kind; None if it never does."""
    left = text[opening]
    right = {"{": "}", "(": ")", "[": "]"}[left]
    depth = 0
    for match in re.compile(f"[{re.escape(left + right)}]").finditer(text, opening):
        depth += 1 if match.group() == left else -1
        if depth == 0:
            return match.start()
    return None
