"""Tools for a model whose chat template leaves them out: what the prompt says of them, and how results are put.

The form of calls is that of Hermes, in plain text: several families of models have seen it in training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ponder.policy.native.formats import ToolFormat

FORMAT = ToolFormat("hermes")
_TOLD = """You may call tools. They are, one a line:
{tools}
To call one write, alone or behind other words,
<tool_call>
{{"name": NAME, "arguments": {{...}}}}
</tool_call>
and end your turn. The result comes back between <tool_response> and </tool_response>."""


def briefing(tools: Sequence[Mapping[str, Any]]) -> str:
    """What the instructions say of `tools`."""
    return _TOLD.format(tools="\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools))


def turn(results: Sequence[str]) -> dict[str, Any]:
    """Results as a turn of the user."""
    told = "\n".join(f"<tool_response>\n{result}\n</tool_response>" for result in results)
    return {"role": "user", "content": told}
