"""The models that answer, and how to speak to them."""
