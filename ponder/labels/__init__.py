"""Step labels, one file a method, and what they are stored as."""
