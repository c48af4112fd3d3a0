"""Is my verifier any good? It is trained here on a few answers and judged on others, against ground truth.

`ponder verifier audit` does the same and writes a page; docs/audit.md says how to read it.
"""

import tempfile
from pathlib import Path

import ponder
from ponder.api.audit import Request, run

folder = Path(tempfile.mkdtemp())
made = ponder.train_verifier("outcome", folder / "verifier", problems=("arithmetic",), groups=8)

# Test problems, on which the verifier was not trained; six answers to each are scored and graded.
asked = Request(str(made.folder), folder / "audit", problems=("arithmetic?terms=5",), limit=12, samples=6)
found = run(asked, tell=lambda *_: None)

at = found["rates"][0]
for which, rate in (("right", at["true_accepts"]), ("wrong", at["false_accepts"])):
    print(f"accepts {rate['y']:.0%} of the {which} answers ({rate['low']:.0%} to {rate['high']:.0%})")
print(f"tells right from wrong within a problem: AUC {found['auc_within']['y']:.2f} (0.5 is a coin)")
print(found["headline"])
print("the page:", asked.out / "audit.html")
