"""The server: an OpenAI-compatible endpoint whose answers are searches under a budget, its accounts, its page."""
