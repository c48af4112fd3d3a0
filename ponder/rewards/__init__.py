"""What a trajectory earns: named components, weighted and added."""
