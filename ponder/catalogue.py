"""What can be plugged in: a list of entries a room, the same shape for strategies, families, verifiers, algorithms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields, is_dataclass
from inspect import getdoc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `ponder --help` lists strategies and needs no pydantic
    from pydantic import BaseModel


@dataclass(frozen=True)
class Setting:
    """One setting: its type as it is written, and its default (None with `required`: it has none)."""

    name: str
    type: str
    default: Any = None
    required: bool = False


@dataclass(frozen=True)
class Entry:
    """Something that can be chosen by name.

    `summary` is one sentence; `source` the paper or page that it is from (empty: none); `needs` what must be there for
    it, such as a verifier or an extra.
    """

    name: str
    summary: str
    source: str = ""
    needs: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """The entry in JSON's own types; a default that JSON does not know is written as text."""
        return {**asdict(self), "needs": list(self.needs), "settings": [asdict(setting) for setting in self.settings]}


def of_settings(classes: Mapping[str, type[BaseModel]] | Iterable[type[BaseModel]]) -> list[Entry]:
    """Entries of pydantic settings classes: by the given names, or by the default of each one's field `kind`.

    The docstring's first line is the summary. The class attributes `source` (text) and `needs` (texts) are read where
    there are any; every field but `kind` is a setting.
    """
    named = classes if isinstance(classes, Mapping) else {_kind(cls): cls for cls in classes}
    return [
        Entry(name, summary(cls), getattr(cls, "source", ""), tuple(getattr(cls, "needs", ())), _model_settings(cls))
        for name, cls in named.items()
    ]


def of_dataclass(name: str, cls: type[Any], *, source: str = "", needs: Iterable[str] = ()) -> Entry:
    """The entry of a dataclass whose fields are its settings."""
    if not is_dataclass(cls):
        raise TypeError(f"{cls.__name__} is no dataclass")
    settings = tuple(_dataclass_setting(f) for f in fields(cls) if f.init)
    return Entry(name, summary(cls), source, tuple(needs), settings)


def flat_settings(model: type[BaseModel], prefix: str = "") -> list[dict[str, Any]]:
    """Every setting of a configuration by its dotted path: `{"key", "type", "default"}`, those of tables inside too."""
    found = []
    for name, field in model.model_fields.items():
        kind, key = field.annotation, f"{prefix}{name}"
        if isinstance(kind, type) and hasattr(kind, "model_fields"):
            found += flat_settings(kind, f"{key}.")
        else:
            default = None if field.is_required() else _plain(field.get_default(call_default_factory=True))
            found.append({"key": key, "type": _type(kind), "default": default})
    return found


def summary(cls: type[Any]) -> str:
    """The first line of a class's docstring."""
    return (getdoc(cls) or "").partition("\n")[0]


def _kind(cls: type[BaseModel]) -> str:
    field = cls.model_fields.get("kind")
    return str(field.default) if field is not None and not field.is_required() else cls.__name__


def _model_settings(cls: type[BaseModel]) -> tuple[Setting, ...]:
    found = []
    for name, field in cls.model_fields.items():
        if name != "kind":
            required = field.is_required()
            default = None if required else field.get_default(call_default_factory=True)
            found.append(Setting(name, _type(field.annotation), _plain(default), required))
    return tuple(found)


def _dataclass_setting(field: Field[Any]) -> Setting:
    required = field.default is MISSING and field.default_factory is MISSING
    made = None if field.default_factory is MISSING else field.default_factory()
    default = made if field.default is MISSING else field.default
    return Setting(field.name, _type(field.type), _plain(default), required)


def _type(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    if not text or "[" in str(annotation) or "|" in str(annotation):
        text = str(annotation)
    return text.replace("typing.", "")


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
