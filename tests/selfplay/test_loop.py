"""Rounds of self-play on a scripted engine: what is drawn, paid, credited, learned from and published, in order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from torch import Tensor
from transformers import LlamaConfig

from ponder.engines.loop import run as run_async
from ponder.engines.scripted import ScriptedEngine
from ponder.labels.labelled import Labelled
from ponder.learning.checkpoints.state import LearnerState
from ponder.learning.critic import CriticReport
from ponder.learning.report import Tally, UpdateReport
from ponder.losses.normalisation import LeftOut
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.policy.propose import PolicyPropose
from ponder.rollout.sources import FixedProblems
from ponder.selfplay.config import Run
from ponder.selfplay.loop import SelfPlay
from ponder.selfplay.roles import Generator
from ponder.types import Key, PonderError, Problem, Question, Sample, Trajectory, Verdict
from ponder.verifiers.votes import canonical_answer

PROBLEMS = [Problem(Question(f"p{i}", "sums", f"{i}+1?"), Key(str(i + 1))) for i in range(6)]


def grade(problems: Sequence[Problem], responses: Sequence[str]) -> list[Verdict]:
    """The last line is the answer; "?" breaks the grader."""
    said = [response.rsplit("\n", 1)[-1] for response in responses]
    return [
        Verdict(failure="timeout") if s == "?" else Verdict(outcome=float(s == p.key.answer), extracted=s)
        for p, s in zip(problems, said, strict=True)
    ]


class Recorder:
    """A trainer that keeps what it was given."""

    def __init__(self) -> None:
        self.updates: list[list[Sample]] = []
        self.left_out: list[LeftOut | None] = []

    def update(self, samples: Sequence[Sample], left_out: LeftOut | None = None) -> UpdateReport:
        self.updates.append(list(samples))
        self.left_out.append(left_out)
        return Tally().report(len(samples), True, 0.1, 0.0)

    def weights(self) -> dict[str, Tensor]:
        return {}

    def state(self) -> LearnerState:
        return LearnerState({}, {}, {})

    def load_state(self, state: LearnerState) -> None:
        raise NotImplementedError


class Opinion:
    """A verifier that likes short steps: the score after each is 1 / (1 + its characters)."""

    judge: Any = None

    def __init__(self) -> None:
        self.trained: list[int] = []

    def train(self, labelled: Sequence[Labelled], round_number: int) -> tuple[float | None, float]:
        self.trained.append(len(labelled))
        return 0.5, 7.0

    def score(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        scores = [tuple(1 / (1 + len(step.text)) for step in t.steps) for t in trajectories]
        return [Verdict(score=some[-1], step_scores=some) for some in scores]

    def scoring_flops(self, trajectories: Sequence[Trajectory]) -> float:
        return float(len(trajectories))

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        return {}

    def load(self, tensors: Any, counters: Any) -> None:
        raise NotImplementedError

    def counters(self) -> dict[str, int]:
        return {}


class Foresight:
    """A critic that always expects a half, and warms up for a number of updates."""

    def __init__(self, warmup: int = 0) -> None:
        self.left, self.rows = warmup, list[Sample]()

    @property
    def warming_up(self) -> bool:
        return self.left > 0

    def values(self, trajectories: Sequence[Trajectory]) -> list[tuple[float, ...]]:
        return [(0.5,) * len(t) for t in trajectories]

    def values_flops(self, trajectories: Sequence[Trajectory]) -> float:
        return 2.0

    def update(self, samples: Sequence[Sample]) -> CriticReport:
        self.rows += samples
        self.left -= 1
        return CriticReport(0.25, 3.0, 0.0)

    tensors = load = counters = None


def answer(prompt: str, rng: random.Random) -> str:
    """A guess of one line or two; right half of the time for even sums."""
    number = int(prompt.rsplit("+1?", 1)[0].split()[-1].rsplit(">", 1)[-1].rsplit("\n", 1)[-1] or 0)
    if number == 5:
        return "?"
    right = rng.random() < 0.5 if number % 2 == 0 else True
    text = str(number + 1 if right else 0)
    return f"so\n{text}" if rng.random() < 0.5 else text


def play(critic: Any = None, script: Any = answer, **changes: Any) -> SelfPlay:
    codec = Codec(load("tiny").tokenizer)
    engine = ScriptedEngine(codec, script)
    config = Run.model_validate(
        {
            "updates": 2,
            "sampling": {"problems": 6, "group_size": 4, "max_tokens": 40},
            "verifier": {"groups": 2, "rollouts": 1, "most_steps": 1},
            **changes,
        }
    )
    shape: Any = type("Shape", (), {"config": LlamaConfig()})()
    generator = Generator(Recorder(), PolicyPropose(engine, codec, canonical_answer), engine, shape)
    source = FixedProblems(PROBLEMS, seed=0)
    return SelfPlay(config, generator, Opinion(), source, grade, PROBLEMS[:2], run_async, lambda *_: None, critic)


def recorded(made: SelfPlay) -> Recorder:
    trainer = made.generator.trainer
    assert isinstance(trainer, Recorder)
    return trainer


def test_a_round_draws_credits_learns_and_publishes_each_update():
    made = play()
    row = made.play(0)
    assert len(recorded(made).updates) == 2
    assert made.generator.engine.version == 2
    assert row["round"] == 0
    assert row["failures"] == {"timeout": 8}  # problem 5 in both updates
    assert 0.5 < row["solve_rate"]["sums"] < 1.0
    assert made.ledger.sampled == sum(len(t) for groups in made.played for g in groups for t in g.trajectories)


def test_the_row_before_training_has_all_that_curves_begin_with():
    before, after = (made := play()).start(), made.play(0)
    assert before["round"] == -1 and before["flops"] == 0.0
    assert before["validation"].keys() == after["validation"].keys() == {"sums", "mean"}
    assert before["validation"]["mean"] == before["validation"]["sums"]


def test_only_mixed_groups_reach_the_trainer_and_their_advantages_sum_to_zero():
    made = play()
    made.play(0)
    for rows, groups in zip(recorded(made).updates, made.played, strict=True):
        mixed = {g.problem.id for g in groups if g.solve_rate not in (0.0, 1.0, None)}
        assert {row.id.partition("#")[0] for row in rows} == mixed
        for id in mixed:
            first = [row.advantages_T[0] for row in rows if row.id.startswith(f"{id}#")]
            assert sum(first) == pytest.approx(0.0, abs=1e-12)
            assert len(first) == 4
    (first_out, _) = recorded(made).left_out
    assert first_out is not None
    dead = [g for g in made.played[0] if g.solve_rate in (0.0, 1.0, None)]
    assert first_out.rows == sum(len(g.judged) for g in dead)


def test_the_verifiers_score_reaches_the_policys_reward():
    plain, shaped = play(), play(rewards=[{"kind": "outcome"}, {"kind": "process", "weight": 0.5}])
    row = plain.play(0)
    shaped_row = shaped.play(0)
    assert set(row["metrics"]) >= {"reward/outcome"}
    assert {"reward/outcome", "reward/process"} <= set(shaped_row["metrics"])
    # The scripted draws are the same; a group that is always right now teaches too, by the length of its steps.
    assert len(recorded(shaped).updates[0]) > len(recorded(plain).updates[0])
    assert shaped_row["work"]["reward_scoring"]["flops"] == sum(len(g.judged) for gs in shaped.played for g in gs)
    assert "reward_scoring" not in row["work"]


def test_a_critic_gives_values_learns_from_all_rows_and_holds_the_policy_while_it_warms_up():
    critic = Foresight(warmup=1)
    made = play(critic, algorithm={"kind": "gae", "whiten": False, "lambda_policy": 1.0})
    row = made.play(0)
    assert recorded(made).updates[0] == []
    judged = sum(len(g.judged) for groups in made.played for g in groups)
    assert len(critic.rows) == judged
    sample = recorded(made).updates[1][0]
    assert sample.returns_T[0] in (0.0, 1.0)
    assert sample.advantages_T[0] == sample.returns_T[0] - 0.5
    assert row["metrics"]["critic_loss"] == 0.25
    assert row["work"]["critic_update"]["flops"] == 6.0


def test_an_algorithm_with_a_critic_is_refused_without_one():
    with pytest.raises(PonderError, match="algorithm gae needs a critic, and none was made"):
        play(algorithm={"kind": "gae"})


def test_the_same_seed_plays_the_same_round():
    def rows(made: SelfPlay) -> list[list[Sample]]:
        made.play(0)
        return recorded(made).updates

    assert rows(play()) == rows(play())
    assert rows(play()) != rows(play(seed=1))


def test_searches_make_training_data_as_plain_samples_do():
    made = play(sampling={"problems": 6, "group_size": 4, "max_tokens": 40, "draws": {"kind": "search", "budget": 200}})
    made.play(0)
    assert all(len(g.trajectories) <= 4 for groups in made.played for g in groups)
    assert recorded(made).updates[0]


def test_the_verifier_learns_from_labels_and_from_the_outcomes_of_all_others():
    made = play()
    made.play(0)
    assert isinstance(made.verifier, Opinion)
    judged = sum(len(g.judged) for groups in made.played for g in groups)
    assert made.verifier.trained == [judged]
    assert made.ledger.verifier == 7.0
