"""Search on a model of one's own: a folder of transformers, a verifier trained for it, and a tree search with both."""

import tempfile
from pathlib import Path

import ponder

# Any causal language model in a folder of `save_pretrained` will do; here it is the embedded one, saved again.
folder = Path(tempfile.mkdtemp())
embedded = ponder.load_policy("tiny")
embedded.model.save_pretrained(folder / "model")
embedded.tokenizer.save_pretrained(folder / "model")

policy = ponder.load_policy(str(folder / "model"))
made = ponder.train_verifier("process", folder / "verifier", model=policy.name, problems=("countdown",), groups=12)
print(f"a verifier from {made.report['trained_on']} trajectories")

question = "Make 18 from 3, 6, 1."
for strategy in ("sample", "beam", "mcts"):
    verifier = None if strategy == "sample" else made.folder
    thought = ponder.think(question, policy, strategy=strategy, budget=1024, verifier=verifier)
    spent = thought.result.usage.spent
    print(f"{strategy}: {thought.answer} (right: {thought.checked}), {spent:.0f} token-equivalents")
