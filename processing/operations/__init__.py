"""Running the service: how it is, and later what is kept and brought back."""
