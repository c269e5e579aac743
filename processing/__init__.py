"""Documents and prompts in, answers out."""
