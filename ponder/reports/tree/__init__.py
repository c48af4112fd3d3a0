"""One search as a page and in a terminal."""
