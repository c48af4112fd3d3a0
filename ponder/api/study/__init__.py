"""Looking on: at runs, several of them, what their numbers were computed from, and at the machine."""
