"""The fast backend: rows that share a prompt packed into one sequence without padding."""
