"""Several machines, each a network namespace of its own."""
