"""What a run should say before it begins because a reader of its results would want to have known it."""

from __future__ import annotations

from ponder.policy.prompts import Prompts
from ponder.policy.rewriting import rewriting
from ponder.selfplay.config import Run


def notices(config: Run, prompts: Prompts) -> list[str]:
    """Sentences for the log and for people; none where all is as usual."""
    found = []
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
