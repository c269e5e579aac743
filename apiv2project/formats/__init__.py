"""How dates and numbers are written, where this differs from what Django knows of a language."""
