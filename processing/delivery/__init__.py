"""How work is handed over and back in other ways than one by one: watched, sent, in batches, fetched, converted."""
