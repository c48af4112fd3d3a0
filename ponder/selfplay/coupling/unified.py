"""One trunk that proposes and judges: the verifier's head stands on the policy's own layers, and both train them.

The policy's updates move the trunk by reinforcement learning; at the end of a round the verifier's step moves it
towards telling right from wrong, with right answers cloned along so that it does not forget how to answer
(`verifiers.learned.unified`). Two optimizers with moments of their own share one set of float32 masters. The engine
gets the weights after the verifier's step as after any update.

What it costs: a verdict is a forward through the whole trunk, while the dual verifier has `verifier.depth` of it.
Degenerate: with clone=0 the trunk is free to forget; without a right answer there is nothing to clone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from ponder.labels.labelled import Labelled
from ponder.learning.checkpoints.state import restore_weights
from ponder.learning.core import Core
from ponder.learning.judged_rows import JudgedRow
from ponder.learning.verifier_learner import VerifierLearner
from ponder.models.heads import head, judging_model
from ponder.models.size import parameters, training_flops
from ponder.policy.propose import PolicyPropose
from ponder.seeds import derive_seed
from ponder.selfplay.config import Run
from ponder.selfplay.roles import Verifier
from ponder.verifiers.learned.common.batched import step_ends
from ponder.verifiers.learned.process.judge import ProcessVerifier
from ponder.verifiers.learned.process.objective import Process
from ponder.verifiers.learned.unified.objective import Solution, Unified


class UnifiedVerifier(Verifier):
    """The step verifier on the policy's trunk. `core` is the policy's optimizer, whose masters are shared."""

    moves_policy = True

    def __init__(self, policy: PreTrainedModel, propose: PolicyPropose, config: Run, core: Core) -> None:
        self.settings, self.seed, self.prompt = config.verifier, config.seed, propose.prompts.tokens
        self.policy = policy
        seed = derive_seed("verifier head", config.seed)
        self.model = judging_model(policy, "token", labels=2, seed=seed, shared=True).eval()
        rate = config.coupling.learning_rate or config.trainer.learning_rate
        self._goal = Unified(Process(), policy, config.coupling.clone)
        self._learner = VerifierLearner(
            self.model,
            self._goal,
            config.verifier.trainer.model_copy(update={"learning_rate": rate}),
            batch=config.verifier.batch,
            extra=list(policy.parameters()),
            masters={id(p): core.masters[name] for name, p in core.parameters.items()},
        )
        self.judge = ProcessVerifier(
            self.model, self.prompt, policy_parameters=parameters(policy), aggregation=self.settings.aggregation
        )

    def train(self, labelled: Sequence[Labelled], round_number: int) -> tuple[float | None, float]:
        """Fit head and trunk on labelled steps; the last epoch's loss and the work in FLOPs, cloning included."""
        rows = [self.judged_row(item) for item in labelled]
        if not rows:
            return None, 0.0
        generator = torch.Generator().manual_seed(derive_seed("verifier", self.seed, round_number) % 2**31)
        loss = self._learner.fit(rows, generator, epochs=self.settings.epochs).loss
        self.policy.eval()
        return loss, self.settings.epochs * self._work(rows)

    def slow(self, scale: float) -> None:
        """Its steps move the policy, so a run that went back to an earlier state slows them too."""
        self._learner.core.scale = scale

    def judged_row(self, labelled: Labelled) -> JudgedRow:
        """Labelled steps as positions. Only an answer of one turn without forced words can be cloned as it stands."""
        trajectory, start = labelled.trajectory, len(self.prompt(labelled.trajectory.question))
        tokens = self.prompt(trajectory.question) + trajectory.tokens
        known = {label.step: label.value for label in labelled.labels}
        ends = dict[int, float | None]()  # an empty step ends where its parent does
        for step, end in enumerate(step_ends(len(tokens), trajectory)):
            ends[end] = known.get(step, ends.get(end))
        own = not any(step.forced for step in trajectory.steps)
        outcome = known.get(len(trajectory.steps) - 1) if own and trajectory.finished else None
        return JudgedRow(trajectory.question.id, tokens, start, tuple(ends), tuple(ends.values()), outcome)

    def _work(self, rows: Sequence[JudgedRow]) -> float:
        judging = training_flops(self.model.config, [len(row.tokens) for row in rows], heads=0)
        cloned = [e for e in self._goal.examples(rows) if isinstance(e, Solution)]
        heads = sum(len(at) for e in cloned for at in e.at)
        return judging + training_flops(self.policy.config, [len(e.rows[0]) for e in cloned], heads=heads)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        weights = {name: p.detach() for name, p in head(self.model).named_parameters()}
        return {"verifier_head": weights, "verifier_optimizer": self._learner.core.tensors()}

    def counters(self) -> dict[str, int]:
        return self._learner.core.counters()

    def finish(self) -> None:
        """No step follows; the judge stays."""
        self._learner.core.finish()

    def load(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, int]) -> None:
        """The policy was put back already, and the trunk with it."""
        restore_weights(head(self.model), tensors["verifier_head"])
        self._learner.core.load(tensors.get("verifier_optimizer", {}), counters)
