"""Hostile answers: each is wrong or a typed failure, and its neighbours are graded as if it were not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ponder.verifiers.rules.mathematics.pool import MathVerifier

REFUSED = [
    "", "   ", r"\boxed{5", r"\boxed{" * 20_000, r"\boxed{" * 20_000 + "5" + "}" * 20_000, "{" * 100_000,
    r"\text{" * 100_000,
    r"\boxed{9^{9^{9^9}}}", r"\boxed{10^{10^{10}}}", r"\boxed{(10^9)!}", r"\boxed{1000000000!}", r"\boxed{5000!!}",
    "1" * 10**6, "9" * 5000, r"\boxed{1/0}", r"\boxed{0/0}", "nan", r"\infty", "-inf", "()" * 30_000,
    "(" * 500 + "5" + ")" * 500,
    "5\u200b", "\u202e5", "5\x00", "\ud800", "²", "0x5", "5j", "[5", "5]", "True", "None", "{}", "{5: 5}", "lambda: 5",
    r"\boxed{\input{/etc/passwd}}", r"\boxed{\write18{touch pwned}}", '__import__("os").system("touch pwned")',
    "().__class__.__bases__[0].__subclasses__()", 'exec("open(\'pwned\', \'w\')")', r"\def\x{\x\x}\x", "a" * 3000,
    r"\frac" * 400, r"\sqrt(" * 3000, r"\begin{pmatrix}" * 1000, "1," * 50_000, "the answer is " * 20_000,
    "or " * 50_000,
    "=" * 50_000, "<<" * 50_000, "- " * 50_000, "1 " * 50_000, "**" * 9000, "1/" * 9000, "9," * 9000,
    r"\boxed" * 50_000,
]  # fmt: skip
COSTLY = [
    r"\boxed{e^{e^{e^{e^{e}}}}}", r"\boxed{\int_0^1 e^{x^{x}} \sin(x^x) dx}", r"\boxed{\binom{1000000}{500000}}",
]  # fmt: skip


@pytest.fixture(scope="module")
def verifier():
    verifier = MathVerifier(workers=2)
    yield verifier
    verifier.close()


def test_refused_and_malformed_answers_are_wrong_and_touch_nothing(verifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    verdicts = list(verifier.grade(("5", answer) for answer in REFUSED))
    odd = [(answer[:30], v.failure) for answer, v in zip(REFUSED, verdicts, strict=True) if v.outcome != 0.0]
    assert [failure for _, failure in odd if failure not in ("timeout", "memory", "crash")] == []
    assert not list(Path(tmp_path).iterdir())


def test_costly_answers_are_never_right_and_their_neighbours_are_graded(verifier):
    pairs = [pair for answer in COSTLY for pair in (("5", answer), ("x+1", r"\boxed{1+x}"))]
    verdicts = list(verifier.grade(pairs))
    assert all(v.outcome == 0.0 or v.failure in ("timeout", "memory", "crash") for v in verdicts[::2])
    assert any(v.failure for v in verdicts[::2])
    # A starved machine may time out a neighbour as well; it must not be wrong.
    assert all(v.outcome == 1.0 or v.failure == "timeout" for v in verdicts[1::2])


def test_hostile_gold_answers_are_failures_and_never_evaluated(verifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    golds = [r"\input{/etc/passwd}", '__import__("os").system("touch pwned")', "(10^9)!", "{" * 100_000, "", "5\x00"]
    verdicts = list(verifier.grade((gold, r"\boxed{x/2}") for gold in golds))
    assert [verdict.failure for verdict in verdicts] == ["gold"] * len(golds)
    assert not list(Path(tmp_path).iterdir())


def test_a_missing_gold_answer_is_a_failure(verifier):
    assert next(verifier.grade([(None, "5")])).failure == "gold"


def test_a_verdict_shows_a_long_answer_cut(verifier):
    verdict = next(verifier.grade([("5", "7" * 10_000)]))
    assert verdict.extracted is not None
    assert len(verdict.extracted) < 1000


def test_ten_thousand_answers_need_no_more_memory_than_a_thousand(verifier):
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    for _ in verifier.grade((str(n), f"The answer is {n}.") for n in range(1_000)):
        pass
    before = process.memory_info().rss
    assert (
        sum(v.outcome == 1.0 for v in verifier.grade((str(n), f"The answer is {n}.") for n in range(10_000))) == 10_000
    )
    assert process.memory_info().rss - before < 20 * 2**20
