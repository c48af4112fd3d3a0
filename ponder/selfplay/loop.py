"""The self-play loop.

One round: problems from the source, groups of judged answers, rewards, credit, policy updates, step labels, verifier
update, ladder, and a report of all of it. Every random draw is derived from (seed, round, update), so a run that is
continued from the checkpoint of a round plays the next one exactly as it would have been played.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, TypeVar

from ponder.algorithms.algorithm import RolloutSettings
from ponder.environments import Match
from ponder.evaluation.audit.calibration import verifier_quality
from ponder.labels.contrast import label
from ponder.labels.labelled import Labelled
from ponder.learning.samples import pack, rows
from ponder.models.size import parameters
from ponder.protocols import Grade, ProblemSource, Teaching
from ponder.rollout.collect import Collected, collect
from ponder.seeds import derive_seed
from ponder.selfplay.accounts import Meter, Part
from ponder.selfplay.ahead.make import sampler_of
from ponder.selfplay.config import Run
from ponder.selfplay.coupling.agreement import agreement
from ponder.selfplay.coupling.labels import lessons
from ponder.selfplay.coupling.reward import of_round
from ponder.selfplay.credit import Credited, Crediting, Scores
from ponder.selfplay.games.standing import standing
from ponder.selfplay.ledger import Ledger
from ponder.selfplay.monitors.health import Health
from ponder.selfplay.monitors.reward_hacking import Watch
from ponder.selfplay.needs import asked_for, needs_critic, needs_verifier_scores
from ponder.selfplay.proposer.lessons import Taught, credit_of
from ponder.selfplay.provers.reward import Prover, centred
from ponder.selfplay.provers.roles import both, shares
from ponder.selfplay.report import Improvement, by_family_and_problem, in_turns, rates, round_row, solved
from ponder.selfplay.roles import CriticRole, Generator, Restaging, VerifierRole
from ponder.selfplay.scorers.distrust import distrusted
from ponder.selfplay.scorers.scorers import Found, Scorers
from ponder.selfplay.selection.mixed import without_cut
from ponder.selfplay.selection.selecting import Selecting
from ponder.selfplay.stages.plan import of_round as of_stage
from ponder.selfplay.stages.plan import plan
from ponder.selfplay.stages.turns import cells
from ponder.thinking import reading_of
from ponder.types import Group, PonderError, Problem, Trajectory, Verdict
from ponder.verifiers.noise import Noise, noisy

T = TypeVar("T")
RunAsync = Callable[[Coroutine[Any, Any, T]], T]
Tell = Callable[[str, int, int, str], None]  # stage, done, total, note


class SelfPlay:
    """Plays rounds. `run` drives coroutines on the event loop of the engine; `tell` hears of progress.

    `critic` is there if the algorithm needs one, and `scorers` are the other models that it asks. PonderError if the
    critic is not.
    """

    def __init__(
        self,
        config: Run,
        generator: Generator,
        verifier: VerifierRole,
        source: ProblemSource,
        grade: Grade,
        ladder: Sequence[Problem],
        run: RunAsync[Any],
        tell: Tell,
        critic: CriticRole | None = None,
        scorers: Scorers | None = None,
    ) -> None:
        if needs_critic(config) and critic is None:
            raise PonderError(f"algorithm {config.algorithm.kind} needs a critic, and none was made")
        self.stages = plan(config)
        self.stage = self.stages[0]
        self.config, self.generator, self.verifier, self.critic = self.stage.config, generator, verifier, critic
        self.source, self.grade, self.ladder, self.run, self.tell = source, grade, list(ladder), run, tell
        self.scorers, self.selection = scorers or Scorers(), Selecting(config.selection, config.seed)
        self.stream = 0  # the seed of the update under way
        self.credit = self._crediting(0)
        self.noise = Noise(**config.noise.model_dump(), seed=config.seed)
        self.watch = Watch(grade, config.seed, reading_of(generator.propose))
        self.health = Health(config.monitors)
        self.ledger = Ledger()
        self.parts: dict[str, Part] = {}  # the work of the latest round by purpose
        self.played: list[list[Group]] = []  # the groups of each update of the latest round
        self.sampler = sampler_of(config, generator, self._drawn)

    def enter(self, round_number: int) -> None:
        """Take the settings of the stage to which this round belongs; at its beginning the optimizer is fresh."""
        stage = of_stage(self.stages, round_number)
        if stage.index == self.stage.index:
            return
        trainer = self.generator.trainer
        if not isinstance(trainer, Restaging):
            raise PonderError(f"stage {stage.name}: {type(trainer).__name__} cannot go on with other settings")
        self.stage, self.config = stage, stage.config
        trainer.restage(stage.config.trainer, stage.config.loss, stage.steps)

    def _crediting(self, round_number: int) -> Crediting:
        """From groups to credit with the rewards of this round; a verifier that is not asked costs nothing."""
        rewards = of_round(self.config.rewards, self.config.coupling, round_number)
        score: Scores = self._score
        if (provers := self.config.provers).enabled:
            rewards, score = (Prover(variant=provers.reward, started=round_number > 0),), centred(self._score)
        return Crediting(
            rewards,
            self.config.algorithm,
            score=score if needs_verifier_scores(self.config, rewards) else None,
            values=self._values if self.critic is not None else None,
            ask=self._ask if asked_for(self.config) else None,
            formed=self.generator.propose.formed,
        )

    @cached_property
    def size(self) -> int:
        """Parameters of the policy; a token-equivalent is two operations for each."""
        return parameters(self.generator.model)

    @cached_property
    def meter(self) -> Meter:
        """What the engine did since it was last asked."""
        return Meter(self.generator.engine, self.generator.model.config)

    def forget_meter(self) -> None:
        """The generator has another engine: count from its own start."""
        self.__dict__.pop("meter", None)

    def start(self) -> dict[str, Any]:
        """The row before any training: where the ladder begins."""
        ladder = self.climb()
        row = {"round": -1, "flops": 0.0, "validation": rates(ladder), "ladder": by_family_and_problem(ladder)}
        return {**row, "metrics": self._standing(), "turns": cells(ladder)}

    def play(self, round_number: int) -> dict[str, Any]:
        """One round; returns its row of the report."""
        started = time.monotonic()
        self.meter.take()  # what came before this round is not its work
        self.parts = {}
        self.enter(round_number)
        self.credit = self._crediting(round_number)
        updates = [self._improve_policy(round_number, u) for u in range(self.config.updates)]
        if self.sampler:
            self._rested(updates[-1].groups)
        self.played = [[*update.groups, *update.proposals] for update in updates]
        groups = [group for update in updates for group in update.groups]
        self._improve_verifier(groups, round_number)
        ladder = self.climb()
        quality, agreed = self._measure_verifier(ladder, round_number)
        proposals = [group for update in updates for group in update.proposals]
        watched = self.watch.look(round_number, groups, proposals)
        self.ledger.seconds += time.monotonic() - started
        levels = getattr(self.source, "levels", None)
        row = round_row(round_number, self.ledger, self.parts, levels, updates, ladder, quality, watched)
        turned = {f"turns/{name}": share for name, share in cells(groups).items()}
        row["metrics"] |= {**self._standing(), **turned, **getattr(self.verifier, "measured", {})}
        named = {"stage": self.stage.index, "stage_name": self.stage.name} if self.stage.name else {}
        return {**row, **named, "agreement": agreed, "turns": cells(ladder)}

    def climb(self) -> list[Group]:
        """Two answers to each validation problem: the ladder on which rounds are compared. Not charged to training.

        In an environment of several turns they are whole episodes; a game's strength is measured by `standing`.
        """
        seed, most = derive_seed("ladder", self.config.seed), self.config.sampling.max_tokens
        drawn = collect(
            self.ladder,
            self.generator.propose,
            self.grade,
            group_size=2,
            max_tokens=most,
            seed=seed,
            environment=None if isinstance(self.config.environment, Match) else self.config.environment,
        )
        groups = list(self.run(drawn))
        self._sampled("measuring")
        return groups

    def _standing(self) -> dict[str, float]:
        """How strong the policy plays the games that it plays against itself; not charged to training."""
        if not isinstance(self.config.environment, Match):
            return {}
        seed, most = derive_seed("standing", self.config.seed), self.config.sampling.max_tokens
        found: dict[str, float] = self.run(standing(self.ladder, self.generator.propose, max_tokens=most, seed=seed))
        self._sampled("measuring")
        return found

    def _improve_policy(self, round_number: int, update: int) -> Improvement:
        """Problems, answers, credit, gradient, new weights in the engine: one update of the policy."""
        config, sampling = self.config, self.config.sampling
        done, total = round_number * config.updates + update, config.rounds * config.updates
        self.tell("training", done, total, f"round {round_number + 1}: sampling")
        self.stream = self._draws(round_number, update)
        count = self._count()
        if self.sampler:
            batch = self.sampler.take(done, (round_number + 1) * config.updates)
            groups, measured = batch.groups, batch.metrics
        else:
            groups, measured = self._drawn(round_number, update, self.run)
        kept = self.selection.kept(groups, count)
        kept, hinted = self.selection.rationalise(
            kept,
            self.run,
            self.generator.propose,
            self.reward_grade(self.stream),
            max_tokens=sampling.max_tokens,
            seed=derive_seed("rationalise", self.stream),
        )
        self.ledger.sampling += self._sampled("rollout") if hinted else 0.0
        credited, taught = self.credit(kept, self.selection.memory), self._taught()
        self.selection.memory = {**self.selection.memory, **credited.credits.memory}
        self.tell("training", done, total, f"round {round_number + 1}: learning, {solved(groups)}")
        improved = self._learn(kept, credited, {**measured, **hinted, **taught.metrics, **shares(groups)}, taught)
        return replace(improved, groups=tuple(groups), dead=improved.dead + self.selection.left_out(groups, kept))

    def _count(self) -> int:
        """Problems of an update: in a game of provers half as many, each for both of the roles."""
        problems = self.config.sampling.problems
        return max(1, problems // 2) if self.config.provers.enabled else problems

    def _drawn(self, round_number: int, update: int, run: RunAsync[Any]) -> tuple[list[Group], dict[str, float]]:
        """The answers for an update, and what was measured as they were drawn."""
        stream = self._draws(round_number, update)

        def answered(problems: Sequence[Problem], attempt: int) -> Collected:
            asked = both(problems) if self.config.provers.enabled else problems
            return self._answered(asked, derive_seed("refill", stream, attempt) if attempt else stream, run)

        return self.selection.draw(self.source, self._count(), run, answered)

    def _draws(self, round_number: int, update: int) -> int:
        """The seed of the answers of an update; a round that is played again after a rollback draws others."""
        again = self.health.attempt
        return derive_seed("rollout", self.config.seed, round_number, update, *([again] if again else []))

    def _answered(self, problems: Sequence[Problem], seed: int, run: RunAsync[Any]) -> Collected:
        """Judged answers to train on: plain or searched, in the run's environment, graded behind the noise dial."""
        sampling = self.config.sampling
        drawn: Collected = run(
            collect(
                problems,
                self.generator.propose,
                self.reward_grade(seed),
                group_size=sampling.group_size,
                max_tokens=sampling.max_tokens,
                seed=seed,
                environment=self.config.environment,
                **sampling.draws.options(sampling.max_tokens, self.verifier.judge),
            )
        )
        self.ledger.sampling += self._sampled("rollout")
        self.ledger.sampled += sum(len(t) for group in drawn for t in group.trajectories)
        if drawn.usage.verifier:  # what the searches' judge read
            flops = 2.0 * self.size * drawn.usage.verifier
            self.ledger.verifier += flops
            self._did("search_scoring", Part(flops, None))
        return drawn

    def _taught(self) -> Taught:
        """What the policy did for the source of problems, with its credit."""
        if not isinstance(self.source, Teaching):
            return Taught()
        taught = credit_of(*self.source.lessons())
        self.ledger.sampled += sum(len(t) for group in taught.groups for t in group.trajectories)
        return taught

    def _learn(
        self, groups: Sequence[Group], credited: Credited, measured: Mapping[str, float], taught: Taught
    ) -> Improvement:
        credits_PG, prompt = credited.credits.credits_PG, self.generator.propose.prompts.tokens
        answers_PG = without_cut(credits_PG) if self.config.selection.overlong == "mask" else credits_PG
        packed = pack((*answers_PG, *taught.credits_PG), prompt)
        again = self.selection.replay.draw()
        self.selection.replay.keep(groups, credits_PG, prompt)
        waits = self.critic is not None and self.critic.warming_up
        if self.critic is not None and not waits:
            waits = distrusted(self.selection.memory, credited.metrics, self.config.critic)
        if not self.sampler:
            self.generator.release()
        report = self.generator.trainer.update(() if waits else (*packed.samples, *again), packed.left_out)
        self.ledger.policy += report.flops
        self._did("update", Part(report.flops, report.seconds))
        metrics = {**credited.metrics, **measured}
        if self.critic is not None:
            critic = self.critic.update(rows(credits_PG, prompt))
            self.ledger.policy += critic.flops
            self._did("critic_update", Part(critic.flops, critic.seconds))
            metrics["critic_loss"] = critic.loss or 0.0
        if self.sampler:
            self.sampler.learned(self.generator.trainer.weights())
        else:
            metrics |= self._published(self.generator.engine.version + 1, groups)
        return Improvement(tuple(groups), report, packed.dead, metrics, taught.groups)

    def _published(self, version: int, groups: Sequence[Group]) -> dict[str, float]:
        """The trainer's weights live in the engine, checked on these groups; the gap if it was measured."""
        prompt = self.generator.propose.prompts.tokens
        texts = [(prompt(t.question), t.tokens) for group in groups for t in group.trajectories]
        gap = self.run(self.generator.publish(version, texts))
        self._sampled("measuring")  # scoring for the check is no work of training
        return {} if gap is None else {"parity_gap": gap}

    def _rested(self, groups: Sequence[Group]) -> None:
        """The sampler rests, and the engine serves what was learned: now the round is measured and saved."""
        assert self.sampler is not None  # nobody asks without one
        self._published(self.sampler.rest(), groups)

    def reward_grade(self, seed: int) -> Grade:
        """The grader of rewards and of labels to learn from: ground truth, behind the noise dial if that is turned."""
        return noisy(self.grade, self.noise, stream=seed)

    def _label(self, groups: Sequence[Group], purpose: str, round_number: int) -> list[Labelled]:
        """Rollout labels for groups that hold both right and wrong answers, else for others; families take turns."""
        settings = self.config.verifier
        mixed = in_turns(sorted(groups, key=lambda g: g.solve_rate in (0.0, 1.0, None)))[: settings.groups]
        seed = derive_seed("labels", purpose, self.config.seed, round_number)
        labelled: list[Labelled] = self.run(
            label(
                mixed,
                self.generator.propose,
                self.reward_grade(seed) if purpose == "train" else self.grade,
                rollouts=settings.rollouts,
                most_steps=settings.most_steps,
                max_tokens=self.config.sampling.max_tokens,
                seed=seed,
            )
        )
        work = self._sampled("labelling" if purpose == "train" else "measuring")
        self.ledger.labelling += work if purpose == "train" else 0.0
        return labelled

    def _improve_verifier(self, groups: Sequence[Group], round_number: int) -> None:
        """What the policy found reaches the verifier; one that shares its trunk moves the policy, so that is served."""
        if not self.config.verifier.enabled:
            return
        labels = "outcomes" if self.config.provers.enabled else self.config.coupling.labels
        learned = lessons(groups, labels, lambda some: self._label(some, "train", round_number))
        started = time.monotonic()
        _, flops = self.verifier.train(learned, round_number)
        self.ledger.verifier += flops
        self._did("verifier_update", Part(flops, time.monotonic() - started))
        if getattr(self.verifier, "moves_policy", False):
            self.run(self.generator.publish(self.generator.engine.version + 1))
            self._sampled("measuring")

    def _measure_verifier(
        self, ladder: Sequence[Group], round_number: int
    ) -> tuple[dict[str, Any] | None, dict[str, float | None] | None]:
        """Quality on fresh labels of validation problems, which it never trains on, and agreement on all answers."""
        if not self.config.verifier.enabled:
            return None, None
        judged = [pair for group in ladder for pair in group.judged]
        if not judged:
            return None, None
        labelled = self._label(ladder, "measure", round_number)
        verdicts = self._judged([trajectory for trajectory, _ in judged], "verifier_scoring")
        said = {id(trajectory): v for (trajectory, _), v in zip(judged, verdicts, strict=True)}
        scores = [
            [(said[id(item.trajectory)].step_scores or ())[known.step] for known in item.labels] for item in labelled
        ]
        quality = verifier_quality(scores, [[known.value for known in item.labels] for item in labelled])
        return asdict(quality), agreement(verdicts, [outcome for _, outcome in judged]).as_data()

    def _score(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """The verifier's scores for rewards: work of training."""
        self.ledger.verifier += self.verifier.scoring_flops(trajectories)
        return self._judged(trajectories, "reward_scoring")

    def _judged(self, trajectories: Sequence[Trajectory], purpose: str) -> list[Verdict]:
        """The verifier's verdicts by whole forwards, as work of their own."""
        started = time.monotonic()
        verdicts = self.verifier.score(trajectories)
        self._did(purpose, Part(self.verifier.scoring_flops(trajectories), time.monotonic() - started))
        return verdicts

    def _values(self, trajectories: Sequence[Trajectory]) -> list[tuple[float, ...]]:
        """The critic's values, as work of training."""
        assert self.critic is not None  # nobody asks without one
        started, flops = time.monotonic(), self.critic.values_flops(trajectories)
        values = self.critic.values(trajectories)
        self.ledger.policy += flops
        self._did("critic_values", Part(flops, time.monotonic() - started))
        return values

    def _ask(self, groups: Sequence[Group]) -> Found:
        """Other models and auxiliary rollouts, as work of training."""

        def did(purpose: str, part: Part | None) -> None:
            self.ledger.credit += self._sampled(purpose) if part is None else part.flops
            if part is not None:
                self._did(purpose, part)

        algorithm = self.config.algorithm
        return self.scorers.ask(
            groups,
            asked_for(self.config),
            algorithm if isinstance(algorithm, RolloutSettings) else None,
            self.generator.propose,
            self.reward_grade(self.stream),
            self.run,
            did,
            max_tokens=self.config.sampling.max_tokens,
            seed=derive_seed("auxiliary", self.stream),
        )

    def _sampled(self, purpose: str) -> float:
        """Enter what the engine did since it was last asked; its FLOPs."""
        part = self.meter.take()
        self._did(purpose, part)
        return part.flops

    def _did(self, purpose: str, part: Part) -> None:
        self.parts[purpose] = self.parts.get(purpose, Part()) + part
