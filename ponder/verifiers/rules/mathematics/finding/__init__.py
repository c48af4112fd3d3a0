"""Parts of a free text that may hold its answer: boxes, formulas, answer marks, the last sentence."""
