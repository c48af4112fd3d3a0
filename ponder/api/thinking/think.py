"""`ponder.think`: one question, a policy, a strategy and a budget; an answer with its whole search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ponder.api.policies import Policy, Source, source_of
from ponder.api.thinking.answers import marked_answer
from ponder.api.thinking.asked import Asked, question_of, refuse_impossible
from ponder.api.thinking.search import Thought, search
from ponder.api.verifiers.loading import Verifier, verifier_name, verifier_of
from ponder.policy.frames import Frame
from ponder.policy.propose import PolicyPropose
from ponder.problems.images import data_url
from ponder.reports.tree import page
from ponder.reports.tree.live import View
from ponder.runlog import files
from ponder.tools import Tool, toolbox
from ponder.types import PonderError, Problem, Question


def think(
    question: str | Question | Problem,
    policy: str | Policy | Source = "tiny",
    *,
    strategy: str = "vote",
    budget: float | None = None,
    effort: str | None = None,
    seconds: float | None = None,
    verifier: Verifier | None = None,
    family: str | None = None,
    seed: int = 0,
    temperature: float | None = None,
    max_tokens: int = 400,
    device: str = "cpu",
    plan: Path | None = None,
    tools: Sequence[str | Tool] = (),
    images: Sequence[Path | str | bytes] = (),
    frame: str | Frame = "auto",
    out: Path | None = None,
    overwrite: bool = False,
    view: View | None = None,
) -> Thought:
    """Think about one question within a budget and return the best answer with the whole search.

    `policy` is a loaded one or a name for `load_source`. `budget` is in token-equivalents (1024 unless given), or
    `effort` is low, medium, high or a number of longest answers; `seconds` is a deadline, after which the best answer
    so far is returned. `verifier` is a folder, a registered name, `self-check`, or an object with the methods of
    `ponder.protocols.Judge`. `family` is the spec whose instructions the question is asked with; the embedded families
    are seen by how a question begins. `temperature` None keeps that of a loaded policy, 1 for a name. `tools`
    (`calc`, `python`) may be called while it thinks. `images` are pictures that belong to the question (files or
    bytes: PNG, JPEG, GIF, WebP), for a model that reads them. `frame` says how a model given by name is
    asked (docs/models.md). `out` is a
    folder for tree.json and tree.html. Where a question can be checked without its key, a candidate that is right wins.

    Raises PonderError for settings that do not go together, and for a folder that holds another search unless
    `overwrite`. Ctrl-C ends the thinking: the best answer so far is returned with `interrupted` set.
    """
    text = question if isinstance(question, str) else (question.question if isinstance(question, Problem) else question)
    given = None if isinstance(text, str) else text
    asked = Asked(
        text=text if isinstance(text, str) else text.text,
        model=policy if isinstance(policy, str) else policy.name,
        strategy=strategy,
        budget=budget,
        effort=effort,
        seconds=seconds,
        verifier=verifier_name(verifier),
        problems=family,
        seed=seed,
        temperature=1.0 if temperature is None else temperature,
        max_tokens=max_tokens,
        out=out,
        plan=plan,
        given=given,
        images=tuple(map(data_url, images)),
    )
    if given is not None and family is not None:
        raise PonderError("family is for a question given as text; a Question knows its own")
    refuse_impossible(asked, overwrite=overwrite)
    box = toolbox(tools)
    source = source_of(policy, temperature=temperature, device=device, frame=frame).with_tools(box)
    propose = source.propose
    if isinstance(propose, PolicyPropose):
        asked = replace(asked, temperature=propose.temperature)
        propose = replace(propose, canonical=marked_answer) if propose.frame.close else propose
    judge = verifier_of(verifier, source, [question_of(asked)])
    if out is not None:
        with files.explained(out):
            out.mkdir(parents=True, exist_ok=True)
    thought = search(asked, propose, judge, view, exact=lambda: bool(source.told()["exact"]))
    if box is not None:
        box.close()
    if out is not None:
        page.write(thought.tree, out)
    return thought
