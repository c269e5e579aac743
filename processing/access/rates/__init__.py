"""How many calls a caller may make in a minute, an hour and a day: whose counters there are, and how they are kept."""
