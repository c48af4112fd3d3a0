r"""Lists, intervals, matrices, equations, quantities and words in many spellings, for `grading_fuzz`; all makers."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.grading_numbers import (
    Made,
    Random,
    Texts,
    constants,
    decimals,
    fractions,
    integers,
    polynomials,
    powers,
    roots,
    some_integer,
)


def lists(r: Random) -> Made:
    values = r.sample(range(-20, 60), r.randint(2, 4))
    a, shuffled = values, r.sample(values, len(values))
    join = ", ".join
    same = [
        join(map(str, shuffled)), rf"\{{{join(map(str, shuffled))}\}}", " , ".join(map(str, a)),
        "; ".join(map(str, a)), rf"x = {join(map(str, a))}",
    ]  # fmt: skip
    same += [
        r" \text{ and } ".join(map(str, a)) if len(a) == 2 else join(map(str, a[:-1])) + rf", \text{{ and }} {a[-1]}",
        join(f"x={v}" for v in a),
    ]  # fmt: skip
    changed = [*a[:-1], a[-1] + 100]
    other = [
        join(map(str, changed)), join(map(str, a[:-1])), join(map(str, [*a, 99])), f"({join(map(str, a))})",
        "".join(map(str, a)), " ".join(map(str, a)), str(a[0]), f"[{join(map(str, a))}]",
    ]  # fmt: skip
    other.append(join(map(str, [*a[:-1], a[0]])))
    return Made("list", tuple(same), tuple(other))


def tuples(r: Random) -> Made:
    a, b = r.sample(range(-30, 31), 2)
    same = (
        f"({a},{b})", f"({a}, {b})", rf"\left({a}, {b}\right)", f"(x,y)=({a},{b})", rf"\langle {a}, {b} \rangle",
        f"({a}.0, {b})", f"x={a}, y={b}", rf"({a},\ {b})", f"(\\frac{{{2 * a}}}{{2}},{b})",
    )  # fmt: skip
    other = (
        f"({b},{a})", f"({a},{b + 1})", f"{a},{b}", f"[{a},{b}]", f"({a}{b})", f"({-a - 1},{b})", f"({a},{b},0)",
        str(a), rf"\begin{{pmatrix}}{a}\\{b}\end{{pmatrix}}", f"{a}/{b}" if b else "0", f"x={b}, y={a}",
    )  # fmt: skip
    return Made("tuple", same, other, tuple(s for s in same if not s.startswith("x=")))


def intervals(r: Random) -> Made:
    same: Texts
    other: Texts
    a = r.randint(-20, 20)
    b = a + r.randint(1, 30)
    kind = r.choice(["bounded", "ray", "union"])
    if kind == "bounded":
        same = (
            f"[{a},{b})", rf"\left[{a}, {b}\right)", rf"{a} \le x < {b}", f"{a}<=x<{b}", f"{a} ≤ x < {b}",
            rf"x \in [{a},{b})", rf"x \ge {a} \text{{ and }} x < {b}", rf"\{{x \mid {a} \le x < {b}\}}",
        )  # fmt: skip
        other = (
            f"[{a},{b}]", f"({a},{b})", f"({a},{b}]", f"[{a},{b + 1})", f"[{a - 1},{b})", rf"x \ge {a}", f"{a},{b}",
            rf"{a} < x < {b}", str(b), rf"x \ge {a} \text{{ or }} x < {b}",
        )  # fmt: skip
    elif kind == "ray":
        same = (
            rf"({a},\infty)", rf"x > {a}", f"x>{a}", f"{a} < x", rf"(\,{a}, +\infty)", rf"x \in ({a},\infty)",
            rf"\{{x : x > {a}\}}", f"({a}, ∞)", f"({a}, inf)",
        )  # fmt: skip
        other = (
            rf"[{a},\infty)", rf"x < {a}", rf"x \ge {a}", rf"({a + 1},\infty)", str(a), f"x={a}", rf"(-\infty,{a})",
            rf"x \ne {a}", f"({a},{a + 9})",
        )  # fmt: skip
    else:
        same = (
            rf"(-\infty,{a})\cup({b},\infty)", rf"({b},\infty)\cup(-\infty,{a})", rf"x<{a} \text{{ or }} x>{b}",
            f"x>{b} or x<{a}", f"(-∞,{a}) ∪ ({b},∞)", rf"x<{a} \lor x>{b}",
        )  # fmt: skip
        other = (
            rf"(-\infty,{a}]\cup({b},\infty)", rf"(-\infty,{a})\cup[{b},\infty)", rf"x<{a} \text{{ and }} x>{b}",
            rf"({a},{b})", rf"x<{a}", rf"(-\infty,{a})\cup({b + 1},\infty)", f"{a}, {b}",
        )  # fmt: skip
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
    )  # fmt: skip
    other = (
        rf"\begin{{pmatrix}} {a + 1} & {b} \\ {c} & {d} \end{{pmatrix}}",
        rf"\begin{{pmatrix}} {a} & {b} & {c} & {d} \end{{pmatrix}}",
        rf"\begin{{pmatrix}} {a} \\ {b} \\ {c} \\ {d} \end{{pmatrix}}", str(d), f"({a},{b},{c},{d})",
        f"{a},{b},{c},{d}", rf"\begin{{pmatrix}} {a} & {b} \\ {c} & {d} \\ 0 & 0 \end{{pmatrix}}",
        rf"-\begin{{pmatrix}} {a} & {b + 1} \\ {c} & {d} \end{{pmatrix}}",
    )  # fmt: skip
    return Made("matrix", same, other)


def equations(r: Random) -> Made:
    same: Texts
    other: Texts
    kind = r.choice(["line", "named", "ratio"])
    m, c = r.randint(2, 9), r.randint(1, 4 if kind == "ratio" else 9)  # 3:15 may be a time of day
    if kind == "line":
        same = (
            f"y={m}x+{c}", f"y = {c} + {m}x", f"{m}x - y + {c} = 0", f"y-{m}x={c}", f"{2 * m}x-2y+{2 * c}=0",
            f"y = {m}*x + {c}",
        )  # fmt: skip
        other = (
            f"y={m}x-{c}", f"y={m + 1}x+{c}", f"y={m}x+{c + 1}", f"{m}x + y + {c} = 0", f"y={c}", str(m),
            f"z={m}z+{c}",
        )  # fmt: skip
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
        same = (f"{m}:{c}", f"{m} : {c}", f"{2 * m}:{2 * c}", f"V_1:V_2={m}:{c}", f"{m}:{c}")
        other = (
            f"{c}:{m}" if m != c else "1:2", f"{m}:{c + 1}", str(m), str(c), f"{m},{c}", f"{m}{c}", f"{m} {c}",
            f"({m},{c})",
        )  # fmt: skip
    return Made(f"equation, {kind}", same, other)


def money(r: Random) -> Made:
    n = r.randint(100, 99_999)
    cents = r.randint(1, 99)
    same = (
        rf"\${n}.{cents:02d}", f"{n}.{cents:02d}", f"${n}.{cents:02d}", rf"\$ {n:,}.{cents:02d}",
        f"{n}.{cents:02d} dollars", rf"\text{{\${n}.{cents:02d}}}", rf"{n:,}.{cents:02d}\$",
    )  # fmt: skip
    other = (
        rf"\${n}.{(cents + 1) % 100:02d}", f"{n}{cents:02d}", rf"\${n}", f"{n}.{cents:02d} cents",
        f"-{n}.{cents:02d}", f"{n}.{cents:02d} euros", f"{n}.{cents:02d} million",
    )  # fmt: skip
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
    n = some_integer(r)
    same = (
        rf"{n}\text{{ {unit}}}", f"{n} {unit}", f"{n} {long}", str(n), rf"{n}\ \mathrm{{{unit}}}", f"{n}.0 {unit}",
    )  # fmt: skip
    other = (
        f"{n + 1} {unit}", f"{n} {wrong}", f"{n} {unit}^2", f"{n} thousand {unit}", f"-{n} {unit}",
        f"{n} hundredths", f"{n}/{n + 1} {unit}",
    )  # fmt: skip
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
        one, rf"\text{{{one}}}", one.lower(), f"{one}.", rf"\textbf{{{one}}}",
        rf"\mathrm{{{one}}}" if " " not in one else one,
    )  # fmt: skip
    other = (two, rf"\text{{{two}}}", f"{one} or {two}", "5", f"not {one}", one[0] if len(one) > 1 else "Q")
    return Made("word", same, other)


def choices(r: Random) -> Made:
    one, two = r.sample("ABCDE", 2)
    same = (
        one, f"({one})", rf"\text{{({one})}}", rf"\textbf{{{one}}}", f"{one}: the first of them",
        f"({one}) the first of them", rf"\text{{{one}. the first of them}}",
    )  # fmt: skip
    other = (two, f"({two})", f"{one} or {two}", f"{two}: the first of them", "5", f"{one}{two}")
    return Made("choice", same, other)


MAKERS: tuple[Callable[[Random], Made], ...] = (
    integers, integers, decimals, fractions, fractions, powers, roots, constants, polynomials, lists, tuples, intervals,
    matrices, equations, money, measures, percents, words, choices,
)  # fmt: skip
