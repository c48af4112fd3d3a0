"""Settings: TOML and `key.path=value` overrides into typed, frozen pydantic models, with errors that say what to type.

A room defines its settings as a subclass of `Strict`; the class defaults are the vetted settings. `load` refuses an
unknown key or a wrong value with its full path, what was got, what is allowed and the nearest name.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from operator import eq
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from ponder.names import nearest
from ponder.types import PonderError

Loc = tuple[str | int, ...]
_KINDS = {bool: "a truth value", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}
# What pydantic's error types ask for, in words.
_WANTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text in quotes",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


class Strict(BaseModel):
    """Base of all settings: unknown keys are refused and a value cannot change after it was checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


M = TypeVar("M", bound=Strict)


def load(model: type[M], path: Path | str | None = None, overrides: Sequence[str] = ()) -> M:
    """Settings of type `model` from a TOML file (None: the defaults), changed by overrides like `learner.rate=1e-4`.

    An override's value is read as TOML; what is not TOML is text (`strategy=beam`). Raises PonderError.
    """
    data = {} if path is None else read_toml(Path(path))
    set_by = dict(_override(data, text) for text in overrides)
    return checked(model, data, "" if path is None else str(path), set_by)


def checked(model: type[M], data: Mapping[str, Any], file: str = "", set_by: Mapping[Loc, str] | None = None) -> M:
    """Settings from nested tables; `file` and `set_by` (key to override) say in an error where a value came from."""
    try:
        # JSON mode is strict about types, yet takes lists for tuples and text for enumerations and paths.
        return model.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        raise PonderError(_sentence(model, data, error.errors(include_url=False), file, set_by or {})) from None


