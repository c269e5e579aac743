"""What a document is, how it is kept, and how it is read."""
