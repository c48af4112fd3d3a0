r"""Numbers and formulas in many spellings, and answers that are nearly theirs, for `grading_fuzz`.

A maker draws one answer of its kind and gives its spellings (`same`) and answers that differ from it (`other`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction

Random = random.Random
Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Made:
    """Spellings of one answer, and answers that are different from it."""

    kind: str
    same: tuple[str, ...]
    other: tuple[str, ...]
    golds: tuple[str, ...] = ()  # the spellings from which `other` differs for certain, if not all

    @property
    def certain(self) -> tuple[str, ...]:
        return self.golds or self.same


def some_integer(r: Random) -> int:
    return r.choice([r.randint(2, 9), r.randint(10, 99), r.randint(100, 9999), r.randint(10_000, 9_999_999)])


def integers(r: Random) -> Made:
    n = some_integer(r) * r.choice([1, 1, 1, -1])
    same = [str(n), f"{n}.0", f"{n}.00", rf"\frac{{{2 * n}}}{{2}}", f"x={n}", rf"\text{{{n}}}", f"{n}.", f"${n}$"]
    if abs(n) >= 1000:
        same += [f"{n:,}", f"{n:,}".replace(",", r"{,}"), f"{n:,}".replace(",", r",\!"), f"{n:,}".replace(",", " ")]
    if n > 0:
        same += [f"+{n}", f"{n} people", rf"{n}\text{{ apples}}", f"0{n}" if n < 100 else str(n)]
    digits = str(abs(n))
    other = [
        str(n + 1), str(-n), f"{n}0", f"{n}.5", f"1/{n}", rf"\frac{{1}}{{{abs(n)}}}", f"{n}x", rf"\sqrt{{{abs(n)}}}",
    ]  # fmt: skip
    other += [
        f"{n} or {n + 1}", f"{n}, {n + 1}", f"({n}, {n + 1})", f"{n} thousand", f"{abs(n)} eighths", f"{n}^2",
        f"{n}:1",
    ]  # fmt: skip
    other += [
        f"{abs(n)} lakh", f"{abs(n)} halves", f"{abs(n)} tens", f"√{abs(n)}", f"{n}e", f"e{n}",
        f"{n}!" if abs(n) > 2 else "7",
    ]  # fmt: skip
    if len(digits) > 1:
        other += [f"{digits[:-1]} {digits[-1]}", f"{digits[0]}/{digits[1:]}" if int(digits[1:]) else "0.5"]
    return Made("integer", tuple(same), tuple(other))


def decimals(r: Random) -> Made:
    value = Fraction(r.randint(1, 99_999), r.choice([10, 100, 1000]))
    if value.denominator == 1:
        value += Fraction(1, 4)
    text = f"{float(value):.4f}".rstrip("0")
    top, bottom = value.numerator, value.denominator
    same = (
        text, text + "0", f"{top}/{bottom}", rf"\frac{{{top}}}{{{bottom}}}", rf"\dfrac{{{3 * top}}}{{{3 * bottom}}}",
        text,
    )  # fmt: skip
    other = (
        f"{text}1", f"-{text}", f"{float(value + Fraction(1, 10)):.4f}".rstrip("0"), f"{top}/{bottom + 1}",
        text.replace(".", ""), text.replace(".", " "), f"{bottom}/{top}",
    )  # fmt: skip
    return Made("decimal", same, tuple(o for o in other if o != text))


def fractions(r: Random) -> Made:
    value = Fraction(r.randint(1, 99), r.randint(2, 99))
    if value.denominator == 1:
        value += Fraction(1, 7)
    p, q = value.numerator, value.denominator
    same = [
        f"{p}/{q}", rf"\frac{{{p}}}{{{q}}}", rf"\dfrac{{{p}}}{{{q}}}", rf"\tfrac{{{p}}}{{{q}}}",
        rf"\frac{{{2 * p}}}{{{2 * q}}}", f"{3 * p}/{3 * q}",
    ]  # fmt: skip
    same += [
        rf"-\frac{{{-p}}}{{{q}}}", rf"{p}\cdot\frac{{1}}{{{q}}}", rf"\left(\frac{{{q}}}{{{p}}}\right)^{{-1}}",
        f"({q}/{p})^(-1)", rf"\text{{{p}/{q}}}",
    ]  # fmt: skip
    if p < 10 and q < 10:
        same.append(rf"\frac{p}{q}" if False else rf"\frac{p}{q}".replace("rac", "rac"))
    whole, rest = divmod(p, q)
    if whole:
        same += [rf"{whole}\frac{{{rest}}}{{{q}}}", f"{whole} {rest}/{q}"]
    other = [
        f"{q}/{p}", f"{p + 1}/{q}", f"-{p}/{q}", f"{p}{q}", f"{p} {q}", f"{p}, {q}", f"({p}, {q})", f"{p}:{q}, 1",
        f"{p}/{q + 1}",
    ]  # fmt: skip
    if whole and int(f"{whole}{rest}") != p:  # 9 3/10 is 93/10
        other += [f"{whole}{rest}/{q}", rf"\frac{{{whole}{rest}}}{{{q}}}", f"{whole}+{rest}+{q}"]
    return Made("fraction", tuple(same), tuple(o for o in other if not _equal(o, value)))


def _equal(text: str, value: Fraction) -> bool:
    try:
        return Fraction(text.replace(" ", "?")) == value
    except (ValueError, ZeroDivisionError):
        return False


def powers(r: Random) -> Made:
    same: Texts
    other: Texts
    b, e = r.randint(2, 12), r.randint(2, 12)
    kind = r.choice(["number", "negative", "ten", "symbol"])
    if kind == "number":
        same = (f"{b}^{{{e}}}", f"{b}^{e}", f"{b}**{e}", f"{b}^({e})", str(b**e), rf"{b}\cdot {b}^{{{e - 1}}}")
        other = (
            f"{b}^{{{e + 1}}}", f"{b + 1}^{{{e}}}", f"{b} {e}", f"{b}{e}", str(b**e + 1), f"{b}^{{-{e}}}",
            f"{b}_{{{e}}}", f"-{b}^{{{e}}}", str(b * e) if b * e != b**e else "0",
        )  # fmt: skip
    elif kind == "negative":
        same = (
            f"{b}^{{-{e}}}", f"{b}^-{e}", f"{b}^(-{e})", f"{b}**(-{e})", rf"\frac{{1}}{{{b}^{{{e}}}}}", f"1/{b**e}",
        )  # fmt: skip
        other = (f"{b}^{{{e}}}", f"-{b}^{{{e}}}", f"{b}-{e}", f"{b}^{{-{e + 1}}}", f"1/{b**e + 1}")
    elif kind == "ten":
        same = (
            f"{b}e{e}", rf"{b}\times 10^{{{e}}}", f"{b}*10^{e}", rf"{b} \cdot 10^{e}", str(b * 10**e),
            f"{b}e+{e:02d}", f"{b * 10**e:,}",
        )  # fmt: skip
        other = (f"{b}e{e + 1}", f"{b}e-{e}", f"e{e}", f"{b}e", rf"{b}\times 10^{{-{e}}}", f"{b} {e}", f"{b + 1}e{e}")
    else:
        same = (
            f"x^{{{e}}}", f"x^{e}", f"x**{e}", f"x^({e})", rf"x \cdot x^{{{e - 1}}}", f"x^({e - 1}+1)",
            f"1/x^(-{e})",
        )  # fmt: skip
        other = (f"x^{{{e + 1}}}", f"{e}x", f"x_{{{e}}}", f"x{e}", f"x^{{-{e}}}", f"y^{{{e}}}", f"-x^{{{e}}}")
    return Made(f"power, {kind}", same, other)


def roots(r: Random) -> Made:
    a, n = r.randint(2, 9), r.choice([2, 3, 5, 6, 7, 10, 11, 13, 15, 17, 19, 21, 23, 26, 29, 31, 101])
    same = [
        rf"{a}\sqrt{{{n}}}", f"{a}√{n}", f"{a}sqrt({n})", f"{a}*sqrt({n})", rf"\sqrt{{{a * a * n}}}",
        f"√{a * a * n}", f"sqrt{a * a * n}",
    ]  # fmt: skip
    same += [
        rf"\frac{{{a * n}}}{{\sqrt{{{n}}}}}", f"{a}*{n}^(1/2)", rf"{a}\cdot {n}^{{0.5}}", rf"\sqrt{{{n}}}\cdot {a}",
    ]  # fmt: skip
    other = [
        rf"\sqrt{{{a * n}}}", f"√{a}{n}" if a * a * n != int(f"{a}{n}") else "2", rf"{a + 1}\sqrt{{{n}}}",
        rf"{a}\sqrt{{{n + 1}}}", f"{a * n}", f"{a}{n}", rf"-{a}\sqrt{{{n}}}",
    ]  # fmt: skip
    other += [rf"{a}\sqrt[3]{{{n}}}", f"{a}+√{n}", f"{a * n**0.5:.6f}", f"{a} {n}"]
    return Made("root", tuple(same), tuple(other))


def constants(r: Random) -> Made:
    same: Texts
    other: Texts
    a, b = r.randint(2, 40), r.randint(2, 9)
    kind = r.choice(["pi", "e", "i", "log", "trig"])
    if kind == "pi":
        same = (
            rf"{a}\pi", f"{a}π", f"{a}pi", f"{a}*pi", rf"{a}\mathrm{{\pi}}", rf"{a}\cdot\pi",
            rf"\frac{{{a * b}\pi}}{{{b}}}",
        )  # fmt: skip
        other = (
            rf"{a + 1}\pi", str(a), rf"\frac{{\pi}}{{{a}}}", rf"{a}+\pi", f"{a * 3.141592653589793:.8f}",
            rf"\pi^{{{a}}}", f"{a}p",
        )  # fmt: skip
    elif kind == "e":
        same = (
            rf"{a}e^{{{b}}}", rf"{a}\mathrm{{e}}^{{{b}}}", f"{a}*exp({b})", f"{a}e^({b})", rf"{a}\exp({b})",
            rf"{a} {{\rm e}}^{b}",
        )  # fmt: skip
        other = (
            rf"{a}e^{{{b + 1}}}", f"{a}e{b}", rf"{a}^{{{b}}}", str(a), rf"{a}+e^{{{b}}}", rf"{a}e^{{-{b}}}",
            f"{a}x^{b}",
        )  # fmt: skip
    elif kind == "i":
        same = (f"{a}+{b}i", f"{b}i+{a}", rf"{a}+{b}\mathrm{{i}}", f"{a} + {b}*I", f"z = {a} + {b}i")
        other = (f"{a}-{b}i", f"{b}+{a}i" if a != b else "1+i", f"{a}+{b}", f"{a + 1}+{b}i", f"{a}", f"({a}, {b})")
    elif kind == "log":
        same = (
            rf"\log_{{{b}}} {a}", f"log_{b}({a})", rf"\log_{b}({a})", rf"\frac{{\ln {a}}}{{\ln {b}}}",
            rf"\operatorname{{log}}_{{{b}}} {a}",
        )  # fmt: skip
        other = (
            rf"\log_{{{a}}} {b}" if a != b else r"\log_{3} 2", rf"\log_{{{b}}} {a + 1}", rf"\log {a}{b}", f"{a}",
            rf"\frac{{{a}}}{{{b + 10}}}", rf"-\log_{{{b}}} {a}" if a > 1 else "9",
        )  # fmt: skip
    else:
        same = (
            rf"\arctan({a})", f"arctan({a})", rf"\tan^{{-1}}({a})", rf"\operatorname{{arctan}}({a})", f"atan({a})",
            rf"\mathrm{{arctan}}\left({a}\right)",
        )  # fmt: skip
        other = (rf"\arctan({a + 1})", rf"\tan({a})", rf"\arctan(-{a})", rf"\arcsin(\frac{{1}}{{{a}}})", str(a))
    return Made(f"constant, {kind}", same, other)


def polynomials(r: Random) -> Made:
    a, b = r.randint(1, 9), r.randint(1, 9)
    s, p = a + b, a * b
    same = (
        f"(x+{a})(x+{b})", f"x^2+{s}x+{p}", f"{p}+{s}x+x^{{2}}", f"x**2 + {s}*x + {p}", f"(x+{b})*(x+{a})",
        f"x²+{s}x+{p}", rf"x^2 + {s} \cdot x + {p}",
    )  # fmt: skip
    other = (
        f"(x-{a})(x+{b})", f"x^2+{s + 1}x+{p}", f"x^2+{s}x-{p}", f"x^2+{s}x+{p + 1}", f"x^3+{s}x+{p}",
        f"y^2+{s}y+{p}", f"x_2+{s}x+{p}", str(p),
    )  # fmt: skip
    return Made("polynomial", same, other)
