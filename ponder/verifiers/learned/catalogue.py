"""The kinds of learned verifier as entries of the catalogue."""

from __future__ import annotations

from ponder.catalogue import Entry, Setting
from ponder.verifiers.aggregation import AGGREGATIONS
from ponder.verifiers.learned.kinds import KINDS
from ponder.verifiers.learned.public.layouts import LAYOUTS


def catalogue() -> list[Entry]:
    """Every kind, with what it learns from; those that score steps can be aggregated in several ways."""
    how = " | ".join(AGGREGATIONS)
    return [
        Entry(
            name,
            f"Learns from {kind.learns_from}.",
            needs=("step labels",) if "step" in kind.learns_from else ("outcomes",),
            settings=() if kind.aggregation is None else (Setting("aggregation", how, kind.aggregation),),
        )
        for name, kind in KINDS.items()
    ] + [Entry(f"{name}:FOLDER", f"Published: {layout.about}.") for name, layout in LAYOUTS.items()]
