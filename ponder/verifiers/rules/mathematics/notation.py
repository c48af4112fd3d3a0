r"""One spelling for the many ways to write the same mathematics. Text in, text out; nothing is computed.

`normalise` turns Unicode, plain text and LaTeX variants into one LaTeX dialect: `\frac{a}{b}`, `\sqrt{a}`, `\pi`,
`\cdot`, no sizing commands, no dollar signs, no spacing commands, no full stop at the end. Money keeps its `\$`.
"""

from __future__ import annotations

import re
import unicodedata

from ponder.verifiers.rules.mathematics.finding.vocabulary import word_set

_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣʸ", "0123456789+-=()nixy")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₕₖₗₘₙₚₛₜᵢⱼᵣᵤᵥ", "0123456789+-=()aeoxhklmnpstijruv")
_RAISED_RUN = re.compile(f"[{''.join(map(chr, _RAISED))}]+")
_LOWERED_RUN = re.compile(f"[{''.join(map(chr, _LOWERED))}]+")
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau",
    "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda",
    "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
_SIGNS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "‒": "-", "×": r"\cdot ", "·": r"\cdot ", "⋅": r"\cdot ",
    "∗": r"\cdot ", "•": r"\cdot ", "÷": "/", "∞": r"\infty ", "≤": r"\leq ", "≥": r"\geq ",
    "⩽": r"\leq ", "⩾": r"\geq ", "≦": r"\leq ",
    "≧": r"\geq ", "≠": r"\neq ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "±": r"\pm ",
    "∓": r"\mp ", "°": r"^{\circ}", "∅": r"\emptyset ", "∨": r"\lor ", "∧": r"\land ", "≈": r"\approx ",
    "⟨": r"\langle ", "⟩": r"\rangle ", "∠": r"\angle ", "△": r"\triangle ", "′": "'", "∣": r"\mid ",
    "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ", "ℝ": r"\mathbb{R}", "∖": r"\setminus ",
    "€": r"\text{ euro}", "∛": r"\sqrt[3]", "∜": r"\sqrt[4]",
    **{letter: rf"\{name} " for letter, name in _GREEK.items()},
}  # fmt: skip
_FUNCTIONS = word_set(
    "sin cos tan sec csc cot arcsin arccos arctan sinh cosh tanh ln log exp",
)
_SHORT_NAMES = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "infinity": "infty", "inf": "infty", "oo": "infty",
    "pi": "pi", "theta": "theta", "alpha": "alpha", "beta": "beta",
}  # fmt: skip
# Single letters that name a unit where they stand behind a number; elsewhere a letter in upright type is a letter.
_UNIT_LETTERS = frozenset("mgshlLAVNKJWCFT")
_FONTS = (
    r"text|mbox|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|operatorname|operatorname\*|textsf|mathsf|bf|rm"
)
_FONT = re.compile(rf"\\(?:{_FONTS})\s*\{{([^{{}}]*)\}}|\{{\s*\\(?:rm|bf|it|sf)(?![A-Za-z])\s*([^{{}}]*)\}}")
_AMOUNT = re.compile(r"([-+]?\s*(?:\\?\$)?\s*\d[\d,]*(?:\.\d+)?(?:/\d+)?)\s*([A-Za-z][A-Za-z.]*(?: [A-Za-z]+)*)")
# Applied in order. Sizing and spacing first, then synonyms.
_REWRITES: tuple[tuple[str, str], ...] = (
    (r"\\\\\s*\[\s*-?[\d.]+\s*(?:pt|em|ex|mm|cm|in|mu)\s*\]", r"\\\\ "),
    (r"\{,\}|,\\!\s*|,\\,(?=\d{3})", ","),
    (r"\\(?:left|right|middle|bigl?|bigr?|Bigl?|Bigr?|displaystyle|textstyle|limits|nolimits)(?![A-Za-z])\s*", ""),
    (r"\\!", ""),
    (r"(?<!\\)\\[,;:> ]|~|\\q?quad(?![A-Za-z])|\\hspace\{[^{}]*\}", " "),
    (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
    (r"\\(?:lbrace|\{)", r"\\{"),
    (r"\\(?:rbrace|\})", r"\\}"),
    (r"\\(?:lvert|rvert|vert)(?![A-Za-z])", "|"),
    (r"\\(?:le|leqslant|leqq)(?![A-Za-z])", r"\\leq "),
    (r"\\(?:ge|geqslant|geqq)(?![A-Za-z])", r"\\geq "),
    (r"\\ne(?![A-Za-z])|!=|/=(?=\s*-?\d)", r"\\neq "),
    (r"\\(?:lt)(?![A-Za-z])", "<"),
    (r"\\(?:gt)(?![A-Za-z])", ">"),
    (r"\\(?:times|ast)(?![A-Za-z])", r"\\cdot "),
    (r"\\div(?![A-Za-z])", "/"),
    (r"\\(?:varnothing)(?![A-Za-z])", r"\\emptyset "),
    (r"\\(?:lor|vee)(?![A-Za-z])", r"\\text{or}"),
    (r"\\(?:land|wedge)(?![A-Za-z])", r"\\text{and}"),
    (r"\\langle(?![A-Za-z])\s*", "("),
    (r"\s*\\rangle(?![A-Za-z])", ")"),
    (r"^<([^<>=]*,[^<>=]*)>$", r"(\1)"),
    (r"(begin|end)\{(?:bmatrix|array|matrix|smallmatrix)\}(?:\{[lcr|]*\})?", r"\1{pmatrix}"),
    (r"\^\s*\{?\s*\\circ\s*\}?", r"^{\\circ}"),
    (r"\\(?:degree|degrees)(?![A-Za-z])", r"^{\\circ}"),
    (r"\\%", "%"),
    (r"(?<=\d) [xX] (?=10\s*(?:\^|\*\*))", r"\\cdot "),
    (r"\\\$\s+", r"\\$"),
    (r"\*\*", "^"),
    (r"\*", r"\\cdot "),
    (r"<=", r"\\leq "),
    (r">=", r"\\geq "),
    # 1e-7 is a number as programs write it; a mixed number in plain text is one in LaTeX.
    (r"(?<![\w.}\\])(\d+(?:\.\d*)?|\.\d+)[eE]([-+]?)0*(\d+)(?![\w.])", r"\1\\cdot 10^{\2\3}"),
    (r"(?<![\w./}^\\])(\d+) +(\d+)\s?/\s?(\d+)(?![\d./])", r"\1\\frac{\2}{\3}"),
    (r"\\dot\{?(\d)\}?((?:\d*)\\dot\{?(\d)\}?)", r"\\overline{\1\2}"),
    (r"\\dot\{?(\d)\}?\}?$", r"\\overline{\1}"),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement in _REWRITES)
_WRAPPERS = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"), ("`", "`"), ("“", "”"), ('"', '"'))
_ARGUMENT = re.compile(r"\s*(\\[A-Za-z]+|\S)")
_TEXT = re.compile(r"(\\text\{[^{}]*\})")
_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]+")
_EXPONENT = re.compile(r"\s*([\^_])\s*(?:(\()|([-+]?)\s*(\d+(?:\.\d+)?|\.\d+|\\[A-Za-z]+|pi|infty|[A-Za-z]))")


