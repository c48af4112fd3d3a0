"""How large a cluster must be: times of one update, what saturates first, memory, costs. Plain arithmetic, no Ray."""