def given(path: Path | str | None = None, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The nested tables that a file and overrides set, and nothing else; not checked (`load` does that)."""
    data = {} if path is None else read_toml(Path(path))
    for text in overrides:
        _override(data, text)
    return data


def set_in(settings: Strict) -> dict[str, Any]:
    """The nested tables that whoever made `settings` set, class defaults left out; a `kind` is always told."""
    out: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name not in settings.model_fields_set and name != "kind":
            continue
        out[name] = (
            set_in(value) if isinstance(value, Strict) else settings.model_dump(mode="json", include={name})[name]
        )
    return out


def changed(settings: M, overrides: Sequence[str]) -> M:
    """The same settings with these overrides, checked anew. Another `kind` begins with the defaults of that kind."""
    data = resolved(settings)
    set_by = dict(_replaced(data, text) for text in overrides)
    return checked(type(settings), data, "", set_by)


def _replaced(data: dict[str, Any], text: str) -> tuple[Loc, str]:
    """An override over whole settings: another `kind` takes the fields of the old one away, its own defaults hold."""
    keys = tuple(key.strip() for key in text.partition("=")[0].split("."))
    if keys[-1] == "kind":
        table = data
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        if isinstance(table, dict):
            table.clear()
    return _override(data, text)


def resolved(settings: Strict) -> dict[str, Any]:
    """Every setting, defaults included, in plain types: what a run folder keeps."""
    return settings.model_dump(mode="json")


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises PonderError with file and line."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PonderError(f"there is no configuration file {path}") from None
    except IsADirectoryError:
        raise PonderError(f"{path} is a folder; name a TOML file, for example {path / 'config.toml'}") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise PonderError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise PonderError(f"{path} is not valid TOML: {error}") from None


def _override(data: dict[str, Any], text: str) -> tuple[Loc, str]:
    """Put one override into `data`; returns where it went and its text."""
    dotted, equals, value = text.partition("=")
    keys = tuple(key.strip() for key in dotted.split("."))
    if not equals or not all(keys):
        raise PonderError(f"--set {text}: expected key.path=value, for example --set seed=1")
    table = data
    for depth, key in enumerate(keys[:-1], start=1):
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise PonderError(f"--set {text}: {'.'.join(keys[:depth])} is a value and has no settings below it")
    table[keys[-1]] = _value(value.strip())
    return keys, f"--set {text}"


def _value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = parsed["value"]
    # Text with a line break could smuggle in further keys; a bare date is text here as everywhere.
    return value if len(parsed) == 1 and isinstance(value, bool | int | float | str | list | dict) else text


def _sentence(
    model: type[BaseModel], data: Mapping[str, Any], errors: list[ErrorDetails], file: str, set_by: Mapping[Loc, str]
) -> str:
    """All that is wrong in one sentence a finding; a misspelt key first, for it often explains the others."""
    errors = sorted(errors, key=lambda e: e["type"] != "extra_forbidden")
    found: dict[Loc, str] = {}
    for error in errors:
        loc = _trimmed(error["loc"], data, keep_last=error["type"] == "missing")
        where = next((text for keys, text in set_by.items() if all(map(eq, keys, loc))), file)
        found.setdefault(loc, f"{where}: {_finding(model, error, loc)}" if where else _finding(model, error, loc))
    first, *others = found.values()
    return first + (f" (and {len(others)} more: {', '.join(map(_dotted, list(found)[1:4]))})" if others else "")


def _finding(model: type[BaseModel], error: ErrorDetails, loc: Loc) -> str:
    name, value, kind = _dotted(loc), error["input"], error["type"]
    if kind == "extra_forbidden":
        return _unknown(model, loc, value)
    if kind == "missing":
        return f"{name} is missing and has no default"
    if kind in ("literal_error", "enum"):
        choices = str(error["ctx"]["expected"])
        near = nearest(str(value), choices.replace("'", "").replace(" or ", ", ").split(", "))
        hint = f"; did you mean {near!r}?" if near else ""
        return f"{name} must be {choices}, got {_shown(value)}{hint}"
    if kind in _WANTED:
        return (
            f"{name} must be {_WANTED[kind]}, got {_shown(value)}, which is {_KINDS.get(type(value), 'something else')}"
        )
    message = error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    wanted = message.removeprefix("Input should ")
    return f"{name} must {wanted}, got {_shown(value)}" if wanted != message else f"{name} = {_shown(value)}: {message}"


def _unknown(model: type[BaseModel], loc: Loc, value: object) -> str:
    """An unknown key with the nearest known one: the same name elsewhere, else a like name here, else one anywhere."""
    name, here = str(loc[-1]), _fields(_models_at(model, loc[:-1]))
    leaves = {path.rpartition(".")[2]: path for path in _paths(model)}
    far, near = nearest(name, leaves), nearest(name, here)
    elsewhere = leaves[far] if far else None
    nearby = _dotted((*loc[:-1], near)) if near else None
    suggestion = elsewhere if name in leaves else nearby or elsewhere
    hint = f"did you mean {suggestion}? " if suggestion else ""
    place = f"in {_dotted(loc[:-1])}" if len(loc) > 1 else "here"
    allowed = ", ".join(sorted(set(here))) or "nothing"
    return f"unknown setting {_dotted(loc)}, got {_shown(value)}; {hint}allowed {place}: {allowed}"


def _models_at(model: type[BaseModel], loc: Loc) -> list[type[BaseModel]]:
    """The models that may stand at `loc`: several if the field is a union of them."""
    models = [model]
    for key in loc:
        if isinstance(key, str):
            inner = [_declared(m.model_fields[key]) for m in models if key in m.model_fields]
            # A key of a mapping or of a union's tag names no field: the models stay what they are.
            models = [child for annotation in inner for child in _models_in(annotation)] if inner else models
    return models


def _declared(field: FieldInfo) -> object:
    """What a field may hold: the registry of its kinds if it has one (`ponder.plugins`), else its annotation."""
    return next((extra for extra in field.metadata if hasattr(extra, "settings_classes")), field.annotation)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    classes: list[type[BaseModel]] | None = getattr(annotation, "settings_classes", None)
    if classes is not None:
        return classes
    if any(hasattr(extra, "settings_classes") for extra in getattr(annotation, "__metadata__", ())):
        return [child for extra in annotation.__metadata__ for child in _models_in(extra)]  # type: ignore[attr-defined]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [child for part in get_args(annotation) for child in _models_in(part)]


def _fields(models: list[type[BaseModel]]) -> list[str]:
    return [name for model in models for name in model.model_fields]


def _paths(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Every setting of a model and of the models in it, as dotted paths, outer ones last."""
    inner = [
        path
        for name, field in model.model_fields.items()
        for child in _models_in(_declared(field))
        for path in _paths(child, f"{prefix}{name}.")
    ]
    return inner + [f"{prefix}{name}" for name in model.model_fields]


def _trimmed(loc: Loc, data: object, *, keep_last: bool) -> Loc:
    """`loc` without the names that pydantic adds for the branches of a union: only what stands in the data."""
    kept: list[str | int] = []
    for key in loc:
        try:
            data = data[key]  # type: ignore[index]  # the lookup that fails is the question
        except (KeyError, IndexError, TypeError):
            if keep_last and key == loc[-1]:
                kept.append(key)
            continue
        kept.append(key)
    return tuple(kept)


def _dotted(loc: Loc) -> str:
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in loc)
    return text.removeprefix(".") or "the configuration"


def _shown(value: object) -> str:
    """A value as it would be typed, cut to a readable length."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