def normalise(text: str) -> str:
    """The one spelling; the same for any text that already has it."""
    text = _unwrap(_unicode(text)).replace("\\$", "\0").replace("$", "\0" if _is_money(text) else "")
    text = text.replace("\0", r"\$")
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    text = _FONT.sub(_upright, text)
    text = "".join(part if part.startswith(r"\text{") else _named(part) for part in _TEXT.split(text))
    text = re.sub(r"\s+(?=[_^])", "", text)
    text = _exponents(_brace(_brace(_roots(text), "sqrt", 1), "frac", 2))
    # A full stop or a half-cut "\ " at the end is no part of the answer; an ellipsis is.
    return re.sub(r"(?<!\.)[.;,]$|(?<!\\)\\$", "", re.sub(r"\s+", " ", text).strip()).rstrip()


def compact(text: str) -> str:
    """A normalised text without spaces that mean nothing; those between digits and letters stay (`1 2` is no 12)."""
    return re.sub(r"(?<![0-9A-Za-z.]) | (?![0-9A-Za-z.])", "", text)


def _is_money(text: str) -> bool:
    """`$5` is money; `$5$` is a formula."""
    return text.count("$") - text.count("\\$") == 1


def _unicode(text: str) -> str:
    """Full-width and other digits to ASCII; raised and lowered digits to powers and indices; signs to commands."""
    text = _RAISED_RUN.sub(lambda match: "^{" + match.group().translate(_RAISED) + "}", text)
    text = _LOWERED_RUN.sub(lambda match: "_{" + match.group().translate(_LOWERED) + "}", text)
    text = "".join(_fraction(character) for character in text)
    for sign, command in _SIGNS.items():
        text = text.replace(sign, command)
    text = re.sub(r"√\s*(\d+(?:\.\d+)?)", r"\\sqrt{\1}", text).replace("√", r"\sqrt")
    text = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in text)


