"""How what becomes of a task reaches those who wait for it."""
