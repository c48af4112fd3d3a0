"""The responses API: the request, the stored conversation, the answer, the events."""
