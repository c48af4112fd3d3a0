"""The engine in this process: continuous batching over a prefix tree."""
