"""One set of weights that proposes and judges."""
