"""The steps of a round: one update of the policy, the verifier's lesson, and what they ask other models."""
