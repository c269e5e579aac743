"""How well a corpus of foreign documents is read and answered. Not tests: they pass or fail no build."""
