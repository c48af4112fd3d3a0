"""Which strategy to use for a question and a budget."""
