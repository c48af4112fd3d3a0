r"""Known-equal and known-different pairs of answers across the grammar, and what the grader makes of them.

    python -m benchmarks.grading_fuzz [--pairs 100000] [--seed 0] [--workers 2] [--save FOLDER]

A pair is made from one answer (number, fraction, power, root, amount of money, list, interval, matrix, relation, word)
and another spelling of it, or a change that makes it another one: a digit, a sign, a bracket, a member, a word
that changes a number, a space between digits. It stands in a response as people and models write it: in a box,
in dollar signs behind "the answer is", in tags, behind a heading. No different pair may be right (false credit), and
fewer than 0.5 % of the equal ones may be refused.

The same pairs are put to the vote: equal answers should be one class and different ones two.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from benchmarks.grading_makers import MAKERS
from benchmarks.grading_numbers import Random
from ponder.verifiers.rules.mathematics.canonical import canonical
from ponder.verifiers.rules.mathematics.pool import MathVerifier

PART = 10_000  # pairs of each kind that are judged, told and kept together


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


def pairs(seed: int, equal: bool, place: int = 0) -> Iterator[Pair]:
    """Pairs without end from `place` on, each a function of the seed and its place."""
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


@dataclass(frozen=True, slots=True)
class Found:
    """What a part of the pairs came to: how many, which were judged the other way, and the same of the votes."""

    pairs: int
    off: list[Pair]
    voted: int
    apart: list[Pair]
    seconds: float


def part(asked: argparse.Namespace, equal: bool, first: int) -> Found:
    """The pairs from place `first` on, judged; read from `--save` if they were judged before."""
    kept = None if asked.save is None else asked.save / f"seed {asked.seed} {'equal' if equal else 'different'} {first}"
    count, voted = min(PART, asked.pairs - first), max(0, min(PART, asked.votes - first))
    if kept is not None and kept.exists():
        known = json.loads(kept.read_text(encoding="utf-8"))
        if (known["pairs"], known["voted"]) == (count, voted):
            known |= {name: [Pair(**pair) for pair in known[name]] for name in ("off", "apart")}
            return Found(**known)
    some = list(islice(pairs(asked.seed, equal, first), count))
    began = time.perf_counter()
    off, apart = grade(some, asked.workers), votes(some[:voted])
    found = Found(count, off, voted, apart, time.perf_counter() - began)
    if kept is not None:
        asked.save.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def say(equal: bool, parts: list[Found], show: int) -> None:
    """All parts so far, in a few lines."""
    count, seconds = sum(p.pairs for p in parts), sum(p.seconds for p in parts)
    off, apart = [pair for p in parts for pair in p.off], [pair for p in parts for pair in p.apart]
    name = "known-equal pairs refused" if equal else "known-different pairs taken for right"
    print(f"{name}: {len(off)} of {count} ({len(off) / count:.3%}), {seconds:.0f} s")
    print(f"  by kind: {dict(Counter(pair.kind for pair in off).most_common())}")
    print(f"  in votes: {len(apart)} {'apart' if equal else 'together'} of {sum(p.voted for p in parts)}")
    for pair in off[:show]:
        print(f"    {pair.kind}: gold {pair.gold!r}, response {pair.response!r}")
    for pair in apart[:show]:
        print(f"    vote, {pair.kind}: gold {pair.gold!r}, response {pair.response!r}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000, help="of each of the two")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--votes", type=int, default=10_000, help="how many of each are put to the vote, too")
    parser.add_argument("--only", choices=("equal", "different"), help="one of the two alone")
    parser.add_argument("--show", type=int, default=20, help="how many of those that are judged wrongly")
    parser.add_argument(
        "--save", type=Path, help="keep every part of 10,000 pairs in this folder, and go on from there"
    )
    asked = parser.parse_args()
    sides = [equal for equal in (False, True) if asked.only != ("different" if equal else "equal")]
    told: dict[bool, list[Found]] = {equal: [] for equal in sides}
    for first in range(0, asked.pairs, PART):
        for equal in sides:
            told[equal].append(part(asked, equal, first))
        print(f"after {first + told[sides[0]][-1].pairs} pairs of each", flush=True)
        for equal in sides if asked.save is not None or first + PART >= asked.pairs else ():
            say(equal, told[equal], asked.show)


if __name__ == "__main__":
    main()
