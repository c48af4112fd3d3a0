"""Whole methods by one name: settings that belong together, chosen with `ponder run --preset`."""
