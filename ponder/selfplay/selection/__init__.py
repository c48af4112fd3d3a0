"""Which problems are asked and which answers are learned from."""
