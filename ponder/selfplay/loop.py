"""The self-play loop.

One round: problems from the curriculum, groups, verdicts, policy updates, step labels, verifier update, ladder, and a
report of all of it. Every random draw is derived from (seed, round, update), so a run that is
continued from the checkpoint of a round plays the next one exactly as it would have been played.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeVar

from ponder import algorithms as advantages
from ponder.evaluation.audit.calibration import verifier_quality
from ponder.labels.contrast import label, outcome_labels
from ponder.labels.labelled import Labelled
from ponder.learning.report import UpdateReport
from ponder.learning.samples import pack
from ponder.rewards import components as rewards
from ponder.rollout.collect import Grade, collect
from ponder.seeds import derive_seed
from ponder.selfplay.accounts import Meter, Part, scoring_flops
from ponder.selfplay.config import Run
from ponder.selfplay.curriculum import Curriculum
from ponder.selfplay.ledger import Ledger
from ponder.selfplay.monitors.reward_hacking import Watch, Watched
from ponder.selfplay.roles import Critic, Generator
from ponder.types import Group, Problem, Trajectory, Verdict
from ponder.verifiers.noise import Noise, noisy

T = TypeVar("T")
RunAsync = Callable[[Coroutine[Any, Any, T]], T]
Tell = Callable[[str, int, int, str], None]  # stage, done, total, note


@dataclass(frozen=True)
class Improvement:
    """One policy update: the groups it learned from and what the learner says."""

    groups: list[Group]
    report: UpdateReport
    dead: int


class SelfPlay:
    """Plays rounds. `run` drives coroutines on the event loop of the engine; `tell` hears of progress."""

    def __init__(
        self,
        config: Run,
        generator: Generator,
        critic: Critic,
        curriculum: Curriculum,
        grade: Grade,
        ladder: Sequence[Problem],
        run: RunAsync[Any],
        tell: Tell,
    ) -> None:
        self.config, self.generator, self.critic, self.curriculum = config, generator, critic, curriculum
        self.grade, self.ladder, self.run, self.tell = grade, list(ladder), run, tell
        self.assign = advantages.make(config.policy.advantage, _reward(config))
        self.noise = Noise(**config.noise.model_dump(), seed=config.seed)
        self.watch = Watch(grade, config.seed)
        self.ledger = Ledger()
        self.parts: dict[str, Part] = {}  # the work of the latest round by purpose
        self.played: list[list[Group]] = []  # the groups of each update of the latest round

    @cached_property
    def meter(self) -> Meter:
        """What the engine did since it was last asked."""
        return Meter(self.generator.engine, self.generator.model.config)

    def play(self, round_number: int) -> dict[str, Any]:
        """One round; returns its row of the report."""
        started = time.monotonic()
        self.meter.take()  # what came before this round is not its work
        self.parts = {}
        updates = [self._improve_policy(round_number, u) for u in range(self.config.updates)]
        self.played = [update.groups for update in updates]
        groups = [group for update in self.played for group in update]
        labelled = self._label(groups, "train", round_number)
        self._improve_verifier(groups, labelled, round_number)
        ladder = self.climb()
        quality = self._measure_verifier(ladder, round_number)
        watched = self.watch.look(round_number, groups)
        self.ledger.seconds += time.monotonic() - started
        return self._row(round_number, updates, ladder, quality, watched)

    def start(self) -> dict[str, Any]:
        """The row before any training: where the ladder begins."""
        ladder = self.climb()
        return {"round": -1, "flops": 0.0, "validation": rates(ladder), "ladder": by_family_and_problem(ladder)}

    def climb(self) -> list[Group]:
        """Two answers to each validation problem: the ladder on which rounds are compared. Not charged to training."""
        groups = self._collect(self.ladder, 2, derive_seed("ladder", self.config.seed))
        self._sampled("measuring")
        return groups

    def _improve_policy(self, round_number: int, update: int) -> Improvement:
        done, total = round_number * self.config.updates + update, self.config.rounds * self.config.updates
        seed = derive_seed("rollout", self.config.seed, round_number, update)
        problems = self.curriculum.next(self.config.sampling.problems)
        self.tell("training", done, total, f"round {round_number + 1}: sampling")
        groups = self._collect(problems, self.config.sampling.group_size, seed, self._reward_grade(seed))
        self.ledger.sampling += self._sampled("rollout")
        self.ledger.sampled += sum(len(t) for group in groups for t in group.trajectories)
        self.curriculum.observe(groups)
        packed = pack(map(self.assign, groups), self.generator.propose.prompts.tokens)
        self.tell("training", done, total, f"round {round_number + 1}: learning, {_solved(groups)}")
        report = self.generator.learner.update(packed.samples)
        self.generator.publish(self.generator.engine.version + 1)
        self.ledger.policy += report.flops
        self._did("update", Part(report.flops, report.seconds))
        return Improvement(groups, report, packed.dead)

    def _reward_grade(self, seed: int) -> Grade:
        """The grader of rewards and of labels to learn from: ground truth, behind the noise dial if that is turned."""
        return noisy(self.grade, self.noise, stream=seed)

    def _collect(
        self, problems: Sequence[Problem], group_size: int, seed: int, grade: Grade | None = None
    ) -> list[Group]:
        most = self.config.sampling.max_tokens
        propose = self.generator.propose
        groups: list[Group] = self.run(
            collect(problems, propose, grade or self.grade, group_size=group_size, max_tokens=most, seed=seed)
        )
        return groups

    def _label(self, groups: Sequence[Group], purpose: str, round_number: int) -> list[Labelled]:
        """Rollout labels for groups that hold both right and wrong answers, else for others; families take turns."""
        settings = self.config.verifier
        mixed = in_turns(sorted(groups, key=lambda g: g.solve_rate in (0.0, 1.0, None)))[: settings.groups]
        seed = derive_seed("labels", purpose, self.config.seed, round_number)
        labelled: list[Labelled] = self.run(
            label(
                mixed,
                self.generator.propose,
                self._reward_grade(seed) if purpose == "train" else self.grade,
                rollouts=settings.rollouts,
                most_steps=settings.most_steps,
                max_tokens=self.config.sampling.max_tokens,
                seed=seed,
            )
        )
        work = self._sampled("labelling" if purpose == "train" else "measuring")
        self.ledger.labelling += work if purpose == "train" else 0.0
        return labelled

    def _improve_verifier(self, groups: Sequence[Group], labelled: Sequence[Labelled], round_number: int) -> None:
        """Step labels of a few trajectories, and the outcomes of all others of the round, which cost nothing."""
        known = {id(item.trajectory) for item in labelled}
        outcomes = [item for item in outcome_labels(groups) if id(item.trajectory) not in known]
        started = time.monotonic()
        _, flops = self.critic.train([*labelled, *outcomes], round_number)
        self.ledger.verifier += flops
        self._did("verifier_update", Part(flops, time.monotonic() - started))

    def _measure_verifier(self, ladder: Sequence[Group], round_number: int) -> dict[str, Any] | None:
        """Quality on fresh labels of validation problems, which the verifier never trains on."""
        labelled = self._label(ladder, "measure", round_number)
        if not labelled:
            return None
        verdicts = self._judged([item.trajectory for item in labelled])
        scores = [
            [(verdict.step_scores or ())[known.step] for known in item.labels]
            for verdict, item in zip(verdicts, labelled, strict=True)
        ]
        return asdict(verifier_quality(scores, [[known.value for known in item.labels] for item in labelled]))

    def _judged(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """The verifier's verdicts by whole forwards, as work of their own."""
        judge, started = self.critic.judge, time.monotonic()
        verdicts = judge.judge(trajectories)
        flops = scoring_flops(self.critic.model.config, [len(judge.row(t)) for t in trajectories])
        self._did("verifier_scoring", Part(flops, time.monotonic() - started))
        return verdicts

    def _sampled(self, purpose: str) -> float:
        """Enter what the engine did since it was last asked; its FLOPs."""
        part = self.meter.take()
        self._did(purpose, part)
        return part.flops

    def _did(self, purpose: str, part: Part) -> None:
        self.parts[purpose] = self.parts.get(purpose, Part()) + part

    def _row(
        self,
        number: int,
        updates: Sequence[Improvement],
        ladder: Sequence[Group],
        quality: dict[str, Any] | None,
        watched: Watched,
    ) -> dict[str, Any]:
        groups = [group for update in updates for group in update.groups]
        reports = [update.report for update in updates]
        skipped = [r.skipped for r in reports if r.skipped]
        failures = Counter(v.failure for group in groups for v in group.verdicts if v.failure)
        return {
            "round": number,
            "seconds": round(self.ledger.seconds, 3),
            "flops": self.ledger.flops,
            "sampled_tokens": self.ledger.sampled,
            "work": {purpose: part.as_data() for purpose, part in self.parts.items()},
            "levels": self.curriculum.levels,
            "solve_rate": rates(groups),
            "tokens": _by_family(groups, lambda g: [float(len(t)) for t in g.trajectories]),
            "validation": {**rates(ladder), "mean": _mean(list(rates(ladder).values()))},
            "ladder": by_family_and_problem(ladder),
            "verifier": quality,
            "updates": sum(r.steps for r in reports),
            "skipped": len(skipped),
            "skip_reasons": skipped,
            "dead_groups": sum(u.dead for u in updates) / max(1, len(groups)),
            "kl_mismatch": _mean([abs(r.kl_mismatch) for r in reports if r.kl_mismatch is not None]),
            "entropy": _mean([r.entropy for r in reports if r.entropy is not None]),
            "grad_norm": _mean([r.grad_norm for r in reports if r.grad_norm is not None]),
            "failures": dict(failures),
            "watch": watched.row(),
        }


