"""What the commands print that look at runs, claims and the machine: claims, watch, compare, doctor."""
