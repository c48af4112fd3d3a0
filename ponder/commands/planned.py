"""What `ponder run` says before it starts: the settings that it chose, and the memory, disk and time to expect."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from ponder.api.train import Plan

_ASSUMED = "calculated, expect the truth within a factor of two"


def show(plan: Plan, console: Console, *, whole: bool) -> None:
    """Print the chosen settings and the forecast; `whole` also its parts and what was assumed."""
    if plan.chosen:
        console.print(f"Settings chosen for {escape(plan.config.model)} (change any with --set):", highlight=False)
        width = max(len(choice.line) for choice in plan.chosen)
        for choice in plan.chosen:
            console.print(
                f"  {escape(choice.line):{width}}  because {escape(choice.because)}", highlight=False, soft_wrap=True
            )
    memory, work, room = plan.forecast.memory, plan.forecast.work, plan.forecast.room
    console.print(
        f"Expected: {_gb(memory.peak)} of memory while {memory.stage} (this machine has {_gb(room.memory)}, "
        f"{_gb(room.free)} free now), {_gb(memory.written)} on the disk ({_gb(room.disk)} free), "
        f"{_time(work.training)} of training, {_time(work.control)} of control arms, {_time(work.measuring)} of "
        f"measuring: {_ASSUMED}.",
        highlight=False,
        soft_wrap=True,
    )
    if memory.peak > room.free:
        console.print("[yellow]That is more memory than is free now.[/] End other programs, or see --dry-run.")
    if whole:
        for title, parts in (("Memory", memory.parts), ("Disk", memory.disk)):
            console.print(f"{title}: " + ", ".join(f"{name} {_gb(size)}" for name, size in parts.items() if size))
        console.print(
            f"Time: {work.answers} answers an update to prompts of {plan.forecast.prompt} tokens, at "
            f"{work.rate / 1e9:.0f} GFLOP/s of matrix products, measured just now (a busy machine shows less)."
        )


def _gb(count: float) -> str:
    return f"{count / 1e9:.3g} GB"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
