"""From a claimed task to its answer: read, prompt, generate, check."""
