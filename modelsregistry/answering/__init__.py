"""Answers by evidence: finds in a document the value or the passage that a question asks for, without weights."""
