"""Measurements of the running service, and of a corpus posted to it. Not tests: they pass or fail no build."""
