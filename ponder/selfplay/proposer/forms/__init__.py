"""What a model may propose: a grammar a file, each read strictly and solved by the environment."""
