"""The options of each command, by group, and what a command does with them. Heavy imports happen inside."""
