"""One file is one dialect; `modelsregistry.discovery` finds them."""
