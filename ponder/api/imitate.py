"""Behaviour cloning on texts: questions with responses, in any order, for any number of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ponder.api.policies import Policy
from ponder.learning.policy import PolicyTrainer
from ponder.learning.samples import demonstration, mask
from ponder.learning.settings import TrainerSettings
from ponder.losses.cloning import Cloning
from ponder.types import PonderError, Question, Sample, Step, StopReason, Trajectory

Tell = Callable[[int, int, float | None], None]  # step, steps, loss in nats a token


@dataclass(frozen=True)
class Pieces:
    """A response in pieces, each with whether it is imitated; what is not stands there and is only read."""

    pieces: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.pieces)


Shown = tuple[Question, str | Sequence[str] | Pieces]


def imitate(
    policy: Policy,
    shown: Iterator[Shown],
    *,
    steps: int,
    batch: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
    tell: Tell = lambda *_: None,
) -> PolicyTrainer:
    """Train `policy.model` on `steps` batches of `shown`, each a question and the response after its prompt.

    A response of several turns is a list of turns and replies of an environment by turns, beginning and ending with a
    turn; replies are read and not imitated. Of `Pieces` each says whether it is imitated.
    The rate falls to zero on a straight line. An end-of-turn token is put behind every response. Returns the trainer,
    whose `weights()` are the new ones; the policy's engine keeps the old. PonderError if `shown` runs dry.
    """
    settings = TrainerSettings(learning_rate=learning_rate, schedule="linear", total_steps=max(steps, 6))
    trainer = PolicyTrainer(policy.model, settings, Cloning(), seed=seed, total_steps=steps)
    for step in range(steps):
        rows = [row(policy, question, text) for question, text in islice(shown, batch)]
        if len(rows) < batch:
            raise PonderError(
                f"only {step * batch + len(rows)} responses to imitate; {steps} steps need {steps * batch}"
            )
        tell(step + 1, steps, trainer.update(rows).loss)
    return trainer


def row(policy: Policy, question: Question, text: str | Sequence[str] | Pieces) -> Sample:
    """`text` as the response to `question`, to be imitated, but for what is read.

    That are results of tools, replies, and pieces that say so.
    """
    pieces = text.pieces if isinstance(text, Pieces) else ((text, True),) if isinstance(text, str) else None
    if pieces is None:
        assert not isinstance(text, (str, Pieces))
        return episode(policy, question, text)
    codec, tools = policy.codec, policy.propose.tools
    if tools is not None and policy.propose.prompts.tools:
        raise PonderError(
            "texts to imitate show tagged calls, and this policy calls tools in its model's own format; load it with "
            "tools whose format is tagged"
        )
    response, mask_T = list[int](), list[float]()
    for whole, imitated in pieces:
        for piece, read in tools.parts(whole) if tools is not None else [(whole, False)]:
            tokens = codec.encode_plain(piece) if read else codec.encode(piece)
            response += tokens
            mask_T += [1.0 if imitated and not read else 0.0] * len(tokens)
    sample = demonstration(question.id, policy.propose.prompts.tokens(question), (*response, codec.eos_id))
    return replace(sample, mask_T=(*mask_T, 1.0))


def episode(policy: Policy, question: Question, said: Sequence[str]) -> Sample:
    """Turns and replies by turns as one row: the very tokens that an episode in an environment would have."""
    codec, leaf = policy.codec, None
    for place, text in enumerate(said):
        if place % 2 and leaf is not None:
            leaf = policy.propose.observe(question, leaf, text)
            continue
        tokens = (*codec.encode(text), codec.eos_id)
        leaf = Step(tokens, (0.0,) * len(tokens), text, 0, StopReason.END, leaf)
    if leaf is None or leaf.forced:
        raise PonderError(f"{question.id}: {len(said)} texts; an episode begins and ends with a turn of the policy")
    trajectory = Trajectory(question, leaf)
    sample = demonstration(question.id, policy.propose.prompts.tokens(question), trajectory.tokens)
    return replace(sample, mask_T=mask(trajectory))
