"""What a policy acts in, one environment a file. An environment is its own settings: a `Strict` model with `kind`.

A new environment is one file and one line in `ENVIRONMENTS`; its class needs the members of `protocols.Environment`.
The union `Settings` is a field of a configuration, so that `environment.kind=retry` chooses one, and the fields of
another kind are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import getdoc
from typing import Annotated, Any

from pydantic import Field

from ponder.config import Strict
from ponder.environments.retry import Retry as Retry
from ponder.environments.single_turn import SingleTurn as SingleTurn

Settings = Annotated[SingleTurn | Retry, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Entry:
    """An environment for lists and pages: its settings class, one line about it, and the module it stands in."""

    settings: type[Strict]
    summary: str
    source: str

    def describe(self) -> dict[str, Any]:
        """Summary, source and settings with their defaults, as plain data."""
        fields = {name: field.default for name, field in self.settings.model_fields.items() if name != "kind"}
        return {"summary": self.summary, "source": self.source, "settings": fields}


def _entry(settings: type[Strict]) -> Entry:
    return Entry(settings, (getdoc(settings) or "").partition("\n")[0], settings.__module__)


ENVIRONMENTS: Mapping[str, Entry] = {"single_turn": _entry(SingleTurn), "retry": _entry(Retry)}
