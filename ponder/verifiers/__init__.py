"""What a trajectory is worth: ground truth by exact checks, and a learned verifier of steps."""
