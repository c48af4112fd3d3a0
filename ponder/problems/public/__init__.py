"""Tasks of other people's packages as families."""
