"""Past one process: the policy's trainer over the ranks of a process group."""
