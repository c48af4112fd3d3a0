"""Train on problems of one's own, then ask the trained model: `python examples/train_on_my_problems.py [FILE]`.

A row is {"id", "problem", "answer"}, where the answer is mathematics (docs/grading.md says what counts as the same).
Without a file this writes one with sums. The settings of small.toml end within seconds and teach next to nothing: leave
them out, or use `ponder run`, for a run that learns.
"""

import json
import sys
import tempfile
from pathlib import Path

import ponder

folder = Path(tempfile.mkdtemp())
file = Path(sys.argv[1]) if len(sys.argv) > 1 else folder / "problems.jsonl"
if len(sys.argv) == 1:
    sums = [(a, b, c) for a in range(1, 9) for b in range(1, 9) for c in (1, 5)]
    rows = [
        {"id": f"{a}+{b}-{c}", "problem": f"Compute {a}+{b}-{c}+7.", "answer": str(a + b - c + 7)} for a, b, c in sums
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

# A row's id decides whether it is trained on, validated on or tested on, so no problem is in two of the three.
for split in ("train", "validation", "test"):
    print(f"{split}: {len(ponder.load_problems(f'jsonl:{file}', split=split))} problems")

run = ponder.train(
    Path(__file__).with_name("small.toml"),
    out=folder / "run",
    settings=[f'problems=["jsonl:{file}"]', "model=tiny"],  # model: a folder of transformers
)
for row in run.summary["accuracy"]:
    print(f"{row['family']}: {row['base']['y']:.0%} before, {row['final']['y']:.0%} after training")
print("the report:", run.report)

problem = ponder.load_problems(f"jsonl:{file}", split="test", limit=1)[0]
thought = ponder.think(problem, ponder.load_policy(str(run.model)), strategy="vote", budget=512)
print(f"{problem.question.text} The trained model says {thought.answer}; right: {thought.checked}")
