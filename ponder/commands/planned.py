"""What is said before anything starts: `ponder run` with its settings and forecast, `ponder cluster plan`."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ponder.api.train import Plan
from ponder.distributed.capacity.costs import SOURCE
from ponder.distributed.capacity.plan import ClusterPlan

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


def cluster(plan: ClusterPlan) -> Table:
    """`ponder cluster plan`: one line a figure, and what to change."""
    shape, load, found = plan.shape, plan.load, plan.found
    shown = Table(title="an update of this cluster, simulated", title_justify="left", show_header=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    rows = [
        ("load", f"{load.problems} problems, {load.group} answers each of {load.mean:,.0f} tokens on average"),
        ("parts", f"{shape.engines} engines, {shape.graders or 'no'} graders, staleness {shape.staleness}"),
        ("seconds an update", f"{found.step:,.1f}"),
        ("tokens a second", f"{found.tokens:,.0f}"),
        ("at work", ", ".join(f"{part} {share:.0%}" for part, share in found.busy.items())),
    ]
    if plan.memory is not None:
        memory = plan.memory
        rows += [
            (
                "memory of an engine",
                f"{memory.engine_weights / 1e9:,.1f} GB weights, {memory.engine_cache / 1e9:,.1f} GB keys and values",
            ),
            ("memory of a learner", f"{memory.learner / 1e9:,.1f} GB weights, gradient and moments, and activations"),
        ]
    if plan.price is not None:
        rows.append(("dollars", f"{plan.price:,.2f} an hour for {plan.gpus} GPUs, {_update(plan):,.3f} an update"))
        rows.append(("prices", SOURCE))
    rows.append(("next", plan.advice))
    for name, text in rows:
        shown.add_row(name, Text(text))
    return shown


def _update(plan: ClusterPlan) -> float:
    assert plan.price is not None  # nobody asks without one
    return plan.price * plan.found.step / 3600.0
