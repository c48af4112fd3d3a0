"""Who may ask for how much, and what was used: keys, tiers, the account book."""
