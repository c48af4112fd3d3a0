"""The model's own tool format: tools and calls as its chat template writes them, one format a class."""
