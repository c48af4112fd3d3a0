"""Where generator and verifier meet: what of the verifier is paid to the policy, and what it learns from."""
