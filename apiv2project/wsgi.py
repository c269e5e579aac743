"""The service as a WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apiv2project.settings")

django_application = get_wsgi_application()

from django.conf import settings  # noqa: E402  (what follows needs Django to be set up)

from apiv2project.connections import ConnectionGate  # noqa: E402

application = ConnectionGate(django_application, threads=settings.ENV.web_threads)
