"""Proposals: read strictly, solved by the environment, paid by the solver's rate; never believed, never paid if bad."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from ponder.engines.loop import run as run_async
from ponder.problems.families.arithmetic import Arithmetic
from ponder.problems.families.cipher import Cipher
from ponder.problems.families.countdown import Countdown, check
from ponder.problems.families.expressions import evaluate
from ponder.problems.games.nim import Nim
from ponder.problems.splits import split_of
from ponder.selfplay.curriculum import Curriculum
from ponder.selfplay.proposer.forms.arithmetic import ArithmeticForm
from ponder.selfplay.proposer.forms.cipher import CipherForm
from ponder.selfplay.proposer.forms.countdown import CountdownForm, reached
from ponder.selfplay.proposer.forms.form import Form, Refused, asked
from ponder.selfplay.proposer.lessons import credit_of
from ponder.selfplay.proposer.make import check_source, forms_of
from ponder.selfplay.proposer.pay import pay, repetitions
from ponder.selfplay.proposer.settings import FromCurriculum, FromProposer
from ponder.selfplay.proposer.source import ProposerSource, shown_to
from ponder.types import EngineError, Group, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from tests.selfplay import test_loop as loop

ARITHMETIC = ArithmeticForm(Arithmetic())
COUNTDOWN = CountdownForm(Countdown())
CIPHER = CipherForm(Cipher())


def refusal(form: Form, text: str) -> str:
    with pytest.raises(Refused) as refused:
        form.read(text)
    return refused.value.reason


def test_pay_is_highest_at_one_half_and_nothing_at_the_ends() -> None:
    assert [pay(p) for p in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0.0, 0.75, 1.0, 0.75, 0.0]
    assert pay(0.5, repetition=0.5, weight=0.2) == 0.9
    assert pay(0.0, repetition=1.0, weight=0.2) == 0.0
    assert repetitions(["a", "a", "b"]) == [0.5, 0.5, 0.0]
    assert repetitions(["a"]) == [0.0]


@pytest.mark.parametrize("form", [ARITHMETIC, COUNTDOWN, CIPHER])
def test_what_the_family_itself_asks_is_a_proposal_with_a_gold_answer_that_is_right(form: Form) -> None:
    for index in range(12):
        problem = form.family.problem(index)
        draft = form.read(problem.question.text)
        assert draft.text == problem.question.text
        assert draft.level == problem.level
        graded: Any = form.family
        again = Problem(problem.question, draft.key)
        assert graded.grade(again, problem.key.answer).outcome == 1.0
        assert graded.grade(problem, f"</think>{draft.key.answer}").outcome == 1.0


@pytest.mark.parametrize("form", [ARITHMETIC, COUNTDOWN, CIPHER])
def test_problems_of_the_held_out_splits_are_refused(form: Form) -> None:
    for split in ("validation", "test"):
        assert {refusal(form, form.family.problem(index, split=split).question.text) for index in range(8)} == {
            "held_out"
        }


@pytest.mark.parametrize(
    ("form", "text", "reason"),
    [
        (ARITHMETIC, "Compute 3*4+5", "unparsable"),
        (ARITHMETIC, "Compute 3*4+5. The answer is 17.", "unparsable"),
        (ARITHMETIC, "Compute 9**9**9.", "unparsable"),
        (ARITHMETIC, "Compute 03+4.", "unparsable"),
        (ARITHMETIC, "Compute __import__('os').", "unparsable"),
        (ARITHMETIC, "Compute 5.", "trivial"),
        (ARITHMETIC, "Compute 100+1.", "too_large"),
        (ARITHMETIC, "Compute " + "1+" * 12 + "1.", "too_large"),
        (COUNTDOWN, "Make 7 from 1, 2.", "unsolvable"),
        (COUNTDOWN, "Make 7 from 7.", "trivial"),
        (COUNTDOWN, "Make 7 from 1, 2, 3, 4, 5, 6.", "too_large"),
        (COUNTDOWN, "Make 0 from 1, 1.", "unparsable"),
        (COUNTDOWN, "Make 7 from 3,4.", "unparsable"),
        (CIPHER, "Decode abc.", "unsolvable"),
        (CIPHER, "Decode ab.", "unsolvable"),
        (CIPHER, "Decode aabb.", "trivial"),
        (CIPHER, "Decode AA.", "unparsable"),
    ],
)
def test_a_bad_proposal_has_its_type(form: Form, text: str, reason: str) -> None:
    assert refusal(form, text) == reason


def test_the_search_finds_what_can_be_reached_and_only_that() -> None:
    rng = random.Random(0)
    for _ in range(40):
        numbers = tuple(sorted(rng.randint(1, 9) for _ in range(3)))
        for target in range(1, 40):
            found = reached(numbers, target)
            everything = {
                value
                for a, b, c in _orders(numbers)
                for first in (a + b, a - b, a * b)
                if first >= 0
                for value in (first + c, first * c, first - c, c - first)
            }
            assert (found is not None) == (target in everything), (numbers, target)
            if found is not None:
                assert evaluate(found) == Fraction(target)
                assert check(found, list(numbers), target)[0]


def _orders(numbers: tuple[int, ...]) -> list[tuple[int, ...]]:
    a, b, c = numbers
    return [(a, b, c), (a, c, b), (b, a, c), (b, c, a), (c, a, b), (c, b, a)]


class Scripted:
    """A proposer that says what `say` gives."""

    def __init__(self, say: Any) -> None:
        self.say = say

    async def __call__(
        self, question: Question, prefix: Step | None, n: int, *, until: Any, max_tokens: int, seed: int
    ) -> list[Step]:
        rng = random.Random(f"{seed}/{question.id}")
        return [self._step(self.say(rng)) for _ in range(n)]

    @staticmethod
    def _step(text: str) -> Step:
        return Step((1,), (0.0,), text, 0, StopReason.LENGTH if text == "cut" else StopReason.END)

    def answer(self, trajectory: Trajectory) -> str | None:
        return None


def source(say: Any, **settings: Any) -> ProposerSource:
    rest = Curriculum([Arithmetic()], seed=0)
    return ProposerSource(FromProposer(**settings), [ARITHMETIC], Scripted(say), rest, seed=0)


def taken(made: ProposerSource, count: int) -> list[Problem]:
    problems: list[Problem] = run_async(made.next(count))
    return problems


def answered(problem: Problem, *outcomes: float | None) -> Group:
    leaf = Step((1,), (0.0,), "x", 0, StopReason.END)
    verdicts = tuple(Verdict(failure="timeout") if o is None else Verdict(outcome=o) for o in outcomes)
    return Group(problem, tuple(Trajectory(problem.question, leaf) for _ in outcomes), verdicts)


def expression(rng: random.Random, terms: int) -> str:
    """A proposal of so many terms that is no held-out problem."""
    while True:
        text = str(rng.randint(1, 9)) + "".join(rng.choice("+-") + str(rng.randint(1, 9)) for _ in range(terms - 1))
        if split_of(text) == "train":
            return f"</think>Compute {text}."


def test_the_share_is_proposed_and_the_rest_comes_from_the_curriculum() -> None:
    made = source(lambda rng: expression(rng, 5), share=0.5)
    problems = taken(made, 12)
    proposed = [p for p in problems if "-proposed-" in p.id]
    assert len(problems) == 12
    assert len(proposed) == 6
    assert all(p.level == 5 and p.question.text.startswith("Compute ") for p in proposed)
    assert len({p.id for p in problems}) == 12


def test_bad_proposals_are_counted_by_type_and_never_paid() -> None:
    fixed = iter(["</think>nonsense", "cut", "</think>Compute 5.", "</think>Compute 999+1.", "</think>"] * 100)
    made = source(lambda rng: next(fixed), share=0.5, proposals=5)
    problems = taken(made, 10)
    assert not any("-proposed-" in p.id for p in problems)  # the curriculum fills every place
    made.observe([])
    groups, metrics = made.lessons()
    assert {v.outcome for g in groups for v in g.verdicts} == {0.0}
    assert metrics["proposer/solvable"] == 0.0
    shares = {name: metrics[f"proposer/{name}"] for name in ("unparsable", "no_answer", "trivial", "too_large")}
    assert shares == {"unparsable": 0.2, "no_answer": 0.4, "trivial": 0.2, "too_large": 0.2}
    assert not any(a for credits in credit_of(groups, metrics).credits_PG for c in credits for a in c.advantages_T)


def test_a_problem_that_was_proposed_before_is_refused() -> None:
    made = source(lambda rng: "</think>Compute 3+4+5.", share=0.5, proposals=2, attempts=1.0)
    assert split_of("3+4+5") == "train"
    assert sum("-proposed-" in p.id for p in taken(made, 4)) == 1
    assert made.lessons()[1]["proposer/duplicate"] == 0.5
    assert sum("-proposed-" in p.id for p in taken(made, 4)) == 0


def test_a_proposal_earns_what_the_solvers_rate_says_less_repetition() -> None:
    said = iter(["</think>Compute 3+4+5.", "</think>Compute 1+2+3.", "</think>Compute 2*3*4.", "</think>bad"])
    assert all(split_of(text) == "train" for text in ("3+4+5", "1+2+3", "2*3*4"))
    made = source(lambda rng: next(said), share=1.0, proposals=4, attempts=1.0)
    problems = [p for p in taken(made, 4) if "-proposed-" in p.id]
    outcomes = [(1.0, 0.0), (1.0, 1.0, 1.0, 0.0), (None, None)]
    made.observe([answered(p, *some) for p, some in zip(problems, outcomes, strict=True)])
    (group,), metrics = made.lessons()
    # The first two have one shape (n+n+n) and nobody else was answered: repetition 1, weight 0.2.
    assert [v.outcome for v in group.verdicts] == [pytest.approx(0.8), pytest.approx(0.55), None, 0.0]
    assert group.verdicts[2].failure == "unjudged"
    assert metrics["proposer/rate"] == pytest.approx(0.625)
    credits = credit_of([group], metrics).credits_PG[0]
    assert [c.advantages_T[0] for c in credits] == [pytest.approx(a) for a in (0.35, 0.1, -0.45)]


def test_what_nobody_answered_teaches_nothing_and_a_second_model_learns_nothing() -> None:
    made = source(lambda rng: expression(rng, 6), share=0.25, proposals=6, attempts=2.0)
    problems = taken(made, 12)
    made.observe([answered(p, 1.0, 0.0) for p in problems])
    groups, _ = made.lessons()
    assert sum(len(g.trajectories) for g in groups) == 3
    made.learns = False
    assert made.lessons()[0] == []


def test_a_source_that_was_saved_goes_on_with_the_very_next_problems() -> None:
    def say(rng: random.Random) -> str:
        return expression(rng, rng.randint(2, 6))

    one, two = source(say), source(say)
    taken(one, 8)
    two.load_state(one.state())
    assert [p.question.text for p in taken(one, 8)] == [p.question.text for p in taken(two, 8)]


def test_a_chat_model_is_shown_an_example_of_the_training_split_and_one_that_thinks_by_itself_is_not() -> None:
    form = ArithmeticForm(Arithmetic(2))
    question = asked(form, 4, 0, shown=True)
    (_, before), (_, reply) = question.history
    assert question.text != before and before.startswith("Propose like: Compute ")
    assert form.read(reply)  # a problem of the form that may be trained on
    assert asked(form, 4, 0).history == ()
    framed = SimpleNamespace(frame=SimpleNamespace(kind="chain"))
    own = SimpleNamespace(frame=SimpleNamespace(kind="native"))
    assert shown_to(framed) and not shown_to(own) and not shown_to(Scripted(lambda *_: ""))
    assert source(lambda *_: "", example=True).shown and not source(lambda *_: "").shown


def test_an_engine_that_fails_leaves_the_place_to_the_curriculum() -> None:
    def broken(rng: random.Random) -> str:
        raise EngineError("down")

    made = source(broken, share=0.5, proposals=3)
    assert len(taken(made, 6)) == 6
    assert made.lessons()[1]["proposer/failed"] > 0


def test_a_proposer_finds_the_level_that_a_solver_solves_every_other_time() -> None:
    """A softmax over levels, moved by the credit that the source gives; the solver's rate falls with the level."""
    levels = list(range(2, 12))
    logits = dict.fromkeys(levels, 0.0)
    rate = {level: 1 / (1 + math.exp(1.2 * (level - 7))) for level in levels}  # one half at 7

    def say(rng: random.Random) -> str:
        weights = [math.exp(logits[level]) for level in levels]
        return expression(rng, rng.choices(levels, weights)[0])

    made, rng = source(say, share=1.0, proposals=12, attempts=1.0, repetition=0.0), random.Random(0)
    for _ in range(60):
        problems = taken(made, 24)
        made.observe([answered(p, *(float(rng.random() < rate[p.level]) for _ in range(8))) for p in problems])
        for credits in credit_of(*made.lessons()).credits_PG:
            for credit in credits:
                logits[credit.trajectory.text.count("+") + credit.trajectory.text.count("-") + 1] += (
                    0.2 * credit.advantages_T[0]
                )
    likely = Counter({level: math.exp(logits[level]) for level in levels})
    assert likely.most_common(1)[0][0] == 7
    total = sum(likely.values())
    assert 0.4 < sum(likely[level] / total * rate[level] for level in levels) < 0.6


