"""Ponder makes a language model think: training by self-play, search under one budget, both scaling laws.

The names below are what a researcher works with. They are loaded when they are first used, so `import ponder` is quick
and imports no torch:

    policy = ponder.load_policy("tiny")
    thought = ponder.think("Make 18 from 3, 6, 1.", policy, strategy="vote", budget=512)
    found = ponder.evaluate(policy, "countdown", limit=50, strategies=["sample", "vote"], budgets=[128, 512])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ponder.api.catalogue import available as available
    from ponder.api.evaluating.evaluate import evaluate as evaluate
    from ponder.api.evaluating.evaluation import Accuracy as Accuracy
    from ponder.api.evaluating.evaluation import Evaluation as Evaluation
    from ponder.api.extend import load_plugin as load_plugin
    from ponder.api.extend import register_algorithm as register_algorithm
    from ponder.api.extend import register_engine as register_engine
    from ponder.api.extend import register_environment as register_environment
    from ponder.api.extend import register_family as register_family
    from ponder.api.extend import register_loss as register_loss
    from ponder.api.extend import register_reward as register_reward
    from ponder.api.extend import register_strategy as register_strategy
    from ponder.api.extend import register_tool as register_tool
    from ponder.api.extend import register_verifier as register_verifier
    from ponder.api.grade import grade as grade
    from ponder.api.grade import grade_file as grade_file
    from ponder.api.models.check import CheckedModel as CheckedModel
    from ponder.api.models.check import check_model as check_model
    from ponder.api.models.get import get_model as get_model
    from ponder.api.policies import Codec as Codec
    from ponder.api.policies import Policy as Policy
    from ponder.api.policies import Source as Source
    from ponder.api.policies import load_policy as load_policy
    from ponder.api.policies import load_source as load_source
    from ponder.api.policies import source_from_engine as source_from_engine
    from ponder.api.problems import Problems as Problems
    from ponder.api.problems import load_families as load_families
    from ponder.api.problems import load_problems as load_problems
    from ponder.api.thinking.search import Thought as Thought
    from ponder.api.thinking.think import think as think
    from ponder.api.train import RunConfig as RunConfig
    from ponder.api.train import Trained as Trained
    from ponder.api.train import train as train
    from ponder.api.verifiers.loading import load_verifier as load_verifier
    from ponder.api.verifiers.train import TrainedVerifier as TrainedVerifier
    from ponder.api.verifiers.train import train_verifier as train_verifier
    from ponder.types import PonderError as PonderError

from ponder.version import VERSION as __version__

# Name -> the module that it stands in.
_FACE = {
    "load_policy": "ponder.api.policies",
    "load_source": "ponder.api.policies",
    "source_from_engine": "ponder.api.policies",
    "check_model": "ponder.api.models.check",
    "get_model": "ponder.api.models.get",
    "load_verifier": "ponder.api.verifiers.loading",
    "load_problems": "ponder.api.problems",
    "load_families": "ponder.api.problems",
    "think": "ponder.api.thinking.think",
    "evaluate": "ponder.api.evaluating.evaluate",
    "train": "ponder.api.train",
    "train_verifier": "ponder.api.verifiers.train",
    "grade": "ponder.api.grade",
    "grade_file": "ponder.api.grade",
    "available": "ponder.api.catalogue",
    "register_family": "ponder.api.extend",
    "register_strategy": "ponder.api.extend",
    "register_verifier": "ponder.api.extend",
    "register_algorithm": "ponder.api.extend",
    "register_environment": "ponder.api.extend",
    "register_tool": "ponder.api.extend",
    "register_loss": "ponder.api.extend",
    "register_reward": "ponder.api.extend",
    "register_engine": "ponder.api.extend",
    "load_plugin": "ponder.api.extend",
    "CheckedModel": "ponder.api.models.check",
    "Policy": "ponder.api.policies",
    "Source": "ponder.api.policies",
    "Codec": "ponder.api.policies",
    "Problems": "ponder.api.problems",
    "Thought": "ponder.api.thinking.search",
    "Evaluation": "ponder.api.evaluating.evaluation",
    "Accuracy": "ponder.api.evaluating.evaluation",
    "Trained": "ponder.api.train",
    "TrainedVerifier": "ponder.api.verifiers.train",
    "RunConfig": "ponder.api.train",
    "PonderError": "ponder.types",
}
__all__ = [  # a list that is computed from the table above
    "__version__",
    *_FACE,
]


def __getattr__(name: str) -> Any:
    """The part of the face called `name`, loaded now and kept."""
    if name not in _FACE:
        raise AttributeError(f"module 'ponder' has no attribute {name!r}; see dir(ponder)")
    value = getattr(import_module(_FACE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
