"""Process reward model, also where another program serves it."""
