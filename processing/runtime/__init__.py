"""What can change while the service runs, and how much work its memory allows."""
