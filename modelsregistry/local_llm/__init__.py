"""A language model on this host: its file, the process that serves it, and its place in the registry."""
