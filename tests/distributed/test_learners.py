"""A group of learners on Ray trains what one process trains; a learner that dies is replaced and nothing is lost.

Processes import torch for seconds each, so one cluster and one run serve the whole file: its engine is in the driver's
cluster, two learners train, and one of them is killed in the second round, whose first update is then made again.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from ponder.api.train import train
from ponder.distributed.learners.check import check
from ponder.distributed.learners.group import LearnerGroup, LearnersLost
from ponder.distributed.learners.worker import Course
from ponder.distributed.members import Lost
from ponder.distributed.messages import packed
from ponder.learning.settings import TrainerSettings
from ponder.losses.clipped import Clipped
from ponder.models.load import load
from ponder.rollout import store
from ponder.runlog import read_events
from ponder.selfplay.cluster import Cluster
from ponder.selfplay.config import Run
from ponder.types import PonderError
from tests.learning.factory import model, samples
from tests.selfplay.small import SETTINGS

# Two ranks add up the gradient of micro-batches in another order than one process: each sum may differ by some units of
# the last place of float32 (6e-8 of it). AdamW divides by the root of the mean square: a step (at most 3e-4 a weight)
# differs by that share of itself, and by more where terms of both signs nearly cancel: 1e-3 of a step, over four steps.
TOLERANCE = 2e-6
SMALL = [
    *SETTINGS,
    "control.enabled=false",
    "control.rejection=false",
    "verifier.enabled=false",
    "trainer.backend=module",
    "model=tiny",
    "sampling.group_size=4",
    "trainer.warmup_steps=0",
    "updates=2",
    "trainer.micro_tokens=128",
    "cluster.learners=2",
    "cluster.stall_seconds=300",
    "cluster.start_seconds=900",
]


@dataclass
class Ran:
    """The run of one process, that of two learners, a copy of this after its first round, where its ranks listened."""

    alone: Path
    group: Path
    copied: Path
    listened: list[str]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("learners")
    ran = Ran(folder / "alone", folder / "group", folder / "copied", [])
    train(out=ran.alone, settings=SMALL)

    def tell(stage: str, done: int, total: int, note: str) -> None:
        if stage == "training" and done == 2 and "sampling" in note and not ran.copied.exists():
            shutil.copytree(ran.group, ran.copied)
        if stage == "training" and done == 3 and "learning" in note and not ran.listened:
            processes = learners()
            assert len(processes) == 2
            for process in processes:
                ran.listened += [c.laddr.ip for c in process.net_connections("inet") if c.status == "LISTEN"]
            processes[1].kill()

    train(out=ran.group, settings=SMALL, cluster="local", tell=tell)
    return ran


def learners() -> list[psutil.Process]:
    """The learners of this process; others may run clusters beside it."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "LearnerWorker" in " ".join(process.cmdline()):
                found.append(process)
    return found


def drawn(out: Path) -> list[Any]:
    """What was sampled and how it was judged, without log-probabilities, whose last bits differ."""
    rows = [row for file in sorted((out / "trajectories").glob("*.parquet")) for row in store.read(file)]
    return [{name: value for name, value in row.items() if "logprob" not in name} for row in rows]


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "model.safetensors")


def close(one: Path, other: Path) -> None:
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    gap = max(float((mine[name] - theirs[name]).abs().max()) for name in theirs)
    record = os.environ.get("PONDER_FIGURES")
    if record:
        with Path(record).open("a", encoding="utf-8") as file:
            file.write(f"{one.name} and {other.name}: weights differ by at most {gap:.2e}\n")
    assert gap <= TOLERANCE


def rounds(out: Path, name: str) -> list[Any]:
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [row[name] for row in rows if row["round"] >= 0]


def test_two_learners_and_a_death_make_the_samples_and_weights_of_one_process(ran: Ran) -> None:
    start, end = load("tiny").model.state_dict(), weights(ran.group)
    moved = max(float((end[name] - start[name]).abs().max()) for name in end)
    assert moved > 50 * TOLERANCE
    close(ran.group, ran.alone)
    assert drawn(ran.group) == drawn(ran.alone)
    for name in ("grad_norm", "entropy", "updates"):
        assert rounds(ran.group, name) == pytest.approx(rounds(ran.alone, name), rel=1e-3), name
    flops = [[work["update"]["flops"] for work in rounds(out, "work")] for out in (ran.group, ran.alone)]
    assert flops[0] == flops[1] and all(flops[0])


def test_the_dead_learner_is_named_and_its_updates_were_made_again(ran: Ran) -> None:
    lost = [event for event in read_events(ran.group) if event["kind"] == "learner_lost"]
    assert len(lost) == 1 and lost[0]["updates_again"] == 1  # of its round
    assert lost[0]["why"].startswith(
        ("learner 0: ActorDiedError", "learner 1: ActorDiedError")
    )  # a process has no name
    assert not learners()  # training is over


def test_learners_listen_on_loopback_alone(ran: Ran) -> None:
    assert len(ran.listened) >= 3 and {ip.removeprefix("::ffff:") for ip in ran.listened} == {"127.0.0.1"}


