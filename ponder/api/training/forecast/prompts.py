"""How long the prompts of a run are: its first problems, put as the model will be asked."""

from __future__ import annotations

from functools import cache

from transformers import AutoTokenizer

from ponder.api.policies import frame_for
from ponder.api.problems import load_families
from ponder.api.training.forecast.memory import PROMPT
from ponder.models.load import place_of
from ponder.policy.codec import Codec
from ponder.policy.prompts import Prompts
from ponder.selfplay.config import Run
from ponder.types import PonderError

_LOOKED_AT = 8  # problems of each family


def prompt_tokens(config: Run) -> int:
    """Mean tokens of a prompt; `PROMPT` where that cannot be told before the run."""
    try:
        place, families = place_of(config.model), load_families(config.problems)
        codec, tools = _codec(str(place)), config.tools.box()
        told = "" if tools is None else tools.briefing
        prompts = Prompts(codec, told, frame=frame_for(config.model, codec, config.frame))
        drawn = [f.problem(i, split="train", seed=config.seed) for f in families for i in range(_LOOKED_AT)]
        return round(sum(len(prompts.tokens(p.question)) for p in drawn) / len(drawn))
    except (PonderError, OSError, ValueError):
        return PROMPT  # the run itself says what is wrong


@cache
def _codec(place: str) -> Codec:
    return Codec(AutoTokenizer.from_pretrained(place, trust_remote_code=False))
