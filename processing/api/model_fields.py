"""The shapes of a model of the registry: as administrators send it, and as they get it back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from modelsregistry.registration import REFUSABLE

MAX_TOKENS_OF_ANY_MODEL = 2_000_000_000
# An id goes into URLs, logs and lists with commas: no blanks, no control characters.
ID = r"^[^\s\x00-\x1f\x7f,\ud800-\udfff]+$"
_MOST_NAMES = 1000


def _tokens(**more: Any) -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MAX_TOKENS_OF_ANY_MODEL, **more
    )


def _price(**more: Any) -> serializers.DecimalField:
    return serializers.DecimalField(
        max_digits=12, decimal_places=6, min_value=Decimal(0), required=False, allow_null=True, **more
    )


def _names(at_most: int = _MOST_NAMES, **more: Any) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=200), max_length=at_most, required=False, **more
    )


class RegistrationMetaSerializer(serializers.Serializer[dict[str, Any]]):
    """What the model can do. What is left out stays as it is."""

    vision = serializers.BooleanField(required=False, help_text="Whether it sees pictures of pages.")
    native_pdf = serializers.BooleanField(required=False, help_text="Whether it reads a PDF as it is.")
    structured_output = serializers.BooleanField(
        required=False, help_text="Whether its provider holds it to a JSON Schema."
    )
    max_tokens = _tokens(help_text="Tokens that it can write at most.")
    context_length = _tokens(help_text="Tokens that it can read and write.")
    description = serializers.CharField(required=False, allow_blank=True, max_length=4000)


class PricesSerializer(serializers.Serializer[dict[str, Any]]):
    """US dollars for a million tokens; null: not known."""

    input = _price(help_text="Of tokens read.")
    cached_input = _price(help_text="Of tokens read that the provider had read before; null: as input.")
    output = _price(help_text="Of tokens written.")


class ModelChangeSerializer(serializers.Serializer[dict[str, Any]]):
    """What to change of a model. What is left out stays as it is."""

    name = serializers.CharField(required=False, max_length=200)
    provider = serializers.CharField(required=False, max_length=100, help_text="A provider's name.")
    upstream_id = serializers.CharField(
        required=False, max_length=200, help_text="What the provider calls it, where that is not the id."
    )
    enabled = serializers.BooleanField(required=False)
    meta = RegistrationMetaSerializer(required=False)
    prices = PricesSerializer(required=False)
    temperature = serializers.FloatField(required=False, allow_null=True, min_value=0, max_value=2)
    max_tokens = _tokens(help_text="Tokens that an answer may have where a request does not say otherwise.")
    timeout = serializers.FloatField(
        required=False, allow_null=True, min_value=1, max_value=86_400, help_text="Seconds that one answer may take."
    )
    refused_fields = serializers.ListField(
        child=serializers.ChoiceField(REFUSABLE), required=False, help_text="Fields that are never sent to it."
    )
    fallbacks = _names(20, help_text="The models to ask, in this order, when it fails.")
    allowed_users = _names(help_text="Who may use it, beside the groups; where both are empty, everybody.")
    allowed_groups = _names(help_text="Groups whose members may use it.")

    def validate_temperature(self, value: float | None) -> float | None:
        """NaN passes every comparison; refuse it here."""
        if value is not None and not 0 <= value <= 2:
            raise serializers.ValidationError("A number from 0 to 2.")
        return value

    def validate_timeout(self, value: float | None) -> float | None:
        """As for the temperature."""
        if value is not None and not 1 <= value <= 86_400:
            raise serializers.ValidationError("Seconds, from 1 to 86400.")
        return value


class RegistrationSerializer(ModelChangeSerializer):
    """A model to be offered, or to be changed if it is there. A provider has to be named where none can be told."""

    id = serializers.RegexField(ID, max_length=200, help_text="What clients call it.")


class RegisteredMetaSerializer(serializers.Serializer[dict[str, Any]]):
    """What a registered model can do."""

    vision = serializers.BooleanField()
    native_pdf = serializers.BooleanField()
    structured_output = serializers.BooleanField()
    max_tokens = serializers.IntegerField(allow_null=True, help_text="Tokens that it can write at most.")
    context_length = serializers.IntegerField(allow_null=True)
    description = serializers.CharField(allow_blank=True)


class RegisteredPricesSerializer(serializers.Serializer[dict[str, Any]]):
    """US dollars for a million tokens; null: not known."""

    input = serializers.FloatField(allow_null=True)
    cached_input = serializers.FloatField(allow_null=True)
    output = serializers.FloatField(allow_null=True)


class RegisteredModelSerializer(serializers.Serializer[dict[str, Any]]):
    """A model as the registry keeps it; its settings are null where the service's own hold."""

    id = serializers.CharField()
    name = serializers.CharField()
    provider = serializers.CharField()
    provider_enabled = serializers.BooleanField()
    upstream_id = serializers.CharField()
    enabled = serializers.BooleanField()
    available = serializers.BooleanField()
    reason = serializers.CharField(allow_blank=True)
    meta = RegisteredMetaSerializer()
    temperature = serializers.FloatField(allow_null=True)
    max_tokens = serializers.IntegerField(allow_null=True)
    timeout = serializers.FloatField(allow_null=True, help_text="Seconds.")
    refused_fields = serializers.ListField(child=serializers.CharField())
    prices = RegisteredPricesSerializer()
    fallbacks = serializers.ListField(child=serializers.CharField())
    limited = serializers.BooleanField(
        help_text="Only those named may use it: nobody, where all who were named have been deleted."
    )
    allowed_users = serializers.ListField(child=serializers.CharField(), help_text="Names.")
    allowed_groups = serializers.ListField(child=serializers.CharField(), help_text="Names.")


class RegistrySerializer(serializers.Serializer[dict[str, Any]]):
    """Every model of the registry."""

    models = RegisteredModelSerializer(many=True)
