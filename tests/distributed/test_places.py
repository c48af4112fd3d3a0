"""What a run says when it cannot be put on a cluster, and who hears of lost parts. No cluster is started."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from ponder.api.training.places import Places, placed
from ponder.distributed.graders import GraderPool, GraderWorker
from ponder.distributed.members import Lost
from ponder.problems.registry import parse_many
from ponder.selfplay.cluster import Cluster
from ponder.selfplay.config import Run
from ponder.types import PonderError


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(PonderError, match=r"--cluster needs Ray, which is not installed: pip install -e '.\[cluster\]'"),
        placed("local", Run(), []),
    ):
        pass


def test_weights_cannot_be_shared_with_another_process() -> None:
    config = Run.model_validate({"engine": {"kind": "local", "share_weights": True}})
    with (
        pytest.raises(PonderError, match=r"engine\.share_weights=true: engines of a cluster"),
        placed("local", config, []),
    ):
        pass


def test_without_a_cluster_everything_is_here() -> None:
    with placed("", Run(), []) as places:
        assert places.opened is None and places.grade is None


def test_what_was_lost_before_the_run_had_a_log_is_told_to_it() -> None:
    places, told = Places(), list[Any]()
    places.heard("engine_lost", {"engine": "engine 0"})
    places.listen(lambda kind, **facts: told.append((kind, facts)))
    places.heard("engine_replaced", {"engine": "engine 0"})
    assert told == [("engine_lost", {"engine": "engine 0"}), ("engine_replaced", {"engine": "engine 0"})]


class Grader:
    """A grader of this process that dies in its first `deaths` calls."""

    def __init__(self, place: int, deaths: list[int]) -> None:
        self.name, self.deaths, self.killed = f"grader {place}", deaths, False
        self.worker = GraderWorker(parse_many("arithmetic"), False)

    async def call(self, method: str, *arguments: Any, seconds: float) -> Any:
        if method == "grade" and self.deaths[0]:
            self.deaths[0] -= 1
            raise Lost(f"{self.name}: it died")
        return getattr(self.worker, method)(*arguments)

    def kill(self) -> None:
        self.killed = True


def pool(graders: int, deaths: int) -> tuple[GraderPool, list[Grader], list[str]]:
    left, started, kinds = [deaths], list[Grader](), list[str]()

    async def launch(place: int, began: int) -> Grader:
        started.append(Grader(place, left))
        return started[-1]

    made = GraderPool(launch, Cluster(graders=graders), heard=lambda kind, facts: kinds.append(kind))
    return made, started, kinds


def test_graders_give_verdicts_in_order_and_a_lost_one_is_replaced() -> None:
    family = parse_many("arithmetic")[0]
    problems = [family.problem(index) for index in range(40)]
    texts = [f"</think>{problem.key.answer if i % 3 else 0}" for i, problem in enumerate(problems)]
    expected = GraderWorker([family], False).grade(problems, texts)
    graders, started, kinds = pool(2, deaths=2)
    try:
        assert graders.grade(problems, texts) == expected
        assert {verdict.outcome for verdict in expected} == {0.0, 1.0}
        assert kinds == ["grader_lost"] * 2 and len(started) >= 3 and sum(one.killed for one in started) == 2
    finally:
        graders.close()


def test_answers_that_no_grader_survives_are_a_failure_and_not_wrong() -> None:
    family = parse_many("arithmetic")[0]
    graders, _, _ = pool(1, deaths=99)
    try:
        with pytest.raises(Lost, match="it died"):
            graders.grade([family.problem(0)], ["</think>1"])
    finally:
        graders.close()