def _fraction(character: str) -> str:
    """`⅔` as a fraction; any other character as it is."""
    if character.isascii() or not unicodedata.decomposition(character).startswith("<fraction>"):
        return character
    top, _, bottom = unicodedata.normalize("NFKC", character).partition("\u2044")
    return rf"\frac{{{top}}}{{{bottom}}}" if bottom else character


def _upright(match: re.Match[str]) -> str:
    """Upright and bold type: constants, functions and numbers are what they are in any type; words stay text."""
    content = (match.group(1) if match.group(1) is not None else match.group(2)).strip()
    if content in _FUNCTIONS:
        return rf"\{content} "
    if content == "infinity":
        return r"\infty "
    if not re.search("[A-Za-z]", content) or re.fullmatch(r"\\[A-Za-z]+", content):
        return f" {content} " if content.startswith("\\") else content
    behind_number = re.search(r"[\d})]\s*$", match.string[max(0, match.start() - 8) : match.start()])
    if len(content) == 1 and not (behind_number and content in _UNIT_LETTERS):
        return content
    amount = _AMOUNT.fullmatch(content)
    return rf"{amount.group(1)} \text{{{amount.group(2)}}}" if amount else rf"\text{{{content}}}"


def _named(part: str) -> str:
    """Names of functions and constants in plain text as commands: `arctan(2)`, `2pi`, `log_2(3)`."""

    def command(match: re.Match[str]) -> str:
        name = _SHORT_NAMES.get(match.group(), match.group())
        known = name in _FUNCTIONS or match.group() in _SHORT_NAMES
        return rf"\{name} " if known else match.group()

    part = re.sub(r"(?<![A-Za-z\\])log(2|10)(?=\()", r"\\log_{\1}", part)
    part = _WORD.sub(command, part)
    at = 0
    while match := re.compile(r"\\exp\s*([({])").search(part, at):
        end = closing(part, match.start(1))
        if end is None:
            break
        part = f"{part[: match.start()]}e^{{{part[match.end() : end]}}}{part[end + 1 :]}"
        at = match.start() + 1
    return part


def _exponents(text: str) -> str:
    """Braces round what is raised or lowered: `x^(n+1)`, `10^-3`, `x^12`, `a_1`."""
    pieces, at = [], 0
    while match := _EXPONENT.search(text, at):
        sign, opening = match.group(1), match.group(2)
        pieces.append(text[at : match.start()])
        end = match.end()
        if opening:
            last = closing(text, match.start(2))
            if last is None or sign == "_":
                pieces.append(match.group())
                at = end
                continue
            inner, end = _exponents(text[end:last]), last + 1
        elif match.group(4).startswith("\\"):
            argument, end = _argument(text, match.start(4))
            inner = match.group(3) + argument
        else:
            inner = match.group(3) + match.group(4)
        pieces.append(f"{sign}{{{inner}}}")
        at = end
    return "".join([*pieces, text[at:]])


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


def _roots(text: str) -> str:
    r"""`sqrt(2)`, `sqrt13` and `\sqrt(2)` -> `\sqrt{2}`."""
    text = re.sub(r"(?<![A-Za-z\\])sqrt\s*(\d+(?:\.\d+)?)", r"\\sqrt{\1}", text)
    text = re.sub(r"(?<![A-Za-z\\])sqrt(?![A-Za-z])", r"\\sqrt", text)
    at = 0
    while match := re.compile(r"\\sqrt\s*(\()").search(text, at):
        opening = match.start(1)
        end = closing(text, opening)
        if end is None:
            return text
        text = f"{text[:opening]}{{{text[opening + 1 : end]}}}{text[end + 1 :]}"
        at = opening
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
