"""A folder of formats that `hostile_settings` adds to the service's own."""
