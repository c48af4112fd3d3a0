"""The verifier's part of a round: labels of what the policy found, its lesson, and how good it is on fresh ones."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ponder.evaluation.audit.calibration import verifier_quality
from ponder.labels.contrast import label
from ponder.labels.labelled import Labelled
from ponder.seeds import derive_seed
from ponder.selfplay.accounts import Part
from ponder.selfplay.coupling.agreement import agreement
from ponder.selfplay.coupling.labels import lessons
from ponder.selfplay.report import in_turns
from ponder.selfplay.steps.asking import verdicts
from ponder.selfplay.steps.parts import Parts
from ponder.types import Group


def improve_verifier(parts: Parts, groups: Sequence[Group], round_number: int) -> None:
    """What the policy found reaches the verifier; one that shares its trunk moves the policy, so that is served."""
    if not parts.config.verifier.enabled:
        return
    labels = "outcomes" if parts.config.provers.enabled else parts.config.coupling.labels
    learned = lessons(groups, labels, lambda some: _labelled(parts, some, "train", round_number))
    started = time.monotonic()
    _, flops = parts.verifier.train(learned, round_number)
    parts.ledger.verifier += flops
    parts.did("verifier_update", Part(flops, time.monotonic() - started))
    if getattr(parts.verifier, "moves_policy", False):
        parts.run(parts.generator.publish(parts.generator.engine.version + 1))
        parts.sampled("measuring")


def measure_verifier(
    parts: Parts, ladder: Sequence[Group], round_number: int
) -> tuple[dict[str, Any] | None, dict[str, float | None] | None]:
    """Quality on fresh labels of validation problems, which it never trains on, and agreement on all answers."""
    if not parts.config.verifier.enabled:
        return None, None
    judged = [pair for group in ladder for pair in group.judged]
    if not judged:
        return None, None
    labelled = _labelled(parts, ladder, "measure", round_number)
    found = verdicts(parts, [trajectory for trajectory, _ in judged], "verifier_scoring")
    said = {id(trajectory): v for (trajectory, _), v in zip(judged, found, strict=True)}
    scores = [[(said[id(item.trajectory)].step_scores or ())[known.step] for known in item.labels] for item in labelled]
    quality = verifier_quality(scores, [[known.value for known in item.labels] for item in labelled])
    return asdict(quality), agreement(found, [outcome for _, outcome in judged]).as_data()


def _labelled(parts: Parts, groups: Sequence[Group], purpose: str, round_number: int) -> list[Labelled]:
    """Rollout labels for groups that hold both right and wrong answers, else for others; families take turns."""
    settings = parts.config.verifier
    mixed = in_turns(sorted(groups, key=lambda g: g.solve_rate in (0.0, 1.0, None)))[: settings.groups]
    seed = derive_seed("labels", purpose, parts.config.seed, round_number)
    labelled: list[Labelled] = parts.run(
        label(
            mixed,
            parts.generator.propose,
            parts.reward_grade(seed) if purpose == "train" else parts.grade,
            rollouts=settings.rollouts,
            most_steps=settings.most_steps,
            max_tokens=parts.config.sampling.max_tokens,
            seed=seed,
        )
    )
    work = parts.sampled("labelling" if purpose == "train" else "measuring")
    parts.ledger.labelling += work if purpose == "train" else 0.0
    return labelled
