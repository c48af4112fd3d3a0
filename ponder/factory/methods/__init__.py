"""How chains are made, one way a file."""
