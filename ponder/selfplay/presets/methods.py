"""Presets that couple, stage or correct: a name with what it is, where it is from, and the settings it stands for.

They are listed with all other presets in `api/training/presets.py`; settings are written as on the command line.
"""

from __future__ import annotations

_SEARCH = "sampling.draws={kind='search', strategy='rest_mcts?stop_at=2', budget=2048}"
_TURNS = "environment.kind=second_look"
_CORRECTION = "{kind='self_correction', first=%s, alpha=%s}"

METHODS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "coupled": (
        "the verifier's score beside the outcome in the policy's reward, as the difference that each step made",
        "Math-Shepherd (2312.08935), PAV (2410.08146)",
        ("coupling.kind=both",),
    ),
    "process_only": (
        "the verifier alone pays the policy: to study how it is fooled",
        "Math-Shepherd (2312.08935, section 3.4)",
        ("coupling.kind=process", "coupling.shape=score", "coupling.weight=1.0"),
    ),
    "unified": (
        "policy and verifier are one trunk with two heads, trained together, the score in the reward",
        "GenRM's cloning beside judging (2408.15240), a shared trunk",
        ("coupling.kind=both", "coupling.weights=unified"),
    ),
    "rest_mcts": (
        "joint training of ReST-MCTS*: a tree search draws, its values teach the verifier, its right ends the policy",
        "ReST-MCTS* (2406.03816)",
        ("coupling.labels=tree", _SEARCH, "algorithm.kind=rejection", "loss.kind=cloning"),
    ),
    "ttrl": (
        "reinforcement learning without a key: the vote of the group is the reward, with the danger that it is wrong",
        "TTRL (2504.16084)",
        ("rewards=[{kind='majority'}]", "sampling.group_size=16"),
    ),
    "score": (
        "self-correction in two stages: first the second turn alone with the first one held, then both with a bonus",
        "SCoRe (2409.12917)",
        (
            _TURNS,
            "algorithm.kind=per_turn",
            "rounds=6",
            "loss.kl_coef=0.01",
            f"rewards=[{_CORRECTION % ('0.0', '0.0')}]",
            (
                "stages=[{name='second turn', rounds=2, set=['loss.kl_first_turn=10.0']}, "
                f"{{name='both turns', rounds=4, set=[\"rewards=[{_CORRECTION % ('1.0', '10.0')}]\"]}}]"
            ),
        ),
    ),
    "length_control": (
        "fine-tuning on answers that the verifier likes, then reinforcement learning, then a price on length",
        "Math-Shepherd's filter (2312.08935), Kimi k1.5 (2501.12599, section 2.3.3)",
        (
            "rounds=6",
            (
                "stages=[{name='filtered fine-tuning', rounds=2, set=['coupling.kind=both', 'coupling.shape=minimum', "
                "'coupling.weight=1.0', 'algorithm.kind=rejection', 'algorithm.above=1.3', 'loss.kind=cloning']}, "
                "{name='reinforcement learning', rounds=2}, "
                "{name='length control', rounds=2, set=["
                "\"rewards=[{kind='outcome'}, {kind='relative_length', weight=0.5}]\"]}]"
            ),
        ),
    ),
}
