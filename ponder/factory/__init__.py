"""Chains of thought made to order: put together from what a model said, checked, and with the origin of every span."""
