"""Settings that belong together under one name: `ponder run --preset dapo`; what is given by --set comes after."""

from __future__ import annotations

from dataclasses import dataclass

from ponder.catalogue import Entry, Setting
from ponder.names import pick
from ponder.selfplay.presets.methods import METHODS


@dataclass(frozen=True)
class Preset:
    """`settings` are overrides like those of --set, in order."""

    summary: str
    source: str
    settings: tuple[str, ...]


def _of(algorithm: str, loss: str, *more: str) -> tuple[str, ...]:
    return (f"algorithm.kind={algorithm}", f"loss.kind={loss}", *more)


_IMITATE = _of("rejection", "cloning", "control.rejection=false")
PRESETS: dict[str, Preset] = {
    "dr_grpo": Preset("the default", "arXiv 2503.20783", _of("dr_grpo", "clipped")),
    "grpo": Preset(
        "groups in units of their deviation, a mean over each answer, a pull to the start",
        "arXiv 2402.03300",
        _of(
            "grpo",
            "clipped",
            "loss.clip_high=0.2",
            "loss.normalisation=sequence",
            "loss.count=all",
            "loss.kl_coef=0.04",
        ),
    ),
    "dapo": Preset(
        "clip-higher, a mean over tokens, groups refilled, a soft price on length",
        "arXiv 2503.14476",
        _of(
            "grpo",
            "clipped",
            "loss.normalisation=token",
            "selection.refill=3",
            'rewards=[{kind="outcome"}, {kind="overlong"}]',
        ),
    ),
    "scale_rl": Preset(
        "CISPO, advantages in the batch's scale, dead groups left out, solved problems retired",
        "arXiv 2510.13786",
        _of(
            "reinforce_pp", "cispo", 'algorithm.baseline="group"', "loss.normalisation=sequence", "selection.retire=0.9"
        ),
    ),
    "ppo": Preset("a critic, and advantages by GAE", "arXiv 1707.06347", _of("gae", "clipped", "loss.clip_high=0.2")),
    "vapo": Preset(
        "PPO with a lambda that follows the length, clip-higher and a mean over tokens",
        "arXiv 2504.05118",
        _of("gae", "clipped", "algorithm.adaptive=0.05", "loss.normalisation=token"),
    ),
    "vineppo": Preset("values by rollouts from step ends", "arXiv 2410.01679", _of("vineppo", "clipped")),
    "pav": Preset("the outcome and progress under a stronger prover", "arXiv 2410.08146", _of("pav", "clipped")),
    "prime": Preset("implicit token rewards, learned online", "arXiv 2502.01456", _of("prime", "clipped")),
    "tree": Preset(
        "advantages from the nodes of a search tree",
        "arXiv 2506.11902",
        _of("tree", "clipped", 'sampling.draws={kind="search", strategy="beam", budget=2048}'),
    ),
    "rft": Preset("imitate one's own right answers, each once", "arXiv 2308.01825", (*_IMITATE, "algorithm.most=4")),
    "rest_em": Preset(
        "the same, each update anew from the start and in several passes",
        "arXiv 2312.06585",
        (*_IMITATE, "algorithm.most=10", "trainer.from_start=true", "trainer.epochs=3", "trainer.minibatches=4"),
    ),
    "star": Preset(
        "the same with hinted answers to unsolved problems",
        "arXiv 2203.14465",
        (
            *_IMITATE,
            "algorithm.most=1",
            "selection.rationalise=4",
            "trainer.from_start=true",
            "trainer.epochs=3",
            "trainer.minibatches=4",
        ),
    ),
    "distil_search": Preset(
        "imitate what a search finds: the teacher is the same model, thinking longer (expert iteration)",
        "arXiv 1705.08439",
        (*_IMITATE, "algorithm.most=4", 'sampling.draws={kind="search", strategy="beam", budget=2048}'),
    ),
    "distil": Preset(
        "follow a teacher on one's own answers; set teacher.model", "arXiv 2306.13649", _of("distillation", "reinforce")
    ),
    "dpo": Preset(
        "pairs of right and wrong answers", "arXiv 2305.18290", _of("preference", "dpo", "trainer.minibatches=4")
    ),
    "step_dpo": Preset(
        "the same, wrong answers up to their first wrong step",
        "arXiv 2406.14532",
        _of("step_preference", "dpo", "trainer.minibatches=4"),
    ),
}

# Those that couple generator and verifier, that have stages, or that correct themselves.
PRESETS |= {name: Preset(summary, source, settings) for name, (summary, source, settings) in METHODS.items()}


def settings_of(name: str) -> tuple[str, ...]:
    """The overrides of a preset; PonderError with the nearest name for one that is not there."""
    return pick("preset", name, PRESETS).settings


def catalogue() -> list[Entry]:
    """For `ponder list presets`: what each sets stands where the settings of a method do."""
    return [
        Entry(name, _sentence(preset.summary), preset.source, (), tuple(_setting(text) for text in preset.settings))
        for name, preset in PRESETS.items()
    ]


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:].rstrip('.')}."


def _setting(text: str) -> Setting:
    key, _, value = text.partition("=")
    return Setting(key, "", value)
