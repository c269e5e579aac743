"""Who may call: API keys, signing in, and what was done with either."""
