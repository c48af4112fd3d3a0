"""What one search works with: its budget, its candidates, and what it has paid for."""
