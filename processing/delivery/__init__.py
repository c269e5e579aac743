"""What reaches out of the service, or waits for what becomes of its work."""
