r"""Known-equal and known-different pairs of answers across the grammar, and what the grader makes of them.

    python -m benchmarks.grading_fuzz [--pairs 100000] [--seed 0] [--workers 2]

A pair is made from one answer (number, fraction, power, root, amount of money, list, interval, matrix, relation, word)
and another spelling of it, or a change that makes it another one: a digit, a sign, a bracket, a member, a word
that changes a number, a space between digits. It stands in a response as people and models write it: in a box,
in dollar signs behind "the answer is", in tags, behind a heading. No different pair may be right (false credit), and
fewer than 0.5 % of the equal ones may be refused.

The same pairs are put to the vote: equal answers should be one class and different ones two.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.grading_makers import MAKERS
from benchmarks.grading_numbers import Random
from ponder.verifiers.rules.mathematics.canonical import canonical
from ponder.verifiers.rules.mathematics.pool import MathVerifier


@dataclass(frozen=True, slots=True)
class Pair:
    """A gold answer, a response, whether the response is right, and what kind of pair it is."""

    gold: str
    response: str
    equal: bool
    kind: str


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
