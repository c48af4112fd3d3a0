"""Step verifiers that others trained and published, as judges: each with the text it was trained to read and its head.

They read words through a tokenizer of their own, so they judge any policy. Nothing that comes with them is run: where
their folder asks for code (`auto_map`) the few lines of its head stand here instead.
"""
