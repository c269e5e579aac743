"""What the person who started the service reads: the credentials once, the sample's answer, the addresses."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from processing.operations import credentials, demonstration
from processing.operations.credentials import Credentials
from processing.operations.demonstration import Answer, Client, DemonstrationFailedError

SAMPLE = Path("docs/samples/invoice.pdf")
PROMPT = "What is the total amount due?"


def of_credentials(made: Credentials) -> str:
    """The first credentials, shown once."""
    return (
        f"\nMade for you, shown once and kept in {credentials.kept_in(settings.DATA_DIR)}:\n"
        f"  administrator  {made.username}\n  password       {made.password}\n  API key        {made.key}\n"
    )


def greet(say: Callable[[str], None], *, demo: bool) -> None:
    """Wait until the service is healthy, let it answer the sample if wanted, and say where it is."""
    started = time.monotonic()
    kept = credentials.read(credentials.kept_in(settings.DATA_DIR))
    client = Client(local_address(), kept.key if kept else "", local_headers())
    try:
        demonstration.wait_until_healthy(client)
        say(f"Healthy after {time.monotonic() - started:.1f} s.")
        if demo and kept:
            say(f'\nAsking {SAMPLE}: "{PROMPT}" (model {demonstration.MODEL})')
            say(_of_answer(demonstration.ask(client, settings.BASE_DIR / SAMPLE, PROMPT)))
        elif demo:
            say("The sample was not asked: the first API key is no longer kept in the data directory.")
    except DemonstrationFailedError as error:
        say(f"The sample was not answered: {error}.")
    say(_addresses(kept))


def local_address() -> str:
    """The service's own address, as seen from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.ENV.host, settings.ENV.host)  # noqa: S104
    return f"http://[{host}]:{settings.ENV.port}" if ":" in host else f"http://{host}:{settings.ENV.port}"


def local_headers() -> dict[str, str]:
    """What a proxy in front of the service would send, without which it would refuse or redirect."""
    headers = {}
    named = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"]
    if named and not {"127.0.0.1", "*"} & set(settings.ALLOWED_HOSTS):
        headers["Host"] = named[0]
    if settings.ENV.proxy_https_header:
        headers[settings.ENV.proxy_https_header] = "https"
    return headers


def _of_answer(answer: Answer) -> str:
    where = f"page {answer.page}" if answer.page else "no page given"
    return f"  Answer  {answer.text}\n  From    {where}: “{answer.quote}”\n  Took    {answer.seconds:.2f} s"


def _addresses(kept: Credentials | None) -> str:
    url = local_address()
    return (
        f"\n  API        {url}/api/v2/\n  Reference  {url}/api/v2/docs\n  Admin      {url}/admin/\n"
        "\nAsk it yourself:\n"
        f"  curl -H 'Authorization: Bearer {kept.key if kept else '<key>'}' \\\n"
        f"    -F file=@{SAMPLE} -F 'prompt={PROMPT}' {url}/api/v2/process\n"
        "and read the answer at the task_id that comes back:\n"
        f"  curl -H 'Authorization: Bearer {kept.key if kept else '<key>'}' {url}/api/v2/status/<task_id>\n"
        "\nCtrl-C stops the service."
    )
