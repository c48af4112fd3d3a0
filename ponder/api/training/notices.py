"""What a run should say before it begins because a reader of its results would want to have known it."""

from __future__ import annotations

from collections.abc import Sequence

from ponder.policy.prompts import Prompts
from ponder.policy.rewriting import rewriting
from ponder.protocols import Family, Finite
from ponder.selfplay.config import Run


def notices(config: Run, prompts: Prompts, families: Sequence[Family] = ()) -> list[str]:
    """Sentences for the log and for people; none where all is as usual."""
    found = [sentence for family in families if isinstance(family, Finite) for sentence in _short(config, family)]
    if config.environment.most_turns > 1:
        told = rewriting(prompts)
        if told.history in ("thinking", "other"):
            found.append(f"environment {config.environment.kind}: {told.sentence}")
    paid = [reward.kind for reward in config.rewards if reward.weight]
    if "rubric" in paid and not {"outcome", "self_correction"} & set(paid):
        found.append(
            "reward rubric: a judging model is all that says what is good, and a policy can learn to fool it; keep the "
            "reward outcome beside it where answers can be graded, and watch judge_agreement"
        )
    return found


def _short(config: Run, family: Family) -> list[str]:
    """What a file with few rows means for the figures."""
    assert isinstance(family, Finite)
    asked = {"validation": config.evaluation.ladder, "test": config.evaluation.problems}
    sizes = {split: family.size(split) for split in asked}
    if all(sizes[split] >= count for split, count in asked.items()):
        return []
    rows = " and ".join(f"{sizes[split]} {split} rows where {count} were asked for" for split, count in asked.items())
    width = round(196 / max(1, sizes["test"]) ** 0.5)  # of a 95 % interval in points
    return [f"{family.name} has {rows}: all of them are measured; at 50 % right an interval is {width} points wide"]
