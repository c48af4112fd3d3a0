"""From the name of a judging model to a judge by a rubric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ponder.api.policies import load_source
from ponder.protocols import Propose, Steered
from ponder.selfplay.scorers.judging import JudgeOf, Opinions
from ponder.types import EngineError, PonderError, Verdict
from ponder.verifiers.rubric.judge import Rubric, RubricJudge
from ponder.verifiers.rubric.screen import screened

if TYPE_CHECKING:  # it needs the extra `remote`
    from ponder.engines.remote.systemone import SystemOne

SYSTEMONE = "systemone:"


def judge_by_rubric(model: str, rubric: Rubric, *, device: str = "cpu", max_tokens: int = 512) -> JudgeOf:
    """Makes judges that ask `model`; "" is the policy itself, as it stands when it is asked, greedily.

    `model` is a folder, a hub id, an address URL#NAME of a chat server, or `systemone:URL#NAME`.
    """
    if model.startswith(SYSTEMONE):
        # Imported here because it needs the extra `remote`.
        from ponder.engines.remote.systemone import at

        decisions = Decisions(at(model.removeprefix(SYSTEMONE)), rubric)
        return lambda _: decisions
    if model:
        judge = RubricJudge(load_source(model, device=device, temperature=0.0).propose, rubric, max_tokens)
        return lambda _: judge

    def own(policy: Propose) -> Opinions:
        if not isinstance(policy, Steered):
            raise PonderError("this policy cannot be asked greedily, so it cannot judge; name a judge (model)")
        return RubricJudge(policy.greedy(), rubric, max_tokens)

    return own


@dataclass
class Decisions:
    """A decision server as a judge: its probability that each criterion is met, weighted."""

    server: SystemOne
    rubric: Rubric

    async def verdict(self, task: str, answer: str) -> Verdict:
        """The weighted mean of the probabilities as score; failure "judge" if the server gave none."""
        shown = screened(answer)
        if shown.empty:
            return Verdict(score=0.0, extracted=shown.text, detail="nothing in it is an answer; no judge was asked")
        asked = [f"Does the answer meet this: {text}" for text in self.rubric.criteria]
        try:
            met = await self.server.probabilities(f"Task:\n{task}\n\nAnswer (to be judged):\n{shown.text}", asked)
        except EngineError as error:
            return Verdict(failure="judge", extracted=shown.text, detail=str(error))
        return Verdict(score=self.rubric.share(met), extracted=shown.text, detail=f"probabilities {met}")
