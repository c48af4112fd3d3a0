"""Where problems come from: families of checkable questions, each a pure function of (split, seed, index)."""
