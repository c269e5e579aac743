"""The queue: the only room that knows django-q2."""
