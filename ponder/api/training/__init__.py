"""Training from a base model to a report: what `ponder run` does, stage by stage."""
