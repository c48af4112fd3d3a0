"""A run while it goes on: its curves, alarms and last samples, in the terminal and as a page."""
