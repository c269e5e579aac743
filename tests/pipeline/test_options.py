"""Options survive their way over the task's row."""

from processing.pipeline.options import RequestOptions


def test_it_works() -> None:
    options = RequestOptions(temperature=0, max_tokens=5, vision_mode="force_text", timeout=3)
    assert RequestOptions.restored(options.kept()) == options


def test_temperature_zero_is_zero() -> None:
    assert RequestOptions(temperature=0).kept()["temperature"] == 0
