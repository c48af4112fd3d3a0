"""What a claim is: the words of the articles, the evidence, the commands that repeat ours, and a verdict."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Verdict(StrEnum):
    """What the evidence says of a claim."""

    HELD = "held"
    LIMITED = "held within limits"
    REFUTED = "refuted"
    OPEN = "not settled"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Finding(_Part):
    """What somebody else measured, and where it can be read (an arXiv number, or a repository)."""

    says: str
    source: str


class Figure(_Part):
    """A number that we measured: in words, with its 95 % interval where there is one, and where it stands.

    `file` is a path in the repository, and `text` is what that file says word for word; a test looks it up, so that a
    figure cannot be changed there and stay here.
    """

    what: str
    value: str
    interval: str = ""
    file: str
    text: str

    @model_validator(mode="after")
    def _inside(self) -> Figure:
        if PurePosixPath(self.file).is_absolute() or ".." in PurePosixPath(self.file).parts:
            raise ValueError(f"file={self.file!r}: give a path inside the repository")
        return self


class Trial(_Part):
    """Commands that repeat the experiment, in order. `{out}` in them is the folder of the results.

    `minutes` is what they take on two idle cores of the machine of our figures, as measured or, with `estimated`, as
    reckoned from a smaller form; None where they need hardware that was not there.
    """

    commands: tuple[str, ...] = Field(min_length=1)
    minutes: float | None = None
    estimated: bool = False


class Claim(_Part):
    """One claim of the articles and what is known of it."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    title: str
    articles: tuple[str, ...] = Field(min_length=1)
    claimed: str
    others: tuple[Finding, ...] = ()
    experiment: str
    reduced: Trial
    full: Trial | None = None
    hardware: str
    seeds: int = Field(ge=0)
    seconds: float | None = Field(default=None, ge=0)
    figures: tuple[Figure, ...] = ()
    verdict: Verdict
    why: str
    settles: str = ""
    meaning: str

    @model_validator(mode="after")
    def _whole(self) -> Claim:
        if self.verdict is Verdict.OPEN and not self.settles:
            raise ValueError(f"{self.name}: not settled, so say in `settles` which run or hardware would settle it")
        if self.verdict is not Verdict.OPEN and not (self.figures or self.others):
            raise ValueError(f"{self.name}: a verdict needs a figure of ours or a finding of others")
        return self
