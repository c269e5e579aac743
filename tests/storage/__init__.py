"""Documents in storages elsewhere, each spoken to as a real process on loopback."""
