"""A page to search and read the samples of a run."""
