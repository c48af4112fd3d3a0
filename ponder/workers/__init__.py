"""Worker processes that can be killed, for work that may hang, eat memory or crash."""
