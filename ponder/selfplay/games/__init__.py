"""How strong a policy plays two-seat games."""
