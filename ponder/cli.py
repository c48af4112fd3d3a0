"""The command line. Every command has --json for machines and progress for people; errors are one sentence.

What a command takes stands in `commands/options`, by group. Heavy imports happen inside the commands, so
`ponder --help` and a mistyped option answer at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

import ponder
from ponder.commands.options import (
    claims,
    cluster,
    doctor,
    factory,
    following,
    judging,
    listing,
    models,
    problems,
    serving,
    thinking,
    training,
    verifying,
)
from ponder.commands.options.shared import Json, print_json
from ponder.commands.terminal import Terminal
from ponder.types import PonderError


def _version(asked: bool) -> None:
    if asked:
        typer.echo(ponder.__version__)
        raise typer.Exit


def _everywhere(
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="A Python file of your own that registers something; run first, any number of times."),
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", help="The version of Ponder.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    if plugin:
        from ponder.api.extend import load_plugin

        for file in plugin:
            load_plugin(file)


app = typer.Typer(
    callback=_everywhere,
    name="ponder",
    help="Make a language model think: train it by self-play, search under a budget, draw both scaling laws.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
problems_app = typer.Typer(help="What there is to solve.", no_args_is_help=True)
app.add_typer(problems_app, name="problems")
models_app = typer.Typer(help="Pretrained models.", no_args_is_help=True)
app.add_typer(models_app, name="models")
verifier_app = typer.Typer(help="Verifiers that learn.", no_args_is_help=True)
app.add_typer(verifier_app, name="verifier")
keys_app = typer.Typer(help="Keys of those who may ask a server.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

factory_app = typer.Typer(help="Chains of thought made to order.", no_args_is_help=True)
app.add_typer(factory_app, name="factory")
claims_app = typer.Typer(
    help="Claims about thinking models, settled or not, each with its command.", no_args_is_help=True
)
app.add_typer(claims_app, name="claims")

app.command("list")(listing.list_what)
app.command()(training.run)
app.command()(thinking.solve)
app.command("eval")(thinking.evaluate)
app.command()(judging.label)
app.command("convert-labels")(judging.convert_labels)
app.command()(judging.grade)
app.command()(training.report)
app.command()(training.reflect)
app.command()(serving.serve)
app.command()(doctor.doctor)
app.command()(following.watch)
app.command()(following.compare)
keys_app.command("add")(serving.keys_add)
keys_app.command("list")(serving.keys_list)
keys_app.command("revoke")(serving.keys_revoke)
verifier_app.command("train")(verifying.train_verifier)
verifier_app.command("audit")(verifying.audit_verifier)
models_app.command("get")(models.get_model)
models_app.command("check")(models.check_model)
factory_app.command("make")(factory.make)
factory_app.command("clone")(factory.clone)
claims_app.command("list")(claims.list_claims)
claims_app.command("show")(claims.show_claim)
claims_app.command("run")(claims.run_claim)
cluster_app = typer.Typer(help="Past one machine.", no_args_is_help=True)
app.add_typer(cluster_app, name="cluster")
cluster_app.command("plan")(cluster.plan)
problems_app.command("list")(problems.list_problems)
problems_app.command("show")(problems.show_problems)
problems_app.command("export")(problems.export_problems)


@app.command()
def version(as_json: Json = False) -> None:
    """The version of Ponder."""
    print_json({"version": ponder.__version__}) if as_json else Terminal().print(ponder.__version__)


def main() -> None:
    """Entry point: errors that a user can mend are one sentence on the error stream, and exit code 2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        app()
    except PonderError as error:
        said = _escaped(str(error) + _and_resume(error))
        Terminal(stderr=True, soft_wrap=True).print(f"[bold red]error[/]: {said}", highlight=False)
        sys.exit(2)
    except SystemExit as error:
        # Typer turns Ctrl-C into an exit of its own, and says nothing. Commands that catch it say their own sentence.
        cause = getattr(error.__context__, "__cause__", None)
        if isinstance(cause, KeyboardInterrupt) and not str(cause):
            _say_stopped()
        raise
    except KeyboardInterrupt:
        _say_stopped()
        sys.exit(130)


def _resumable() -> bool:
    """Whether the command that runs can go on with what it left."""
    return sys.argv[1:2] in (["run"], ["eval"], ["label"]) and "--pool" not in sys.argv


def _and_resume(error: PonderError) -> str:
    from ponder.runlog.files import no_room

    return ", then continue with --resume" if _resumable() and no_room(error) else ""


def _say_stopped() -> None:
    saved = "" if sys.argv[1:2] == ["solve"] else "; what was finished is saved"  # `solve` keeps nothing before its end
    more = "; go on with --resume" if _resumable() else ""
    Terminal(stderr=True).print(f"stopped{saved}{more}")


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


if __name__ == "__main__":
    main()
