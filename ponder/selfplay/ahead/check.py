"""What does not go together with sampling ahead."""

from __future__ import annotations

from ponder.engines.settings import LocalSettings
from ponder.rollout.settings import SearchDraws
from ponder.search.planner.table import parsed
from ponder.search.registry import needs_judge
from ponder.selfplay.config import Run
from ponder.types import PonderError


def check(config: Run, asked: set[str]) -> None:
    """PonderError for a setting that needs the newest weights while answers are drawn; `asked` are models to ask."""
    k = config.staleness.updates
    if not k:
        return
    draws = config.sampling.draws
    judged = isinstance(draws, SearchDraws) and needs_judge(parsed(draws.strategy)[0])
    loss = config.loss
    refused = {
        "stages": (bool(config.stages), "answers of the next stage would be drawn with the settings of this one"),
        "provers.enabled": (config.provers.enabled, "its verifier is paid for the answers of the same weights"),
        "coupling.weights=unified": (
            config.coupling.weights == "unified",
            "the verifier moves the policy between updates",
        ),
        "selection.rationalise": (config.selection.rationalise > 0, "hinted answers are asked for while learning"),
        f"source.kind={config.source.kind}": (
            config.source.kind != "curriculum",
            "the policy proposes problems and learns from what comes of them",
        ),
        f"algorithm.kind={config.algorithm.kind}": (
            "rollouts" in asked,
            "its auxiliary rollouts are asked of the engine while learning",
        ),
        "sampling.draws": (judged, "the search asks the verifier, which learns meanwhile"),
        f"loss.kind={loss.kind}": (
            loss.on_policy and not loss.compares,
            "it takes all rows for draws of the present policy; use clipped, gspo or cispo",
        ),
        "engine.share_weights": (
            isinstance(config.engine, LocalSettings) and config.engine.share_weights,
            "the engine would read weights that are being changed",
        ),
    }
    for name, (met, why) in refused.items():
        if met:
            raise PonderError(f"staleness.updates={k} does not go together with {name}: {why}; set it back, or 0 here")
