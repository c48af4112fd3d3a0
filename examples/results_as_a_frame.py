"""Results as pandas frames: accuracy by strategy, budget and family, and every single sample. Needs ponder[pandas]."""

import ponder

found = ponder.evaluate(
    "tiny",
    ["arithmetic", "cipher"],
    limit=6,
    strategies=["sample", "vote"],
    budgets=[128, 256, 512],
)
frame = found.frame()
print(frame[frame.family == "all"].pivot(index="budget", columns="strategy", values="accuracy").round(2))

samples = found.sample_frame()
print(samples.groupby("family").agg(samples=("outcome", "size"), right=("outcome", "mean"), tokens=("tokens", "mean")))
