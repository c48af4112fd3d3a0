"""Collapse alarms: each sounds on the failure that it is for, and is silent on honest rounds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ponder.problems.games.known import GAMES
from ponder.selfplay.monitors.collapse import counts
from ponder.selfplay.monitors.reward_hacking import LIMITS, Watch, alarms
from ponder.types import Group, Key, Problem, Question, Step, StopReason, Trajectory, Verdict


def group(name: str, *answers: tuple[str, float | None], data: dict[str, object] | None = None) -> Group:
    """Answers as (text, outcome); outcome None: could not be judged."""
    question = Question(name, name[0], "?")
    steps = [Step((1,), (0.0,), text, 0, StopReason.END) for text, _ in answers]
    verdicts = tuple(Verdict(failure="timeout") if y is None else Verdict(outcome=y, extracted=t) for t, y in answers)
    return Group(Problem(question, Key(data=data or {})), tuple(Trajectory(question, step) for step in steps), verdicts)


def heard(groups: Sequence[Group], proposals: Sequence[Group] = ()) -> set[str]:
    return {alarm["counter"] for alarm in alarms(counts(groups, proposals))}


HONEST = [group(f"a{i}", ("1", 1.0), ("2", 0.0), ("3", 0.0), ("1", 1.0)) for i in range(20)]


def test_honest_groups_raise_no_alarm() -> None:
    assert heard(HONEST) == set()


def test_groups_of_one_text_are_a_loss_of_diversity() -> None:
    same = [group(f"a{i}", *[("1", 0.0)] * 4) for i in range(12)]
    assert counts([*same, *HONEST[:4]], [])["one text"] == {"a": (12, 16)}
    assert "one text" in heard([*same, *HONEST[:4]])
    assert heard([group(f"a{i}", *[("1", 1.0)] * 4) for i in range(12)]) == set()  # solved, and nothing else to try
    assert heard([group(f"a{i}", ("1", 0.0)) for i in range(20)]) == set()  # a single answer is no group


def test_agreement_on_a_wrong_answer_is_the_consensus_trap() -> None:
    trapped = [group(f"a{i}", *[("7", 0.0)] * 4, ("8", 1.0)) for i in range(12)]
    assert counts(trapped, [])["sure and wrong"] == {"a": (12, 12)}
    assert heard([*trapped, *HONEST]) == {"sure and wrong"}
    right = [group(f"a{i}", *[("7", 1.0)] * 4, ("8", 0.0)) for i in range(12)]
    assert counts(right, [])["sure and wrong"] == {"a": (0, 12)}
    split = [group(f"a{i}", *[("7", 0.0)] * 3, ("8", 1.0), ("9", 0.0)) for i in range(12)]
    assert counts(split, [])["sure and wrong"] == {"a": (0, 12)}
    assert heard(right) == set()
    broken = [group(f"a{i}", *[("7", None)] * 5) for i in range(12)]
    assert counts(broken, []) == {}


def match(game: str, seat: int, *outcomes: float, detail: str = "") -> Group:
    made = group(f"{game}", *[(str(i), y) for i, y in enumerate(outcomes)])
    key = Key(data={"game": game, "role": f"{game} seat {seat}", "match": True})
    verdicts = tuple(Verdict(outcome=y, detail=detail) for y in outcomes)
    return Group(Problem(Question(game, game, "?"), key), made.trajectories, verdicts)


def test_a_seat_that_always_wins_is_an_imbalance_but_for_games_that_are_decided_at_the_start() -> None:
    one_sided = [match("kuhn", 0, *[1.0] * 20), match("kuhn", 1, *[0.0] * 20)]
    assert counts(one_sided, [])["one seat"] == {"kuhn": (20, 20)}
    assert heard(one_sided) == {"one seat"}
    assert heard([match("kuhn", 0, *[1.0, 0.0] * 10), match("kuhn", 1, *[0.0, 1.0] * 10)]) == set()
    assert GAMES["nim"].decided
    assert heard([match("nim", 0, *[1.0] * 20), match("nim", 1, *[0.0] * 20)]) == set()


def test_moves_that_are_lost_by_rule_are_a_seat_that_stopped_playing() -> None:
    lost = match("nim", 0, *[0.0] * 10, detail="illegal move: lost by rule")
    assert heard([lost, match("nim", 1, *[1.0] * 10)]) == {"no legal move"}


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        (["refused: unparsable"] * 20, {"refused proposals"}),
        (["refused: duplicate"] * 10 + [""] * 10, {"repeated proposals"}),
        (["refused: unparsable"] * 8 + ["solved 0.5"] * 12, set()),
    ],
)
def test_proposals_that_are_refused_or_repeated(details: list[str], expected: set[str]) -> None:
    made = group("p", *[(str(i), 0.0) for i in range(len(details))])
    verdicts = tuple(Verdict(outcome=0.0, detail=detail) for detail in details)
    assert heard([], [Group(made.problem, made.trajectories, verdicts)]) == expected


def test_the_watch_of_a_run_raises_them_with_a_sentence() -> None:
    watch = Watch(lambda problems, responses: [Verdict(outcome=1.0) for _ in responses], 0)
    watched = watch.look(0, [group(f"a{i}", *[("1", 0.0)] * 4) for i in range(12)])
    assert "one text" in {alarm["counter"] for alarm in watched.alarms}
    assert all(LIMITS[alarm["counter"]].says for alarm in watched.alarms)
