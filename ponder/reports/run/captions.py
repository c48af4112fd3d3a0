"""The fixed words of a report: what each plot shows, and the terms that a student may not know.

A no-break space keeps a number and its percent sign on one line.
"""

from __future__ import annotations

from ponder.reports.run import lead

# name of the plot -> title, caption
CAPTIONS = {
    "lead": (lead.TITLE, lead.CAPTION),
    "accuracy": (
        "Accuracy by family",
        (
            "Dots are shares of test problems solved, bars their 95 % intervals over problems. Base: before self-play. "
            "More cloning: the base after more behaviour cloning for the same compute. Rejection sampling: the base "
            "after imitating its own right answers for the same compute. Final: after self-play."
        ),
    ),
    "train_time": (
        "More training",
        (
            "Accuracy against all training work, sampling and verifier included. Bands are 95 % intervals over "
            "problems. Hollow points were held out when the sigmoid was fitted."
        ),
    ),
    "test_time": (
        "More thinking",
        (
            "Accuracy of the final model, one level above the default difficulty where there are levels, against what "
            "it spends on a question: tokens it kept, tokens it discarded "
            "and the verifier's passes. Bands are 95 % intervals over problems. Coverage counts a question as solved "
            "if any sample was right: it is a ceiling for choosing among samples, and no strategy."
        ),
    ),
    "natural": (
        "Long and short answers",
        (
            "Single answers of the final model, sorted by how many tokens they happened to use. This is selection, not "
            "control: easy questions need few tokens, so it does not show what a longer answer would do."
        ),
    ),
    "coverage": (
        "Many tries",
        (
            "Share of harder test problems that are solved at least once in k tries (pass@k), for both models on the "
            "same problems. Bands are 95 % intervals over problems. Training that only makes likely what the base "
            "can already do shows as two lines that meet on the right."
        ),
    ),
    "by_turn": (
        "Turn by turn",
        (
            "Share of episodes on test problems whose answer is right after each turn: the answer of that turn, or the "
            "last one where the episode ended before. Bars are 95 % intervals over problems."
        ),
    ),
    "test_time_before": (
        "The base, thinking",
        (
            "The same strategies with the base as it was before self-play, on problems of the default difficulty, and "
            "with the verifier that self-play left behind: what thinking buys without training the policy."
        ),
    ),
    "verifier": (
        "How good is the learned verifier?",
        (
            "Measured each round on fresh steps that it was not trained on. AUC 0.5 is guessing; calibration error is "
            "better the lower it is; the others are better the higher they are."
        ),
    ),
    "levels": (
        "Difficulty by round",
        "The level that the curriculum set: what a level counts (terms, numbers, words) depends on the family.",
    ),
    "tokens": ("Length by round", "Mean number of tokens of a response in training."),
    "solve_rate": (
        "Solve rate by round",
        "Share of training responses that were right, at the level of that round. It may fall when the level rises.",
    ),
}

# family -> what its problems are, a question, and how a good trace looks
FAMILIES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "arithmetic": (
        (
            "Compute a chain of sums, differences and products of small numbers. The level is how many numbers there "
            "are. Each step does one operation and writes the expression again."
        ),
        "Compute 3*9+7-6*8+5.",
        ("27+7-6*8+5", "27+7-48+5", "34-48+5", "-14+5", "-9"),
    ),
    "cipher": (
        (
            "Decode words in which two letters stand for one, their average in the alphabet. The level is how many "
            "words there are. Each step decodes one word, pair by pair."
        ),
        "Decode oyfjdnisdr rtqwainr.",
        ("oy=t fj=h dn=i is=n dr=k", "rt=s qw=t ai=e nr=p", "think step"),
    ),
    "countdown": (
        (
            "Combine all given numbers, each once, with + - * / to reach a target. The level is how many numbers there "
            "are. Each step is one try: its equations, then what they reached, a bar and the target; ! marks a hit. A "
            "try after the first goes back."
        ),
        "Make 18 from 3, 6, 1.",
        ("6-1=5,5*3=15|18", "6*3=18,18*1=18|18!", "(6*3)*1"),
    ),
    "transforms": (
        (
            "Change a word by rules, one after the other: r reverses it, l puts its first letter last, n takes the "
            "next letter of the alphabet for each. The level is how many changes there are. Each step makes one change "
            "and writes what is left to do and the word."
        ),
        "Apply rln to hwkqab.",
        ("ln baqkwh", "n aqkwhb", "brlxic"),
    ),
}

GLOSSARY = {
    "token": "A piece of text that the model reads or writes in one go; in the embedded model mostly one character.",
    "token-equivalent": "The unit of every budget here: the work of one token's forward pass through the policy, "
    "about two floating-point operations for each parameter. Discarded tokens and the verifier's passes are charged "
    "too.",
    "FLOPs": "Floating-point operations, the work a computer does in training; 10¹² is a million million.",
    "MFU": "Model FLOPs utilisation: the FLOPs that the model needs, as a share of what the machine's own matrix "
    "products would have done in the same time.",
    "policy": "The model that writes the answers.",
    "base": "The policy before self-play: it has learned from demonstrations only.",
    "control": "The base trained in another way for as much compute as self-play used, sampling included. What the "
    "final model gains beyond it is owed to self-play.",
    "more cloning": "The weaker control: the base trained further on demonstrations (behaviour cloning).",
    "rejection sampling": "The stronger control: sample answers, keep the right ones, imitate them, and begin again "
    "with the model that this gives. It uses the same checker as self-play but learns nothing from wrong answers.",
    "trace": "The written thinking of a model before its answer: one step a line.",
    "pass@1": "The share of problems solved by one sampled answer. pass@k: by at least one of k answers.",
    "temperature": "How freely answers are sampled: 1 follows the model's own probabilities, 0 (greedy) always takes "
    "the likeliest token.",
    "95 % interval": "The range that would hold the true value in 95 of 100 repetitions with other test problems. "
    "If the interval of a difference holds zero, the difference may be chance.",
    "points": "Percentage points: from 30 % to 45 % is +15 points.",
    "step": "One line of thinking; the answer is the last step.",
    "learned verifier": "A second model that reads the question and the steps so far and estimates the chance that "
    "the answer will be right. It never sees the key.",
    "majority vote": "Sample several answers and take the most frequent one.",
    "best of n": "Sample several answers and take the one that the verifier scores highest.",
    "weighted vote": "A vote in which each answer counts as much as the verifier trusts it.",
    "beam": "Keep the few best-scored beginnings, extend each by a step, and repeat.",
    "coverage": "The share of problems where at least one of the samples is right.",
    "AUC": "The chance that the verifier scores a random right step above a random wrong one.",
    "first bad step, F1": "How well the verifier finds the first step from which fresh continuations fail: the "
    "harmonic mean of how often it names that step and how often it rightly names none. A few continuations are a "
    "noisy judge, so do not compare this number with ProcessBench's F1, where people marked the first wrong step.",
    "calibration error": "How far the verifier's stated chances are from what happens: 0 when of all steps scored 0.8 "
    "exactly 80 % lead to a right answer.",
    "dead group": "A problem whose samples were all right or all wrong; it teaches the policy nothing.",
    "sampler mismatch": "The divergence between the sampler's and the learner's probabilities of the same tokens; "
    "near zero if both compute the same.",
    "entropy": "How undecided the policy is about the next token, in nats.",
    "skipped update": "A training step that was not applied because its loss or gradient was not finite.",
}
