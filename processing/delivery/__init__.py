"""How answers reach those who wait for them, and how documents are fetched that callers name: what reaches out."""
