"""Problem and prefix to steps: prompts, chat templates, text to tokens and back."""
