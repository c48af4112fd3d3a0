"""A model behind any OpenAI-compatible URL: text in, text out, every wait with an end, every token accounted for."""