def in_turns(groups: Sequence[Group]) -> list[Group]:
    """The first group of each family, then the second of each, and so on."""
    seen: Counter[str] = Counter()
    turns = []
    for group in groups:
        turns.append(seen[group.problem.family])
        seen[group.problem.family] += 1
    return [group for _, group in sorted(zip(turns, groups, strict=True), key=lambda pair: pair[0])]


def rates(groups: Sequence[Group]) -> dict[str, float]:
    """Mean solve rate by family; a family without a single verdict is absent."""
    return _by_family(groups, lambda g: [outcome for _, outcome in g.judged])


def _by_family(groups: Sequence[Group], values: Callable[[Group], list[float]]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for group in groups:
        found.setdefault(group.problem.family, []).extend(values(group))
    return {family: sum(some) / len(some) for family, some in found.items() if some}


def by_family_and_problem(groups: Sequence[Group]) -> dict[str, list[float]]:
    """Solve rates of the problems of each family; what could not be graded is left out."""
    found: dict[str, list[float]] = {}
    for group in groups:
        if group.solve_rate is not None:
            found.setdefault(group.problem.family, []).append(group.solve_rate)
    return found


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _solved(groups: Sequence[Group]) -> str:
    return ", ".join(f"{family} {rate:.0%}" for family, rate in rates(groups).items())


def _reward(config: Run) -> rewards.Reward:
    price = config.policy.length_price
    return rewards.make("relative_length", weight=price) if price else rewards.make("outcome")
