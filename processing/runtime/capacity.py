"""How many documents a host may process at once, from the memory this process may use (contract 3.1)."""
