"""Claims about thinking models: what was claimed, what others and we measured, and the command that repeats it."""
