"""The verifier of a prover-verifier game: from scratch every round, on the answers of all provers so far.

Bradley-Terry on pairs of a right and a wrong answer to one problem, whichever role gave them: -log sigma(V(right) -
V(wrong)). It is trained anew because a verifier that only ever sees the latest provers forgets how the earlier ones
cheated. A fifth of the problems is never trained on; on their answers `measured` says, for the provers of each round,
in which share of pairs the right answer has the higher score (1/2: the verifier knows nothing). `prover/unseen` is
the same of the verifier before this training, on all answers of the round's provers, which it had never seen: what a
prover gained against a verifier that stood still. Only differences are learned, so the score says nothing across
problems by itself; rewards use it less the mean of the batch.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.labels.labelled import Labelled
from ponder.learning.checkpoints.state import restore_weights
from ponder.learning.judged_rows import JudgedRow
from ponder.learning.verifier_learner import VerifierLearner
from ponder.models.depth import shallower
from ponder.models.heads import step_verifier
from ponder.models.size import forward_flops, parameters, training_flops
from ponder.policy.propose import PolicyPropose
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from ponder.selfplay.provers.roles import judged_plainly
from ponder.selfplay.roles import Verifier
from ponder.types import Trajectory, Verdict
from ponder.verifiers.learned.common.pairs import contrasts
from ponder.verifiers.learned.preference.objective import Preference
from ponder.verifiers.learned.process.judge import ProcessVerifier

HELD_OUT = 5  # one problem in so many


@dataclass(frozen=True)
class Remembered:
    """An answer that a prover gave in `round`: prompt and response tokens, where the response starts, the outcome."""

    problem: int
    round: int
    start: int
    tokens: tuple[int, ...]
    outcome: float

    @property
    def held_out(self) -> bool:
        return self.problem % HELD_OUT == 0


class ProverVerifier(Verifier):
    """See the module. `memory` holds the answers of all rounds, the latest `provers.remembered` of them."""

    def __init__(self, policy: PreTrainedModel, propose: PolicyPropose, config: Run) -> None:
        self.settings, self.seed, self.game = config.verifier, config.seed, config.provers
        self.prompt = propose.prompts.tokens
        whole = step_verifier(policy, derive_seed("verifier head", config.seed))
        self.model = shallower(whole, self.settings.depth)
        self.begun = copy.deepcopy(self.model.state_dict())
        self.judge = ProcessVerifier(self.model, self.prompt, policy_parameters=parameters(policy))
        self.memory: list[Remembered] = []
        self.measured: dict[str, float] = {}
        self.trained = False

    def train(self, labelled: Sequence[Labelled], round_number: int) -> tuple[float | None, float]:
        """Remember the answers, begin anew and fit on all that is remembered; the loss and the work in FLOPs."""
        new = self._remember(labelled, round_number)
        unseen, read_before = self._measure(new) if self.trained else ({}, 0.0)
        self.model.load_state_dict(self.begun)
        rows = [_row(one) for one in self.memory if not one.held_out]
        learner = VerifierLearner(self.model, Preference(), self.settings.trainer, batch=self.settings.batch)
        pairs = Preference().examples(rows)
        loss, work = None, 0.0
        if pairs:
            generator = torch.Generator().manual_seed(derive_seed("verifier", self.seed, round_number) % 2**31)
            loss = learner.fit_examples(pairs, generator, epochs=self.game.epochs).loss
            lengths = [len(row) for pair in pairs for row in pair.rows]
            work = self.game.epochs * training_flops(self.model.config, lengths, heads=0)
            self.trained = True
        self.model.eval()
        held_out, read = self._measure([one for one in self.memory if one.held_out])
        self.measured = held_out
        if unseen:
            (self.measured["prover/unseen"],) = unseen.values()
        return loss, work + read_before + read

    def finish(self) -> None:
        """Each round's learner is its own and gone by now."""

    def _remember(self, labelled: Sequence[Labelled], round_number: int) -> list[Remembered]:
        """Add the answers of a round; returns them."""
        new = []
        for item in labelled:
            trajectory = judged_plainly(item.trajectory)
            last = {label.step: label.value for label in item.labels}.get(len(trajectory.steps) - 1)
            if last is None or not trajectory.tokens:
                continue
            problem = derive_seed("problem", trajectory.question.id) % 2**31
            prompt = tuple(self.prompt(trajectory.question))
            new.append(Remembered(problem, round_number, len(prompt), prompt + trajectory.tokens, last))
        self.memory = [*self.memory, *new][-self.game.remembered :]
        return new

    def _measure(self, asked: Sequence[Remembered]) -> tuple[dict[str, float], float]:
        """By round, the share of pairs in which the right answer scores higher; the work in FLOPs."""
        found: dict[str, float] = {}
        rows = [one.tokens for one in asked]
        scores = [score for (score,) in self.judge.forward(rows, [[len(row) - 1] for row in rows])] if rows else []
        for number in sorted({one.round for one in asked}):
            wins = [
                scores[better] > scores[worse]
                for better, worse in self._pairs([i for i, one in enumerate(asked) if one.round == number], asked)
            ]
            if wins:
                found[f"prover/pairs of round {number}"] = sum(wins) / len(wins)
        return found, sum(forward_flops(self.model.config, len(one.tokens), heads=0) for one in asked)

    @staticmethod
    def _pairs(some: Sequence[int], asked: Sequence[Remembered]) -> Iterator[tuple[int, int]]:
        problems: dict[int, list[tuple[float, int]]] = {}
        for i in some:
            problems.setdefault(asked[i].problem, []).append((asked[i].outcome, i))
        for valued in problems.values():
            yield from contrasts(valued)

    def score(self, trajectories: Sequence[Trajectory]) -> list[Verdict]:
        """Scores of the answers behind their plain questions."""
        return self.judge.judge([judged_plainly(trajectory) for trajectory in trajectories])

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """The weights, and the memory as numbers."""
        weights = {name: p.detach() for name, p in self.model.named_parameters()}
        tokens = [token for one in self.memory for token in one.tokens]
        rows = [(one.problem, one.round, one.start, len(one.tokens)) for one in self.memory]
        memory = {
            "tokens": torch.tensor(tokens, dtype=torch.int64),
            "rows": torch.tensor(rows, dtype=torch.int64).reshape(len(rows), 4),
            "outcomes": torch.tensor([one.outcome for one in self.memory], dtype=torch.float64),
        }
        return {"verifier": weights, "verifier_memory": memory}

    def counters(self) -> dict[str, int]:
        return {"trained": int(self.trained)}

    def load(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, int]) -> None:
        restore_weights(self.model, tensors["verifier"])
        self.trained = bool(counters["trained"])
        memory = tensors["verifier_memory"]
        self.memory, at = [], 0
        for (problem, number, start, length), outcome in zip(
            memory["rows"].tolist(), memory["outcomes"].tolist(), strict=True
        ):
            tokens = tuple(memory["tokens"][at : at + length].tolist())
            self.memory.append(Remembered(problem, number, start, tokens, outcome))
            at += length


def _row(one: Remembered) -> JudgedRow:
    return JudgedRow(str(one.problem), one.tokens, one.start, (len(one.tokens) - 1,), (), one.outcome)
