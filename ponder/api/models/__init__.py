"""Models before they are trained: got from a package, and looked at."""
