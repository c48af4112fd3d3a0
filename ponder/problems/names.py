"""Values in a problem spec, in the type of their defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ponder.names import known
from ponder.types import PonderError


def typed(owner: str, key: str, text: str, defaults: Mapping[str, Any]) -> Any:
    """The value of `key=text` in the type of its default; a default of None takes whatever JSON says, else text."""
    default = defaults[known(f"parameter of {owner}", key, defaults)]
    if isinstance(default, str):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if default is None or type(value) is type(default) or (type(default) is float and type(value) is int):
        return value
    raise PonderError(f"{owner}: {key}={text}; a value like {json.dumps(default)} is due")
