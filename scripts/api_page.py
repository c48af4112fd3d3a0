"""Write docs/api.md from the docstrings of the public names: `python -m scripts.api_page`; `--check` only compares."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import ponder

PAGE = Path(ponder.__file__).parent.parent / "docs" / "api.md"
GROUPS = {
    "Load": ("load_policy", "load_source", "load_verifier", "load_problems", "load_families"),
    "Pretrained models": ("get_model", "check_model"),
    "Work": ("think", "evaluate", "train", "train_verifier", "grade", "grade_file"),
    "Add your own": (
        "register_family",
        "register_strategy",
        "register_verifier",
        "register_engine",
        "register_algorithm",
        "register_loss",
        "register_reward",
        "register_environment",
        "register_tool",
        "source_from_engine",
        "load_plugin",
        "available",
    ),
    "What comes back": (
        "CheckedModel",
        "Policy",
        "Source",
        "Codec",
        "Problems",
        "Thought",
        "Evaluation",
        "Accuracy",
        "Trained",
        "TrainedVerifier",
        "RunConfig",
        "PonderError",
    ),
}
HEAD = """# The Python interface

Written by `python -m scripts.api_page` from the docstrings; do not edit it by hand.

These are the public names: `import ponder` and use `ponder.NAME`. They stay stable; everything below `ponder.` that is
not named here may move. Scripts that use them stand in `examples/`. Errors that a user can mend are
`ponder.PonderError`.
"""


def page() -> str:
    """The whole page. Raises ValueError if a public name is in no group or in two."""
    named = [name for names in GROUPS.values() for name in names]
    if sorted(named) != sorted(name for name in ponder.__all__ if name != "__version__"):
        raise ValueError(f"GROUPS and ponder.__all__ differ: {sorted(set(named) ^ set(ponder.__all__))}")
    parts = [HEAD]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [f"{_entry(name, getattr(ponder, name))}\n" for name in names]
    return "\n".join(parts).rstrip() + "\n"


def _entry(name: str, value: Any) -> str:
    return "\n\n".join([f"### `{name}`", *_signature(name, value), _prose(value), *_members(value)])


def _signature(name: str, value: Any) -> Iterator[str]:
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        parts, star = [], False
        for parameter in signature.parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and not star:
                parts.append("*")
                star = True
            parts.append(
                str(parameter).replace("'", "") if parameter.default is parameter.empty else _with_default(parameter)
            )
        returns = str(signature.return_annotation).replace("'", "")
        body = ",\n    ".join(parts)
        yield f"```python\n{name}(\n    {body},\n) -> {returns}\n```"


def _with_default(parameter: inspect.Parameter) -> str:
    default = "..." if callable(parameter.default) else repr(parameter.default)
    return f"{parameter.name}: {parameter.annotation} = {default}"


def _prose(value: Any) -> str:
    return (inspect.getdoc(value) or "").strip()


def _members(value: Any) -> Iterator[str]:
    """Fields of a dataclass, then public properties and methods with the first line of what they say."""
    if not inspect.isclass(value):
        return
    lines = [f"- `{f.name}: {f.type}`" for f in fields(value) if f.init] if is_dataclass(value) else []
    for name, member in vars(value).items():
        if name.startswith("_") or not (isinstance(member, property) or inspect.isfunction(member)):
            continue
        said = (inspect.getdoc(member) or "").partition("\n\n")[0].replace("\n", " ")
        if said:
            lines.append(f"- `{name}{'' if isinstance(member, property) else '(...)'}`: {said}")
    if lines:
        yield "\n".join(lines)


def main() -> int:
    """Write the page, or with --check say whether it is up to date."""
    text = page()
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PAGE} is out of date; run python -m scripts.api_page", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