def test_families_without_a_grammar_are_refused_before_anything_is_loaded() -> None:
    check_source(FromCurriculum(), [Nim()])
    with pytest.raises(PonderError, match="problems of nim cannot be proposed"):
        check_source(FromProposer(), [Nim()])
    assert len(forms_of([Arithmetic(), Countdown(), Cipher()])) == 3


def test_a_round_of_the_loop_learns_to_propose_and_to_answer() -> None:
    def script(prompt: str, rng: random.Random) -> str:
        if "Propose like" in prompt:
            return expression(rng, rng.randint(2, 5)) if rng.random() < 0.7 else "</think>no idea"
        task = prompt.rpartition("Compute ")[2].partition(".")[0]
        return f"</think>{evaluate(task) if rng.random() < 0.5 else 0}"

    made = loop.play(script=script, sampling={"problems": 6, "group_size": 4, "max_tokens": 40})
    family = Arithmetic()
    made.grade = lambda some, said: [family.grade(p, s) for p, s in zip(some, said, strict=True)]
    made.watch.grade = made.grade
    rest = Curriculum([family], seed=0)
    made.source = ProposerSource(FromProposer(), [ARITHMETIC], made.generator.propose, rest, seed=0)
    made.ladder = [family.problem(0, split="validation")]
    row = made.play(0)
    learned = {row.id.partition("#")[0] for update in loop.recorded(made).updates for row in update}
    assert any(id.startswith("propose-arithmetic") for id in learned)
    assert any("-proposed-" in id for id in learned)
    assert {"proposer/pay", "proposer/solvable", "proposer/unparsable"} <= set(row["metrics"])
    assert set(row["solve_rate"]) == {"arithmetic"}  # proposals are no answers to problems
    assert 0.0 <= row["dead_groups"] <= 1.0  # of answers and proposals together
    assert any(g.problem.family == "propose arithmetic" for update in made.played for g in update)
