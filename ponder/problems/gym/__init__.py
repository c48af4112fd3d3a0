"""The tasks of reasoning-gym as families."""
