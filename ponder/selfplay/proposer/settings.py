"""Where a run takes its training problems from, as a setting: `source.kind=curriculum` or `proposer`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ponder.plugins import Plugin, Registry

Share = Annotated[float, Field(ge=0, le=1)]


class SourceSettings(Plugin):
    """The base of all sources."""


class FromCurriculum(SourceSettings):
    """Generated problems at the levels that the curriculum opens (`curriculum.*`)."""

    kind: Literal["curriculum"] = "curriculum"


class FromProposer(SourceSettings):
    """Problems that a model writes, paid for those which the solver gets right every other time.

    `share` of an update's problems are proposed, the others and all that could not be proposed come from the
    curriculum. Proposals are drawn in groups of `proposals`, from one example each. `attempts` says how many proposals
    are drawn for each one that is wanted. `repetition` is the weight of what a batch repeats. `model` proposes and does
    not learn; without one the policy proposes and learns from it. `remembered` proposals are known as duplicates.
    `example` shows a question and a reply of the training split before each question (None: to models that have not
    been trained to think in this form, whose frame is not `native`).
    """

    kind: Literal["proposer"] = "proposer"
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    proposals: Annotated[int, Field(ge=2)] = 6
    attempts: Annotated[float, Field(ge=1)] = 1.5
    repetition: Share = 0.2
    max_tokens: Annotated[int, Field(ge=8)] = 120
    remembered: Annotated[int, Field(ge=0)] = 20_000
    model: str = ""
    example: bool | None = None


SOURCES: Registry[SourceSettings] = Registry("source", SourceSettings, default="curriculum")
for _settings in (FromCurriculum, FromProposer):
    SOURCES.register(_settings)
AnySource = Annotated[SourceSettings, SOURCES]
