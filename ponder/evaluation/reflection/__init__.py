"""Steps that go back or correct, and what that changed."""
