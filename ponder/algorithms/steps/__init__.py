"""Credit for steps: rules that tell the steps of one answer apart."""
