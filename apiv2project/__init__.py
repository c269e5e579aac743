"""The Django project: settings, routes and the servers' entry points."""
