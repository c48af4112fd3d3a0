"""Instructions that a program can check (IFEval, Zhou et al. 2023, arXiv 2311.07911): 25 kinds and their combination.

`judge` is the entry. A kind is a function of the response and its own parameters, in the file that is named after what
it looks at; `kinds.KINDS` lists all of them by the ids of the published prompts. Nothing here needs a worker: every
check reads the response a fixed number of times, and responses are bounded.
"""
