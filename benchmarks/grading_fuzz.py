r"""Known-equal and known-different pairs of answers across the grammar, and what the grader makes of them.

    python -m benchmarks.grading_fuzz [--pairs 100000] [--seed 0] [--workers 2]

A pair is made from one answer (a number, fraction, power, root, amount of money, list, interval, matrix, relation, word,
...) and another spelling of it, or a change that makes it another answer: a digit, a sign, a bracket, a member, a word
that changes a number, a space between digits. The answer stands in a response as people and models write it: in a box,
in dollar signs behind "the answer is", in tags, behind a heading. No different pair may be right (false credit), and
fewer than 0.5 % of the equal ones may be refused.

The same pairs are put to the vote: equal answers should be one class and different ones two.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from ponder.verifiers.rules.mathematics.canonical import canonical
from ponder.verifiers.rules.mathematics.pool import MathVerifier

Random = random.Random


@dataclass(frozen=True, slots=True)
class Pair:
    """A gold answer, a response, whether the response is right, and what kind of pair it is."""

    gold: str
    response: str
    equal: bool
    kind: str


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


def _whole(r: Random) -> int:
    return r.choice([r.randint(2, 9), r.randint(10, 99), r.randint(100, 9999), r.randint(10_000, 9_999_999)])


def integers(r: Random) -> Made:
    n = _whole(r) * r.choice([1, 1, 1, -1])
    same = [str(n), f"{n}.0", f"{n}.00", rf"\frac{{{2 * n}}}{{2}}", f"x={n}", rf"\text{{{n}}}", f"{n}.", f"${n}$"]
    if abs(n) >= 1000:
        same += [f"{n:,}", f"{n:,}".replace(",", r"{,}"), f"{n:,}".replace(",", r",\!"), f"{n:,}".replace(",", " ")]
    if n > 0:
        same += [f"+{n}", f"{n} people", rf"{n}\text{{ apples}}", f"0{n}" if n < 100 else str(n)]
    digits = str(abs(n))
    other = [
        str(n + 1),
        str(-n),
        f"{n}0",
        f"{n}.5",
        f"1/{n}",
        rf"\frac{{1}}{{{abs(n)}}}",
        f"{n}x",
        rf"\sqrt{{{abs(n)}}}",
    ]
    other += [
        f"{n} or {n + 1}",
        f"{n}, {n + 1}",
        f"({n}, {n + 1})",
        f"{n} thousand",
        f"{abs(n)} eighths",
        f"{n}^2",
        f"{n}:1",
    ]
    other += [
        f"{abs(n)} lakh",
        f"{abs(n)} halves",
        f"{abs(n)} tens",
        f"√{abs(n)}",
        f"{n}e",
        f"e{n}",
        f"{n}!" if abs(n) > 2 else "7",
    ]
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
        text,
        text + "0",
        f"{top}/{bottom}",
        rf"\frac{{{top}}}{{{bottom}}}",
        rf"\dfrac{{{3 * top}}}{{{3 * bottom}}}",
        f"{text}0%" if False else text,
    )
    other = (
        f"{text}1",
        f"-{text}",
        f"{float(value + Fraction(1, 10)):.4f}".rstrip("0"),
        f"{top}/{bottom + 1}",
        text.replace(".", ""),
        text.replace(".", " "),
        f"{bottom}/{top}",
    )
    return Made("decimal", same, tuple(o for o in other if o != text))


def fractions(r: Random) -> Made:
    value = Fraction(r.randint(1, 99), r.randint(2, 99))
    if value.denominator == 1:
        value += Fraction(1, 7)
    p, q = value.numerator, value.denominator
    same = [
        f"{p}/{q}",
        rf"\frac{{{p}}}{{{q}}}",
        rf"\dfrac{{{p}}}{{{q}}}",
        rf"\tfrac{{{p}}}{{{q}}}",
        rf"\frac{{{2 * p}}}{{{2 * q}}}",
        f"{3 * p}/{3 * q}",
    ]
    same += [
        rf"-\frac{{{-p}}}{{{q}}}",
        rf"{p}\cdot\frac{{1}}{{{q}}}",
        rf"\left(\frac{{{q}}}{{{p}}}\right)^{{-1}}",
        f"({q}/{p})^(-1)",
        rf"\text{{{p}/{q}}}",
    ]
    if p < 10 and q < 10:
        same.append(rf"\frac{p}{q}" if False else rf"\frac{p}{q}".replace("rac", "rac"))
    whole, rest = divmod(p, q)
    if whole:
        same += [rf"{whole}\frac{{{rest}}}{{{q}}}", f"{whole} {rest}/{q}"]
    other = [
        f"{q}/{p}",
        f"{p + 1}/{q}",
        f"-{p}/{q}",
        f"{p}{q}",
        f"{p} {q}",
        f"{p}, {q}",
        f"({p}, {q})",
        f"{p}:{q}, 1",
        f"{p}/{q + 1}",
    ]
    if whole:
        other += [f"{whole}{rest}/{q}", rf"\frac{{{whole}{rest}}}{{{q}}}", f"{whole}+{rest}+{q}"]
    return Made("fraction", tuple(same), tuple(o for o in other if not _equal(o, value)))


def _equal(text: str, value: Fraction) -> bool:
    try:
        return Fraction(text.replace(" ", "?")) == value
    except (ValueError, ZeroDivisionError):
        return False


def powers(r: Random) -> Made:
    b, e = r.randint(2, 12), r.randint(2, 12)
    kind = r.choice(["number", "negative", "ten", "symbol"])
    if kind == "number":
        same = (f"{b}^{{{e}}}", f"{b}^{e}", f"{b}**{e}", f"{b}^({e})", str(b**e), rf"{b}\cdot {b}^{{{e - 1}}}")
        other = (
            f"{b}^{{{e + 1}}}",
            f"{b + 1}^{{{e}}}",
            f"{b} {e}",
            f"{b}{e}",
            str(b**e + 1),
            f"{b}^{{-{e}}}",
            f"{b}_{{{e}}}",
            f"-{b}^{{{e}}}",
            str(b * e) if b * e != b**e else "0",
        )
    elif kind == "negative":
        same = (f"{b}^{{-{e}}}", f"{b}^-{e}", f"{b}^(-{e})", f"{b}**(-{e})", rf"\frac{{1}}{{{b}^{{{e}}}}}", f"1/{b**e}")
        other = (f"{b}^{{{e}}}", f"-{b}^{{{e}}}", f"{b}-{e}", f"{b}^{{-{e + 1}}}", f"1/{b**e + 1}")
    elif kind == "ten":
        same = (
            f"{b}e{e}",
            rf"{b}\times 10^{{{e}}}",
            f"{b}*10^{e}",
            rf"{b} \cdot 10^{e}",
            str(b * 10**e),
            f"{b}e+{e:02d}",
            f"{b * 10**e:,}",
        )
        other = (
            f"{b}e{e + 1}",
            f"{b}e-{e}",
            f"e{e}",
            f"{b}e",
            rf"{b}\times 10^{{-{e}}}",
            f"{b} {e}",
            f"{b}10^{e}" if False else f"{b + 1}e{e}",
        )
    else:
        same = (
            f"x^{{{e}}}",
            f"x^{e}",
            f"x**{e}",
            f"x^({e})",
            rf"x \cdot x^{{{e - 1}}}",
            f"x^({e - 1}+1)",
            f"1/x^(-{e})",
        )
        other = (f"x^{{{e + 1}}}", f"{e}x", f"x_{{{e}}}", f"x{e}", f"x^{{-{e}}}", f"y^{{{e}}}", f"-x^{{{e}}}")
    return Made(f"power, {kind}", same, other)


def roots(r: Random) -> Made:
    a, n = r.randint(2, 9), r.choice([2, 3, 5, 6, 7, 10, 11, 13, 15, 17, 19, 21, 23, 26, 29, 31, 101])
    same = [
        rf"{a}\sqrt{{{n}}}",
        f"{a}√{n}",
        f"{a}sqrt({n})",
        f"{a}*sqrt({n})",
        rf"\sqrt{{{a * a * n}}}",
        f"√{a * a * n}",
        f"sqrt{a * a * n}",
    ]
    same += [
        rf"\frac{{{a * n}}}{{\sqrt{{{n}}}}}",
        f"{a}*{n}^(1/2)",
        rf"{a}\cdot {n}^{{0.5}}",
        rf"\sqrt{{{n}}}\cdot {a}",
    ]
    other = [
        rf"\sqrt{{{a * n}}}",
        f"√{a}{n}" if a * a * n != int(f"{a}{n}") else "2",
        rf"{a + 1}\sqrt{{{n}}}",
        rf"{a}\sqrt{{{n + 1}}}",
        f"{a * n}",
        f"{a}{n}",
        rf"-{a}\sqrt{{{n}}}",
    ]
    other += [rf"{a}\sqrt[3]{{{n}}}", f"{a}+√{n}", f"{a * n**0.5:.6f}", f"{a} {n}"]
    return Made("root", tuple(same), tuple(other))


def constants(r: Random) -> Made:
    a, b = r.randint(2, 40), r.randint(2, 9)
    kind = r.choice(["pi", "e", "i", "log", "trig"])
    if kind == "pi":
        same = (
            rf"{a}\pi",
            f"{a}π",
            f"{a}pi",
            f"{a}*pi",
            rf"{a}\mathrm{{\pi}}",
            rf"{a}\cdot\pi",
            rf"\frac{{{a * b}\pi}}{{{b}}}",
        )
        other = (
            rf"{a + 1}\pi",
            str(a),
            rf"\frac{{\pi}}{{{a}}}",
            rf"{a}+\pi",
            f"{a * 3.141592653589793:.8f}",
            rf"\pi^{{{a}}}",
            f"{a}p",
        )
    elif kind == "e":
        same = (
            rf"{a}e^{{{b}}}",
            rf"{a}\mathrm{{e}}^{{{b}}}",
            f"{a}*exp({b})",
            f"{a}e^({b})",
            rf"{a}\exp({b})",
            rf"{a} {{\rm e}}^{b}",
        )
        other = (
            rf"{a}e^{{{b + 1}}}",
            f"{a}e{b}",
            rf"{a}^{{{b}}}",
            str(a),
            rf"{a}+e^{{{b}}}",
            rf"{a}e^{{-{b}}}",
            f"{a}x^{b}",
        )
    elif kind == "i":
        same = (f"{a}+{b}i", f"{b}i+{a}", rf"{a}+{b}\mathrm{{i}}", f"{a} + {b}*I", f"z = {a} + {b}i")
        other = (
            f"{a}-{b}i",
            f"{b}+{a}i" if a != b else "1+i",
            f"{a}+{b}",
            f"{a}+{b}j" if False else f"{a + 1}+{b}i",
            f"{a}",
            f"({a}, {b})",
        )
    elif kind == "log":
        same = (
            rf"\log_{{{b}}} {a}",
            f"log_{b}({a})",
            rf"\log_{b}({a})",
            rf"\frac{{\ln {a}}}{{\ln {b}}}",
            rf"\operatorname{{log}}_{{{b}}} {a}",
        )
        other = (
            rf"\log_{{{a}}} {b}" if a != b else r"\log_{3} 2",
            rf"\log_{{{b}}} {a + 1}",
            rf"\log {a}{b}",
            f"{a}",
            rf"\frac{{{a}}}{{{b}}}",
            rf"-\log_{{{b}}} {a}" if a > 1 else "9",
        )
    else:
        same = (
            rf"\arctan({a})",
            f"arctan({a})",
            rf"\tan^{{-1}}({a})",
            rf"\operatorname{{arctan}}({a})",
            f"atan({a})",
            rf"\mathrm{{arctan}}\left({a}\right)",
        )
        other = (rf"\arctan({a + 1})", rf"\tan({a})", rf"\arctan(-{a})", rf"\arcsin(\frac{{1}}{{{a}}})", str(a))
    return Made(f"constant, {kind}", same, other)


def polynomials(r: Random) -> Made:
    a, b = r.randint(1, 9), r.randint(1, 9)
    s, p = a + b, a * b
    same = (
        f"(x+{a})(x+{b})",
        f"x^2+{s}x+{p}",
        f"{p}+{s}x+x^{{2}}",
        f"x**2 + {s}*x + {p}",
        f"(x+{b})*(x+{a})",
        f"x²+{s}x+{p}",
        rf"x^2 + {s} \cdot x + {p}",
    )
    other = (
        f"(x-{a})(x+{b})",
        f"x^2+{s + 1}x+{p}",
        f"x^2+{s}x-{p}",
        f"x^2+{s}x+{p + 1}",
        f"x^3+{s}x+{p}",
        f"y^2+{s}y+{p}",
        f"x_2+{s}x+{p}",
        str(p),
    )
    return Made("polynomial", same, other)


def lists(r: Random) -> Made:
    values = r.sample(range(-20, 60), r.randint(2, 4))
    a, shuffled = values, r.sample(values, len(values))
    join = ", ".join
    same = [
        join(map(str, shuffled)),
        rf"\{{{join(map(str, shuffled))}\}}",
        " , ".join(map(str, a)),
        "; ".join(map(str, a)),
        rf"x = {join(map(str, a))}",
    ]
    same += [
        r" \text{ and } ".join(map(str, shuffled))
        if len(a) == 2
        else join(map(str, a[:-1])) + rf", \text{{ and }} {a[-1]}",
        join(f"x={v}" for v in a),
    ]
    changed = [*a[:-1], a[-1] + 100]
    other = [
        join(map(str, changed)),
        join(map(str, a[:-1])),
        join(map(str, [*a, 99])),
        f"({join(map(str, a))})",
        "".join(map(str, a)),
        " ".join(map(str, a)),
        str(a[0]),
        f"[{join(map(str, a))}]",
    ]
    other.append(join(map(str, [*a[:-1], a[0]])))
    return Made("list", tuple(same), tuple(other))


def tuples(r: Random) -> Made:
    a, b = r.sample(range(-30, 31), 2)
    same = (
        f"({a},{b})",
        f"({a}, {b})",
        rf"\left({a}, {b}\right)",
        f"(x,y)=({a},{b})",
        rf"\langle {a}, {b} \rangle",
        f"({a}.0, {b})",
        f"x={a}, y={b}",
        rf"({a},\ {b})",
        f"(\\frac{{{2 * a}}}{{2}},{b})",
    )
    other = (
        f"({b},{a})",
        f"({a},{b + 1})",
        f"{a},{b}",
        f"[{a},{b}]",
        f"({a}{b})",
        f"({-a - 1},{b})",
        f"({a},{b},0)",
        str(a),
        rf"\begin{{pmatrix}}{a}\\{b}\end{{pmatrix}}",
        f"{a}/{b}" if b else "0",
        f"x={b}, y={a}",
    )
    return Made("tuple", same, other, tuple(s for s in same if not s.startswith("x=")))


def intervals(r: Random) -> Made:
    a = r.randint(-20, 20)
    b = a + r.randint(1, 30)
    kind = r.choice(["bounded", "ray", "union"])
    if kind == "bounded":
        same = (
            f"[{a},{b})",
            rf"\left[{a}, {b}\right)",
            rf"{a} \le x < {b}",
            f"{a}<=x<{b}",
            f"{a} ≤ x < {b}",
            rf"x \in [{a},{b})",
            rf"x \ge {a} \text{{ and }} x < {b}",
            rf"\{{x \mid {a} \le x < {b}\}}",
        )
        other = (
            f"[{a},{b}]",
            f"({a},{b})",
            f"({a},{b}]",
            f"[{a},{b + 1})",
            f"[{a - 1},{b})",
            rf"x \ge {a}",
            f"{a},{b}",
            rf"{a} < x < {b}",
            str(b),
            rf"x \ge {a} \text{{ or }} x < {b}",
        )
    elif kind == "ray":
        same = (
            rf"({a},\infty)",
            rf"x > {a}",
            f"x>{a}",
            f"{a} < x",
            rf"(\,{a}, +\infty)",
            rf"x \in ({a},\infty)",
            rf"\{{x : x > {a}\}}",
            f"({a}, ∞)",
            f"({a}, inf)",
        )
        other = (
            rf"[{a},\infty)",
            rf"x < {a}",
            rf"x \ge {a}",
            rf"({a + 1},\infty)",
            str(a),
            f"x={a}",
            rf"(-\infty,{a})",
            rf"x \ne {a}",
            f"({a},{a + 9})",
        )
    else:
        same = (
            rf"(-\infty,{a})\cup({b},\infty)",
            rf"({b},\infty)\cup(-\infty,{a})",
            rf"x<{a} \text{{ or }} x>{b}",
            f"x>{b} or x<{a}",
            f"(-∞,{a}) ∪ ({b},∞)",
            rf"x<{a} \lor x>{b}",
        )
        other = (
            rf"(-\infty,{a}]\cup({b},\infty)",
            rf"(-\infty,{a})\cup[{b},\infty)",
            rf"x<{a} \text{{ and }} x>{b}",
            rf"({a},{b})",
            rf"x<{a}",
            rf"(-\infty,{a})\cup({b + 1},\infty)",
            f"{a}, {b}",
        )
    return Made(f"interval, {kind}", same, other)


def matrices(r: Random) -> Made:
    a, b, c, d = (r.randint(-9, 9) for _ in range(4))
    body = rf"{a} & {b} \\ {c} & {d}"
    same = (
        *tuple(rf"\begin{{{k}}} {body} \end{{{k}}}" for k in ("pmatrix", "bmatrix")),
        rf"\begin{{pmatrix}}{a}&{b}\\[4pt]{c}&{d}\end{{pmatrix}}",
        rf"\left[\begin{{array}}{{cc}} {body} \end{{array}}\right]",
        rf"A = \begin{{pmatrix}} {body} \end{{pmatrix}}",
        rf"\begin{{pmatrix}} {a}.0 & {b} \\ {c} & \frac{{{2 * d}}}{{2}} \end{{pmatrix}}",
    )
    other = (
        rf"\begin{{pmatrix}} {a + 1} & {b} \\ {c} & {d} \end{{pmatrix}}",
        rf"\begin{{pmatrix}} {a} & {b} & {c} & {d} \end{{pmatrix}}",
        rf"\begin{{pmatrix}} {a} \\ {b} \\ {c} \\ {d} \end{{pmatrix}}",
        str(d),
        f"({a},{b},{c},{d})",
        f"{a},{b},{c},{d}",
        rf"\begin{{pmatrix}} {a} & {b} \\ {c} & {d} \\ 0 & 0 \end{{pmatrix}}",
        rf"-\begin{{pmatrix}} {a} & {b + 1} \\ {c} & {d} \end{{pmatrix}}",
    )
    return Made("matrix", same, other)


def equations(r: Random) -> Made:
    kind = r.choice(["line", "named", "ratio"])
    m, c = r.randint(2, 9), r.randint(1, 4 if kind == "ratio" else 9)  # 3:15 may be a time of day
    if kind == "line":
        same = (
            f"y={m}x+{c}",
            f"y = {c} + {m}x",
            f"{m}x - y + {c} = 0",
            f"y-{m}x={c}",
            f"{2 * m}x-2y+{2 * c}=0",
            f"y = {m}*x + {c}",
        )
        other = (
            f"y={m}x-{c}",
            f"y={m + 1}x+{c}",
            f"y={m}x+{c + 1}",
            f"{m}x + y + {c} = 0",
            f"y={c}",
            str(m),
            f"z={m}z+{c}",
        )
    elif kind == "named":
        name = r.choice(["f(2)", "AB", r"\text{Area}", "P(X=2)", "x_1", "n", "|A|", r"\angle ABC", "V", "f(x)"])
        same = (str(m * c + 1), f"{name}={m * c + 1}", f"{name} = {m * c + 1}.0")
        same, other = (
            same,
            (
                f"{name}={m * c + 2}",
                f"x+{c}={m * c + 1}",
                f"x(x+1)={m * c + 1}",
                f"{m * c + 1}x=1",
                f"{name}=-{m * c + 1}",
                f"{m}={m * c + 1}",
                f"x^2={m * c + 1}",
            ),
        )
    else:
        same = (
            f"{m}:{c}",
            f"{m} : {c}",
            f"{2 * m}:{2 * c}",
            f"V_1:V_2={m}:{c}",
            rf"{m}\colon {c}" if False else f"{m}:{c}",
        )
        other = (
            f"{c}:{m}" if m != c else "1:2",
            f"{m}:{c + 1}",
            str(m),
            str(c),
            f"{m},{c}",
            f"{m}{c}",
            f"{m} {c}",
            f"({m},{c})",
        )
    return Made(f"equation, {kind}", same, other)


def money(r: Random) -> Made:
    n = r.randint(100, 99_999)
    cents = r.randint(1, 99)
    same = (
        rf"\${n}.{cents:02d}",
        f"{n}.{cents:02d}",
        f"${n}.{cents:02d}",
        rf"\$ {n:,}.{cents:02d}",
        f"{n}.{cents:02d} dollars",
        rf"\text{{\${n}.{cents:02d}}}",
        rf"{n:,}.{cents:02d}\$",
    )
    other = (
        rf"\${n}.{(cents + 1) % 100:02d}",
        f"{n}{cents:02d}",
        rf"\${n}",
        f"{n}.{cents:02d} cents",
        f"-{n}.{cents:02d}",
        f"{n}.{cents:02d} euros",
        f"{n}.{cents:02d} million",
    )
    return Made("money", same, other, tuple(s for s in same if s[0].isdigit() is False or "dollar" in s))


def measures(r: Random) -> Made:
    n, unit, long, wrong = r.choice(
        [
            (0, "cm", "centimeters", "m"),
            (0, "kg", "kilograms", "g"),
            (0, "ft", "feet", "in"),
            (0, "min", "minutes", "hours"),
        ]
    )
    n = _whole(r)
    same = (rf"{n}\text{{ {unit}}}", f"{n} {unit}", f"{n} {long}", str(n), rf"{n}\ \mathrm{{{unit}}}", f"{n}.0 {unit}")
    other = (
        f"{n + 1} {unit}",
        f"{n} {wrong}",
        f"{n} {unit}^2",
        f"{n} thousand {unit}",
        f"-{n} {unit}",
        f"{n} hundredths",
        f"{n}/{n + 1} {unit}",
    )
    return Made("measure", same, other, tuple(s for s in same if s != str(n)))


def percents(r: Random) -> Made:
    n = r.randint(1, 99)
    same = (rf"{n}\%", f"{n}%", f"{n} percent", str(n), f"{n}.0%", rf"{n} \%")
    other = (rf"{n + 1}\%", f"{n / 10}", f"{n}00", f"-{n}%", f"{n}:100, 1", f"{n} thousand")
    return Made("percent", same, other)


def words(r: Random) -> Made:
    known = ["Monday", "Yes", "No solution", "Evelyn", "ellipse", "north", "True", "even", "parabola", "Friday"]
    one, two = r.sample(known, 2)
    same = (
        one,
        rf"\text{{{one}}}",
        one.lower(),
        f"{one}.",
        rf"\textbf{{{one}}}",
        rf"\mathrm{{{one}}}" if " " not in one else one,
    )
    other = (two, rf"\text{{{two}}}", f"{one} or {two}", "5", f"not {one}", one[0] if len(one) > 1 else "Q")
    return Made("word", same, other)


def choices(r: Random) -> Made:
    one, two = r.sample("ABCDE", 2)
    same = (
        one,
        f"({one})",
        rf"\text{{({one})}}",
        rf"\textbf{{{one}}}",
        f"{one}: the first of them",
        f"({one}) the first of them",
        rf"\text{{{one}. the first of them}}",
    )
    other = (two, f"({two})", f"{one} or {two}", f"{two}: the first of them", "5", f"{one}{two}")
    return Made("choice", same, other)


MAKERS: tuple[Callable[[Random], Made], ...] = (
    integers, integers, decimals, fractions, fractions, powers, roots, constants, polynomials, lists, tuples, intervals,
    matrices, equations, money, measures, percents, words, choices,
)  # fmt: skip
# How an answer stands in a response: `{}` is the answer. Those with dollar signs hold no dollar signs of their own.
FRAMES = (
    r"\boxed{{{}}}", r"So we get $\boxed{{{}}}$.", "The answer is ${}$.", "Answer: ${}$", "**Answer:** ${}$",
    "<answer>${}$</answer>", "#### ${}$", r"We are done. The final answer is: $\boxed{{{}}}$. I hope it is correct.",
    r"<think>Maybe \boxed{{1}}.</think>The answer is \({}\).", "## Answer\n${}$",
)  # fmt: skip


def pairs(seed: int, equal: bool) -> Iterator[Pair]:
    """Pairs without end, each a function of the seed and its place."""
    place = 0
    while True:
        r = Random(f"{seed}/{equal}/{place}")
        place += 1
        made = r.choice(MAKERS)(r)
        gold = r.choice(made.same if equal else made.certain)
        text = r.choice(made.same if equal else made.other)
        frame = r.choice(FRAMES)
        if "$" in text or made.kind in ("word", "choice"):
            frame = frame.replace("$", "").replace(r"\(", "").replace(r"\)", "") if "$" not in text else r"\boxed{{{}}}"
        yield Pair(gold, frame.format(text), equal, made.kind)


def grade(some: list[Pair], workers: int) -> list[Pair]:
    """The pairs that are judged the other way (a failure counts as a refusal)."""
    verifier = MathVerifier(workers=workers)
    try:
        verdicts = verifier.grade((pair.gold, pair.response) for pair in some)
        return [p for p, v in zip(some, verdicts, strict=True) if (v.outcome == 1.0) != p.equal]
    finally:
        verifier.close()


def votes(some: list[Pair]) -> list[Pair]:
    """The pairs of which the vote makes the other thing: one class of different answers, or two of equal ones.

    Votes drop units, so different units of one number are left out.
    """
    some = [pair for pair in some if pair.equal or pair.kind not in ("measure", "money")]
    return [p for p in some if (canonical(rf"\boxed{{{p.gold}}}") == canonical(p.response)) != p.equal]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000, help="of each of the two")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--votes", type=int, default=10_000, help="how many of each are put to the vote, too")
    parser.add_argument("--only", choices=("equal", "different"), help="one of the two alone")
    parser.add_argument("--show", type=int, default=20, help="how many of those that are judged wrongly")
    options = parser.parse_args()
    for equal in (False, True):
        if options.only == ("different" if equal else "equal"):
            continue
        source = pairs(options.seed, equal)
        some = [next(source) for _ in range(options.pairs)]
        began = time.perf_counter()
        off = grade(some, options.workers)
        apart = votes(some[: options.votes])
        kinds = Counter(pair.kind for pair in off)
        name = "known-equal pairs refused" if equal else "known-different pairs taken for right"
        print(f"{name}: {len(off)} of {len(some)} ({len(off) / len(some):.3%}), {time.perf_counter() - began:.0f} s")
        print(f"  by kind: {dict(kinds.most_common())}")
        print(f"  in votes: {len(apart)} {'apart' if equal else 'together'} of {len(some[: options.votes])}")
        for pair in off[: options.show]:
            print(f"    {pair.kind}: gold {pair.gold!r}, response {pair.response!r}")
        for pair in apart[: options.show]:
            print(f"    vote, {pair.kind}: gold {pair.gold!r}, response {pair.response!r}")


if __name__ == "__main__":
    main()
