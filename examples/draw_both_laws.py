"""Draw both scaling laws of a finished run: `python examples/draw_both_laws.py runs/demo laws.png`.

All numbers are in the run's summary.json. Without a run, a tiny one is made first, whose curves mean nothing.
"""

import json
import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

import ponder

if len(sys.argv) > 1:
    folder = Path(sys.argv[1])
else:
    folder = ponder.train(Path(__file__).with_name("small.toml"), out=Path(tempfile.mkdtemp()) / "run").folder
picture = Path(sys.argv[2]) if len(sys.argv) > 2 else folder / "laws.png"
curves = json.loads((folder / "summary.json").read_text())["curves"]

figure = Figure(figsize=(10, 4), layout="constrained")
train, think = figure.subplots(1, 2)
for axes, title, lines in (
    (train, "The train law", [curves["train_time"][name] for name in ("curve", "control", "rejection")]),
    (think, "The think law", curves["test_time"]["all"]),
):
    for line in lines:
        points = [point for point in (line or {}).get("points", []) if point["x"] > 0]
        if points:
            x, y, low, high = ([point[key] for point in points] for key in ("x", "y", "low", "high"))
            axes.fill_between(x, low, high, alpha=0.15)  # 95 % over problems
            axes.plot(x, y, "o-", label=line["name"])
            axes.set(xscale="log", title=title, xlabel=line["x_name"], ylabel=line["y_name"], ylim=(0, 1))
    axes.legend()
    print(f"{title}: {', '.join(line['name'] for line in lines if line)}")
fit = curves["train_time"]["fit"]
if fit and "asymptote" in fit:
    print(f"the sigmoid of training ends at {fit['asymptote']:.0%}; error on held-out rounds {fit['tail_error']:.3f}")
figure.savefig(picture)
print("the picture:", picture)
