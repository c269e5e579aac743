"""What an answer depends on beside its request, as one digest: while it stays the same, so may an answer."""

from __future__ import annotations

import json

from django.utils.crypto import salted_hmac

from modelsregistry.registry import offered


def fingerprint(model_id: str) -> str:
    """The digest of the model's row and its provider's, as far as they have a say in what is answered: not their
    prices, not how they fare. It is keyed, because credentials are part of it. Raises `ModelMisconfigured`."""
    model = offered(model_id)
    provider = model.provider
    telling = {
        "model": [model.pk, model.upstream_id, model.vision, model.native_pdf, model.structured_output],
        "bounds": [model.context_length, model.max_output_tokens, model.max_tokens],
        "settings": [model.temperature, model.refused_fields],
        "provider": [provider.pk, provider.kind, provider.base_url, provider.options],
        "credentials": [provider.secret, provider.headers],
    }
    written = json.dumps(telling, sort_keys=True)
    return salted_hmac("modelsregistry.fingerprint", written, algorithm="sha256").hexdigest()
