"""Sampling ahead of learning: what may be drawn when, by which weights, and that nothing is lost on the way."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file
from torch import Tensor, tensor

from ponder.api.train import train
from ponder.engines.scripted import ScriptedEngine
from ponder.models.load import load
from ponder.policy.codec import Codec
from ponder.rollout import store
from ponder.runlog import read_metrics
from ponder.selfplay.ahead.sampler import Batch, Sampler
from ponder.selfplay.ahead.saved import groups_as_data, groups_of
from ponder.selfplay.ahead.settings import Staleness
from ponder.types import Group, Key, PonderError, Problem, Question, Step, StopReason, Trajectory, Verdict
from tests.selfplay.small import SETTINGS, model_folder
from tests.selfplay.test_loop import play


def group(name: str, version: int = 0) -> Group:
    """Two answers that share their first step."""
    question = Question(name, "sums", "1+1?", history=(("user", "hi"),))
    first = Step((1, 2), (-0.1, -0.25), "so\n", version, StopReason.STEP)
    forced = Step((9,), (0.0,), "!", version, StopReason.STEP, first, forced=True)
    leaves = [Step((3,), (-1 / 3,), "2", version, StopReason.END, p) for p in (first, forced)]
    key = Key("2", {"numbers": (1, 1), "table": {1: [2.5, None]}, "right": True})
    verdicts = (Verdict(outcome=1.0, turns=(0.0, 1.0)), Verdict(failure="timeout"))
    return Group(Problem(question, key), tuple(Trajectory(question, leaf) for leaf in leaves), verdicts)


def test_what_was_drawn_comes_back_from_json_as_it_was() -> None:
    before = group("p", 3)
    after = groups_of(json.loads(json.dumps(groups_as_data([before]))))[0]
    assert after.problem == before.problem and after.verdicts == before.verdicts
    one, two = after.trajectories
    assert one.steps[0] is two.steps[0] and two.steps[1].forced  # the tree is one
    for was, now in zip(before.trajectories, after.trajectories, strict=True):
        assert (now.tokens, now.logprobs, now.text, now.stop) == (was.tokens, was.logprobs, was.text, was.stop)
        assert [step.version for step in now.steps] == [3] * len(now.steps)


def test_a_key_that_no_checkpoint_can_keep_is_named() -> None:
    odd = group("p")
    bad = Group(Problem(odd.problem.question, Key("2", {"x": {1, 2}})), odd.trajectories, odd.verdicts)
    with pytest.raises(PonderError, match=r"problem p: its key holds set.*staleness.updates=0"):
        groups_as_data([bad])


class Bench:
    """A sampler over nothing, that notes by which weights each batch was drawn."""

    def __init__(self, k: int, total: int, weights: str = "fixed") -> None:
        self.engine = ScriptedEngine(Codec(load("tiny").tokenizer), lambda prompt, rng: "x")
        self.drawn: list[tuple[int, int]] = []  # batch, version
        self.waits: dict[int, int] = {}  # batch -> the version that it waits for in the midst of its answers
        settings = Staleness.model_validate({"updates": k, "weights": weights})
        self.sampler = Sampler(settings, self.draw, self.engine, self.live, total)

    def draw(self, number: int, run: Any) -> Batch:
        return Batch([group(f"p{number}", run(self.version_of(number)))], {})

    async def version_of(self, number: int) -> int:
        """The version with which the batch begins; one for which it waits may come while it is drawn."""
        self.drawn.append((number, self.engine.version))
        while self.engine.version < self.waits.get(number, 0):
            await asyncio.sleep(0.001)
        return self.engine.version

    def has_begun(self, number: int) -> None:
        """Wait until batch `number` is being drawn, which another thread does."""
        end = time.monotonic() + 60
        while all(begun != number for begun, _ in list(self.drawn)):
            assert time.monotonic() < end, f"batch {number} was never begun"
            time.sleep(0.001)

    async def live(self, weights: Any, version: int) -> None:
        assert float(weights["w"]) == version  # a copy of what was published, not what the trainer holds by now
        self.engine.replace_weights({}, version)

    def round(self, first: int, count: int) -> list[dict[str, float]]:
        """Learn from `count` batches from `first` on, and rest."""
        weight: Tensor = tensor(float(first))
        found = []
        for number in range(first, first + count):
            found.append(self.sampler.take(number, first + count).metrics)
            weight += 1
            self.sampler.learned({"w": weight})
        weight += 100
        assert self.sampler.rest() == first + count
        self.engine.replace_weights({}, first + count)
        return found


@pytest.mark.parametrize("k", [0, 1, 2, 5])
def test_batch_n_is_drawn_by_the_weights_of_exactly_k_updates_before(k: int) -> None:
    bench = Bench(k, total=9)
    metrics = [row for first in (0, 3, 6) for row in bench.round(first, 3)]
    assert bench.drawn == [(n, max(0, n - k)) for n in range(9)]
    assert [row["staleness/most"] for row in metrics] == [min(n, k) for n in range(9)]
    bench.sampler.close()


def test_the_sampler_is_paced_and_rests_with_k_batches_between_rounds() -> None:
    bench = Bench(2, total=100)
    bench.round(0, 3)
    assert [number for number, _ in bench.drawn] == [0, 1, 2, 3, 4]
    assert [n for n, *_ in bench.sampler.state()["batches"]] == [3, 4]
    bench.sampler.close()


def test_a_sampler_that_is_restored_draws_the_batch_that_would_have_come_next() -> None:
    whole, half = Bench(2, total=9), Bench(2, total=9)
    for first in (0, 3, 6):
        whole.round(first, 3)
    half.round(0, 3)
    saved = json.loads(json.dumps(half.sampler.state()))
    again = Bench(2, total=9)
    again.engine.replace_weights({}, 3)
    again.sampler.load_state(saved, 3)
    ages = [row["staleness/most"] for first in (3, 6) for row in again.round(first, 3)]
    assert half.drawn + again.drawn == whole.drawn and ages == [2] * 6
    # And one that goes back in the same process, under a new number.
    again.engine.replace_weights({}, 20)
    again.sampler.load_state(saved, 20)
    again.drawn.clear()
    assert again.sampler.take(3, 6).groups[0].problem.id == "p3"
    for bench in (whole, half, again):
        bench.sampler.close()


def test_newest_weights_come_in_the_midst_of_answers_and_none_is_too_old() -> None:
    bench = Bench(3, total=8, weights="newest")
    bench.waits = {2: 2}
    for number in range(8):
        batch = bench.sampler.take(number, 8)
        if number == 2:
            assert batch.groups[0].trajectories[0].leaf.version >= 2
        if number == 1:
            bench.has_begun(2)  # before the weights for which it waits are published
        bench.sampler.learned({"w": tensor(float(number + 1))})
    assert bench.drawn[2][1] < 2  # it had begun under older ones
    assert all(version >= number - 3 for number, version in bench.drawn)
    bench.sampler.close()


def test_what_breaks_in_drawing_is_raised_where_the_answers_are_waited_for() -> None:
    bench = Bench(1, total=4)

    def broken(number: int, run: Any) -> Batch:
        raise PonderError(f"batch {number} broke")

    bench.sampler._draw = broken
    with pytest.raises(PonderError, match="batch 0 broke"):
        bench.sampler.take(0, 4)
    bench.sampler.close()


def test_a_loop_with_staleness_learns_from_older_draws_and_publishes_at_the_end_of_the_round() -> None:
    made = play(staleness={"updates": 1}, rounds=2, problems=["arithmetic"])
    rows = [made.play(number) for number in (0, 1)]
    assert made.generator.engine.version == 4
    versions = [sorted({s.version for g in groups for t in g.trajectories for s in t.steps}) for groups in made.played]
    assert versions == [[1], [2]]  # updates 2 and 3 learned from weights of one update before
    assert [row["metrics"]["staleness/most"] for row in rows] == [0.5, 1.0]
    assert made.sampler is not None
    made.sampler.close()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"selection": {"rationalise": 2}, "loss": {"kind": "cloning"}}, "selection.rationalise"),
        ({"algorithm": {"kind": "vineppo"}}, "algorithm.kind=vineppo"),
        ({"loss": {"kind": "reinforce"}}, "loss.kind=reinforce"),
        ({"engine": {"kind": "local", "share_weights": True}}, "engine.share_weights"),
        ({"coupling": {"weights": "unified"}}, "coupling.weights=unified"),
        ({"sampling": {"draws": {"kind": "search", "strategy": "beam"}}}, "sampling.draws"),
    ],
)
def test_what_needs_the_newest_weights_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    from ponder.selfplay.config import Run
    from ponder.selfplay.needs import check

    with pytest.raises(PonderError, match=rf"staleness.updates=1 does not go together with {named}"):
        check(Run.model_validate({"staleness": {"updates": 1}, **changes}))


def test_a_run_with_staleness_that_was_stopped_ends_as_one_that_was_not(tmp_path: Path) -> None:
    model = model_folder(tmp_path / "model")
    settings = [*SETTINGS, f"model={json.dumps(str(model))}", "staleness.updates=2", "loss.correction=truncate"]
    settings += ["control.enabled=false", "control.rejection=false", "verifier.enabled=false", "rounds=3"]

    class Stop(Exception):
        pass

    def stopping(stage: str, done: int, total: int, note: str) -> None:
        if "round 2: learning" in note:
            raise Stop

    whole, halved = tmp_path / "whole", tmp_path / "halved"
    train(out=whole, settings=settings)
    with pytest.raises(Stop):
        train(out=halved, settings=settings, tell=stopping)
    train(out=halved, resume=True)
    mine, theirs = (load_file(out / "model" / "model.safetensors") for out in (halved, whole))
    assert all(bool((mine[name] == theirs[name]).all()) for name in theirs)
    for number in (1, 2, 3):
        file = Path("trajectories") / f"round-{number:04d}.parquet"
        assert store.read(whole / file) == store.read(halved / file)
    ages = [row["metrics"]["staleness/most"] for row in read_metrics(whole) if row["round"] >= 0]
    assert ages == [0.0, 1.0, 2.0]
