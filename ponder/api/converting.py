"""`ponder convert-labels`: other people's label files in the tokens of a model, for `verifier train --labels`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ponder.api.policies import load_policy
from ponder.labels import parquet
from ponder.labels.foreign import FORMATS, tokenised
from ponder.labels.rows import Origin, fingerprint
from ponder.names import pick
from ponder.types import PonderError


def convert_labels(form: str, file: Path, out: Path, *, model: str = "tiny", separator: str = "\n") -> dict[str, Any]:
    """Read `file`, which has the form of a known data set, and write `out`; returns what was read and left out.

    A response that is longer than the model's context with its question cannot be judged by it and is left out.
    """
    if not separator:
        raise PonderError("the separator of steps is empty; give the text that ends a step of the model's own")
    rows = pick("form of label file", form, FORMATS)(file)
    if not rows:
        raise PonderError(f"{file} holds no rows; give a file of {form}")
    policy = load_policy(model, separator=separator)
    origin = Origin(form, model, fingerprint(policy.tokenizer.get_vocab()), separator, 0, correctness=True)
    made = [tokenised(row, policy.codec.encode_plain, origin) for row in rows]
    question = policy.codec.encode_plain
    fits = [row for row in made if len(question(row.question)) + sum(map(len, row.tokens)) < policy.engine.context]
    if not fits:
        raise PonderError(
            f"{file}: none of {len(rows)} responses fits into the {policy.engine.context} tokens of {model}; "
            "choose a model with a longer context"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    parquet.write(out, fits)
    return {
        "form": form,
        "model": model,
        "tokenizer": origin.tokenizer,
        "rows": len(fits),
        "too_long": len(rows) - len(fits),
        "labels": sum(len(row.labels) for row in fits),
        "first_errors": sum(row.first_error is not None and row.first_error >= 0 for row in fits),
        "file": str(out),
    }
