"""The formats that can be read, one module each; a module added here is found by the registry."""
