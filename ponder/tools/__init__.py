"""Tools that a policy may call while it thinks, one a file, listed here. A tool is its own settings class.

Users add their own with `TOOLS.register`. `Tools` are the settings of a run: `tools.use=["calc"]` names them, and
`tools.use=[{kind="python", seconds=5}]` sets them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from ponder.catalogue import Entry, of_settings
from ponder.config import Strict
from ponder.plugins import Registry
from ponder.tools.calculator import Calculator as Calculator
from ponder.tools.python_box import PythonBox as PythonBox
from ponder.tools.tool import Misused as Misused
from ponder.tools.tool import Tool as Tool
from ponder.tools.toolbox import Toolbox as Toolbox

TOOLS: Registry[Tool] = Registry("tool", Tool, default="calc")
for _settings in (Calculator, PythonBox):
    TOOLS.register(_settings)
AnyTool = Annotated[Tool, TOOLS]


class Tools(Strict):
    """Which tools the policy has while it thinks (none by default), and their common limits.

    At most `calls` calls on a chain of thought; a result is cut after `characters`. `format` says how calls are
    written: `tagged` (`<calc>1+2</calc>`, in the middle of the thinking), `native` (as the model's chat template has
    it, at the end of a turn), or `auto`, native where the template takes tools.
    """

    use: tuple[AnyTool, ...] = ()
    calls: Annotated[int, Field(ge=1, le=1000)] = 8
    characters: Annotated[int, Field(ge=1, le=100_000)] = 1000
    format: Literal["auto", "tagged", "native"] = "auto"

    def box(self) -> Toolbox | None:
        """The tools, ready for calls; None if there are none."""
        if not self.use:
            return None
        return Toolbox(self.use, calls=self.calls, characters=self.characters, format=self.format)


def toolbox(named: Sequence[str | Tool]) -> Toolbox | None:
    """Tools by name or as they are, ready for calls; None if none is named."""
    return Tools(use=tuple(TOOLS.parse(tool) for tool in named)).box()


def catalogue() -> list[Entry]:
    """What there is, with settings and source, for `ponder list tools`."""
    return of_settings(TOOLS.settings_classes)
