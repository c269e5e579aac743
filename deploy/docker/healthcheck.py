"""Whether the web server of this container serves: exit code 0 or 1. Standard library only, so that it costs little."""

import json
import os
import sys
import urllib.error
import urllib.request


def main() -> int:
    """A service that is degraded still serves; one that is unhealthy answers 503."""
    request = urllib.request.Request(f"http://127.0.0.1:{os.environ.get('PORT') or 3000}/api/v2/health")
    name = next((each.strip() for each in os.environ.get("ALLOWED_HOSTS", "").split(",") if each.strip()), "")
    if name and name != "*":
        request.add_header("Host", name.lstrip("."))
    if header := os.environ.get("API_V2_PROXY_HTTPS_HEADER"):
        request.add_header(header, "https")
    try:
        with urllib.request.urlopen(request, timeout=4) as answer:  # noqa: S310
            status = json.load(answer)["status"]
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"no answer: {error}\n")
        return 1
    sys.stdout.write(f"{status}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
