"""From what a request asks to an answer with its bill: one search, run beside all others on one engine."""
