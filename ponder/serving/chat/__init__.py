"""Chat completions: the request, the answer, the stream."""
