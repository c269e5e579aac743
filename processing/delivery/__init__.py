"""How an answer reaches whoever waits for it without asking again and again."""
