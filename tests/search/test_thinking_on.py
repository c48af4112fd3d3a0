"""Forcing, one long chain, revisions, and chains side by side."""

from __future__ import annotations

from typing import Any

import pytest

from ponder.search.session.budget import Budget
from ponder.search.strategies.chain import Chain
from ponder.search.strategies.critique import Critique
from ponder.search.strategies.forcing import Forcing
from ponder.search.strategies.mixed import Mixed
from ponder.search.strategies.revision import Revision
from ponder.search.strategies.sample import Sample
from ponder.search.strategies.vote import Vote
from ponder.types import PonderError, SearchResult, Trajectory
from tests.search.toys import QUESTION, Digits, Scores, View, digits_of, run, texts

LIMITS: Any = {"max_tokens": 60, "answer_reserve": 6}


def search(strategy: Any, budget: float = 2000, seed: int = 0, propose: Any = None, judge: Any = None) -> SearchResult:
    result: SearchResult = run(strategy(QUESTION, propose or Digits(), judge, Budget(budget), seed=seed))
    return result


def test_without_waits_forcing_is_plain_decoding_token_for_token() -> None:
    for seed in range(10):
        for budget in (14, 30, 500):
            source = Digits(ramble=0.4)
            forced, plain = (search(s, budget, seed, source) for s in (Forcing(**LIMITS, waits=0), Sample(**LIMITS)))
            assert [t.tokens for t in forced.trajectories] == [t.tokens for t in plain.trajectories]
            assert forced.usage == plain.usage


def test_each_wait_takes_the_close_back_and_thinks_on() -> None:
    result = search(Forcing(**LIMITS, waits=2))
    assert result.trajectory is not None
    said = [step.text for step in result.trajectory.steps]
    assert [i for i, text in enumerate(said) if text == "Wait\n"] == [4, 6]
    assert "".join(said).count("</think>") == 1
    assert len(digits_of(result.trajectory)) == 6
    assert [step.forced for step in result.trajectory.steps if "Wait" in step.text] == [True, True]
    # Six digits and an answer of three tokens, two words of one token; two marks of one token were taken back.
    assert (result.usage.kept, result.usage.discarded) == (23, 2)


def test_thinking_before_the_first_wait_is_what_sample_thinks() -> None:
    waited, plain = search(Forcing(**LIMITS, waits=1), seed=4), search(Sample(**LIMITS), seed=4)
    assert texts(waited)[0].split("Wait")[0] == texts(plain)[0].split("</think>")[0]


def test_a_chain_uses_the_budget_and_more_budget_makes_it_longer() -> None:
    lengths = [search(Chain(**LIMITS), budget).usage.spent for budget in (100, 200, 400, 800)]
    assert all(0.9 * budget <= spent <= budget for budget, spent in zip((100, 200, 400, 800), lengths, strict=True))
    assert search(Chain(**LIMITS), 800).answer is not None


def test_a_chain_ends_where_the_context_window_does() -> None:
    result = search(Chain(**LIMITS), 5000, propose=Digits(context=120))
    assert result.trajectory is not None and result.answer is not None
    assert len(result.trajectory) <= 120


def test_an_empty_wait_is_refused() -> None:
    with pytest.raises(PonderError, match="wait=''"):
        Forcing(wait="")


@pytest.mark.parametrize("kind", [Forcing, Chain, Revision])
def test_a_source_that_cannot_be_steered_is_refused_with_a_reason(kind: Any) -> None:
    class Pool:
        def __init__(self) -> None:
            self.inner = Digits()

        async def __call__(self, *args: Any, **more: Any) -> Any:
            more["until"] = "end" if more["until"] == "think" else more["until"]
            return await self.inner(*args, **more)

        def answer(self, trajectory: Any) -> Any:
            return self.inner.answer(trajectory)

    with pytest.raises(PonderError, match=r"cannot do that \(a pool cannot\); run it live"):
        search(kind(**LIMITS), propose=Pool())


def test_a_revision_sees_all_attempts_of_its_chain_and_pays_for_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[int] = []
    revising = View.revising

    def watched(self: View, attempt: Trajectory, critique: str = "") -> tuple[View, int]:
        view, tokens = revising(self, attempt, critique)
        shown.append(len(view.attempts))
        return view, tokens

    monkeypatch.setattr(View, "revising", watched)
    result = search(Revision(**LIMITS, n_max=4))
    assert shown == [1, 2, 3]
    assert len(result.trajectories) == 4
    assert result.usage.spent == 4 * 15 + 3 * View.REQUEST


def test_a_full_context_begins_a_new_chain() -> None:
    result = search(Revision(**LIMITS, n_max=6), propose=Digits(context=85))
    # 85 hold one attempt of 15, a request of 4 and 60 more, but not two attempts: chains of two.
    assert len(result.trajectories) == 6
    assert result.usage.spent == 6 * 15 + 3 * View.REQUEST


def test_one_attempt_a_chain_is_the_vote_and_one_chain_is_a_revision() -> None:
    for seed in range(5):
        mixed, vote = (search(s, 900, seed) for s in (Mixed(**LIMITS, length=1, n_max=8), Vote(**LIMITS, n_max=8)))
        assert (mixed.answer, texts(mixed), mixed.usage) == (vote.answer, texts(vote), vote.usage)
        one, chain = (search(kind(**LIMITS, length=8, n_max=8), 900, seed) for kind in (Mixed, Revision))
        assert (texts(one), one.usage) == (texts(chain), chain.usage)


@pytest.mark.parametrize("kind", [Revision, Mixed, Critique])
def test_what_no_further_attempt_fits_into_buys_plain_samples(kind: Any) -> None:
    # Answers of 15 tokens are planned for 60, so attempts alone would leave up to 64.
    judge = Scores() if kind is Critique else None
    for budget in (75, 100, 150, 300):
        result = search(kind(**LIMITS), budget, judge=judge)
        assert budget - result.usage.spent < (34 if judge else 15)


def test_the_last_attempt_stays_the_last() -> None:
    last, most = (search(Revision(**LIMITS, choose=choose), 100) for choose in ("last", "majority"))
    assert last.usage.spent == 3 * 15 + 2 * View.REQUEST and len(last.trajectories) == 3
    assert texts(most)[:3] == texts(last) and len(most.trajectories) > 3


def test_mixed_runs_chains_side_by_side() -> None:
    propose = Digits()
    search(Mixed(**LIMITS, length=2, n_max=8), propose=propose)
    assert [n for until, n, *_ in propose.calls if until == "end"] == [4, 1, 1, 1, 1]


def test_the_choice_is_over_the_chain_or_its_last() -> None:
    source = Digits(base=2, depth=1)
    for seed in range(10):
        last, most = (search(Revision(**LIMITS, n_max=5, choose=c), 900, seed, source) for c in ("last", "majority"))
        answers = [digits_of(t) for t in most.trajectories]
        assert last.answer == answers[-1]
        assert answers.count(str(most.answer)) >= 3


def test_scores_choose_among_criticised_attempts() -> None:
    judge = Scores(lambda t: 0.9 if digits_of(t) == "1" else 0.1)
    result = search(Critique(**LIMITS, n_max=6, choose="best"), propose=Digits(base=2, depth=1), judge=judge)
    assert result.answer == ("1" if any(digits_of(t) == "1" for t in result.trajectories) else "0")
    with pytest.raises(PonderError, match="choose='best'"):
        Revision(choose="best")
