"""Votes that weigh how sure the policy was of its own words."""
