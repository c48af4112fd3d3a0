"""What is watched during training for signs that the policy learns something else than the task."""
