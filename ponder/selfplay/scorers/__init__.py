"""What credit rules and rewards ask for beyond the verdicts: other models' opinions, and auxiliary rollouts."""
