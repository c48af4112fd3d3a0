"""The page of `ponder eval`: what thinking buys."""
