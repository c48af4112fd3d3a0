"""vLLM as an engine and as the host of a step verifier."""
