"""`ponder models get` and `check`, as text for people."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ponder.api.models.check import CheckedModel

_MEGA, _GIGA = 1e6, 1e9
_CALLS = {
    "hermes": "as the chat template has them: JSON in <tool_call>",
    "llama": "as the chat template has them: a turn that is JSON",
    "tagged": "as text, <calc>1+2</calc>: the chat template takes no tools",
}


def got(found: dict[str, Any]) -> str:
    """What was written and how it answered."""
    made = "written and tried" if found["new"] else "was there already; tried again"
    return (
        f"{found['folder']}: {found['model']}, {found['parameters'] / _MEGA:.1f}M parameters, {made}\n"
        f"frame {found['frame']}, ends with {' or '.join(found['ends'])}\n{found['question']} {found['answer']}\n"
        f"from {found['source']['package']}, {found['source']['license']}: {found['source']['about']}"
    )


def checked(found: CheckedModel) -> RenderableType:
    """A table of facts, the prompt, the answers, and what is odd or assumed."""
    facts = Table(title=f"{found.model}: {found.architecture}", title_justify="left", show_header=False)
    facts.add_column(no_wrap=True)
    facts.add_column(overflow="fold")
    for name, text in _facts(found):
        facts.add_row(name, Text(text))
    parts: list[RenderableType] = [facts, Panel(Text(found.prompt["text"]), title="the prompt", title_align="left")]
    for answer in found.answers:
        end = "ended" if answer["ended"] else "cut"
        title = f"greedy, {answer['tokens']} tokens, {end}; answer: {answer['answer']}"
        parts.append(Panel(Text(f"{answer['question']}\n\n{answer['text']}"), title=Text(title), title_align="left"))
    parts += [Text(f"odd: {sentence}", style="yellow") for sentence in found.odd]
    parts += [Text(f"assumed: {sentence}") for sentence in found.assumed]
    return Group(*parts)


def _facts(found: CheckedModel) -> list[tuple[str, str]]:
    memory, parity, thinking = found.memory, found.parity, found.thinking
    opened = f"{thinking['opens']} ... {thinking['closes']}, opened by {thinking['by']}"
    rates = ", ".join(f"{rate:.0f} with {rows} row{'s' if rows != '1' else ''}" for rows, rate in found.speed.items())
    return [
        ("frame", f"{found.frame['kind']}: {found.frame['why']}"),
        ("instructions", found.prompt["system"]),
        ("thinking", opened if thinking["opens"] else thinking["by"]),
        (
            "end tokens",
            (
                f"{' '.join(found.ends['used'])} (settings: {' '.join(found.ends['generation_config']) or 'none'}; "
                f"tokenizer: {' '.join(found.ends['tokenizer']) or 'none'}; "
                f"template: {' '.join(found.ends['template']) or 'none'})"
            ),
        ),
        ("begin token", f"{found.begin['token'] or 'none'}, {found.begin['in_prompt']} in the prompt"),
        ("several turns", found.turns["sentence"]),
        ("calls of tools", _CALLS[found.turns["tools"]]),
        ("context", f"{found.context['positions'] or 'not said'} tokens; prompt: {found.prompt['tokens']}"),
        (
            "memory",
            (
                f"{memory['parameters'] / _MEGA:.1f}M parameters, {memory['weights'] / _GIGA:.2f} GB here "
                f"({memory['weights_bfloat16'] / _GIGA:.2f} GB in bfloat16), "
                f"{memory['cache_token'] / 1e3:.1f} kB of cache a token and row"
            ),
        ),
        (
            "parity",
            (
                f"engine and module differ by {parity['largest']:.1e} nats at most over {parity['tokens']} tokens in "
                f"{parity['dtype']}: {'as it should be' if parity['holds'] else 'TOO MUCH'}"
            ),
        ),
        ("tokens a second", f"{rates} (measured for a moment)" if rates else "not measured"),
    ]
