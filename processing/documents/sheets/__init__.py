"""Workbooks: what calamine reads of them, and beside it what it does not tell: how numbers look, and comments."""
