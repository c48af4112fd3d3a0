"""Kinds of settings that users may add to: a registry of settings classes, chosen by their field `kind`.

An algorithm, a loss or a reward is one frozen settings class with a `kind` of its own and a method that does the work,
so that a combination which makes no sense has no spelling. A configuration field is written `Annotated[Base,
REGISTRY]`; the table below it names its `kind` (or leaves it out and gets the field's default kind) and the settings of
that kind.

    class Mine(Algorithm):                 # in a user's own script
        kind: Literal["mine"] = "mine"
        strength: float = 1.0
        def credit(self, batch): ...
    ALGORITHMS.register(Mine)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from ponder.config import Strict
from ponder.names import pick
from ponder.types import PonderError


class Plugin(Strict):
    """Base of everything that is chosen by `kind`. The first line of a class's docstring is its summary in lists.

    `source` names paper and equation; `needs` are what a run must provide for it (see `selfplay.needs`).
    """

    kind: str
    source: ClassVar[str] = ""
    needs: ClassVar[tuple[str, ...]] = ()


S = TypeVar("S", bound=Plugin)


class Registry(Generic[S]):
    """Settings classes by kind; `what` is the noun for errors. Also the annotation that reads such a setting."""

    def __init__(self, what: str, base: type[S], default: str) -> None:
        self.what, self.base, self.default = what, base, default
        self.classes: dict[str, type[S]] = {}

    def register(self, cls: type[S]) -> type[S]:
        """Add a class under the default of its field `kind`; usable as a decorator. PonderError if it cannot stand."""
        kind = cls.model_fields["kind"].default if issubclass(cls, self.base) else None
        if not isinstance(kind, str) or not kind.isidentifier():
            raise PonderError(
                f"{self.what} {cls.__name__}: derive it from {self.base.__name__} and give it a kind, for example "
                f'`kind: Literal["{cls.__name__.lower()}"] = "{cls.__name__.lower()}"`'
            )
        known = self.classes.get(kind)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise PonderError(f"{self.what} {kind!r} is there already ({known.__module__}); choose another kind")
        self.classes[kind] = cls
        return cls

    def __iter__(self) -> Iterator[str]:
        return iter(self.classes)

    def __getitem__(self, kind: str) -> type[S]:
        return pick(self.what, kind, self.classes)

    @property
    def settings_classes(self) -> list[type[S]]:
        """All classes, in the order of registration."""
        return list(self.classes.values())

    def parse(self, value: object) -> S:
        """A setting from a table with `kind`, from a kind alone (its defaults), or a setting as it stands."""
        if isinstance(value, self.base):
            return value
        table = {"kind": value} if isinstance(value, str) else value
        if not isinstance(table, dict):
            raise PydanticCustomError("plugin", "a table with kind = one of {kinds}", {"kinds": ", ".join(self)})
        kind = table.get("kind", self.default)
        try:
            chosen = self[str(kind)]
        except PonderError as error:
            raise PydanticCustomError("plugin", "{sentence}", {"sentence": str(error)}) from None
        # JSON mode is strict about types, yet takes lists for tuples (see `config.load`).
        return chosen.model_validate_json(json.dumps({**table, "kind": kind}, default=str), strict=True)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.model_dump(mode="json")),
        )
