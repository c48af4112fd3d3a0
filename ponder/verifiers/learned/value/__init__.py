"""Value regression."""