# PONDER_LEARNERS=3 resumes with three as well, in another cluster.
@pytest.mark.parametrize("count", [0, *map(int, os.environ.get("PONDER_LEARNERS", "").split())])
def test_another_number_of_learners_goes_on_after_the_first_round(ran: Ran, count: int) -> None:
    out = ran.copied.with_name(f"on-{count}")
    shutil.copytree(ran.copied, out)
    assert len(rounds(out, "updates")) == 1
    cluster = "local" if count else ""
    train(out=out, settings=[f"cluster.learners={count}"], resume=True, cluster=cluster)
    assert len(rounds(out, "updates")) == 2
    close(out, ran.alone)
    assert drawn(out) == drawn(ran.alone)


class Rank:
    """A learner of this process that counts updates, and does what it is told to at its `fault`th call of update."""

    def __init__(self, place: int, fault: str = "") -> None:
        self.name, self.fault, self.killed = f"learner {place}", fault, False
        self.steps: list[float] = []

    async def call(self, method: str, *arguments: Any, seconds: float) -> Any:
        if self.killed or self.fault == "dead":
            raise Lost(f"{self.name}: it died")
        if self.fault == "silent" and self.steps:
            await asyncio.sleep(seconds)
            raise Lost(f"{self.name}: no answer to {method} within {seconds:g} s")
        if method == "load":
            self.steps = [float(arguments[1].counters["steps"])]
        if method == "update":
            if self.fault == "refuses":
                raise PonderError("a sample lacks what the loss needs")
            await asyncio.sleep(0.02)
            self.steps.append(len(arguments[0]))
            lm = model()
            with torch.no_grad():
                lm.lm_head.weight.fill_(sum(self.steps))
            return f"report {len(self.steps) - 1}", packed(lm.state_dict())
        return ("127.0.0.1", 1) if method == "meeting" else None

    def kill(self) -> None:
        self.killed = True


def made(faults: list[list[str]], **settings: Any) -> tuple[LearnerGroup, list[Rank], list[dict[str, Any]]]:
    """A group of two whose starts have these faults (none after them), its members, and what was heard."""
    members: list[Rank] = []
    heard: list[dict[str, Any]] = []

    async def launch(place: int, began: int) -> Rank:
        members.append(Rank(place, faults[began][place] if began < len(faults) else ""))
        return members[-1]

    group = LearnerGroup(
        model(),
        Course(TrainerSettings(), Clipped(), 0),
        launch,
        lambda value: value,
        Cluster.model_validate({"learners": 2, "stall_seconds": 0.2, **settings}),
        heard=lambda _kind, facts: heard.append(facts),
        beat=0.01,
    )
    return group, members, heard


def test_a_silent_learner_is_noticed_while_others_work_and_all_since_the_state_is_done_again() -> None:
    group, members, heard = made([["", "silent"]])
    try:
        group.start()
        report: Any = group.update(samples(3))
        assert report == "report 1" and heard[0]["why"] == "learner 1: no answer to alive within 0.2 s"
        assert len(members) == 4 and members[0].killed and members[1].killed
        members[3].fault = "dead"
        report = group.update(samples(2))
        assert report == "report 2" and members[4].steps == [0, 3, 2]
        assert [facts["updates_again"] for facts in heard] == [0, 1]
        assert bool((group.weights()["lm_head.weight"] == 5).all())  # 3 and 2 samples, whatever was lost
    finally:
        group.close()


def test_a_group_that_is_lost_again_and_again_ends_the_run_with_the_rank_and_the_way_on() -> None:
    group, members, heard = made([["", "dead"]] * 9, restarts=2)
    try:
        with pytest.raises(LearnersLost, match=r"learner 1: it died; .* lost 3 times in a row.*ponder run --resume"):
            group.start()
        assert len(heard) == 3 and all(member.killed for member in members)
    finally:
        group.close()


def test_what_all_ranks_refuse_is_an_error_and_no_loss() -> None:
    group, _members, heard = made([["refuses", "refuses"]])
    try:
        group.start()
        with pytest.raises(PonderError, match="a sample lacks what the loss needs"):
            group.update(samples(1))
        assert not heard
    finally:
        group.close()


def test_what_only_one_rank_refuses_means_that_they_are_out_of_step() -> None:
    group, _members, heard = made([["", "refuses"]])
    try:
        report: Any = group.update(samples(1))
        assert report == "report 1" and heard[0]["why"].startswith("learner 1 refused update and others did not")
    finally:
        group.close()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"trainer": {"lora_rank": 4}}, "trainer.lora_rank=4"),
        ({"loss": {"kind": "clipped", "kl_coef": 0.1}}, "loss.kl_coef=0"),
        ({"trainer": {"from_start": True}}, "trainer.from_start=true"),
        ({"trainer": {"backend": "packed"}}, "trainer.backend=packed"),
        ({"coupling": {"weights": "unified"}}, "coupling.weights=unified"),
    ],
)
def test_what_needs_one_process_is_refused_before_the_start(settings: dict[str, Any], named: str) -> None:
    check(Run.model_validate(settings))
    with pytest.raises(PonderError, match=rf"{named}.*or set cluster\.learners=0"):
        check(Run.model_validate({**settings, "cluster": {"learners": 2}}))
