"""The digests of what was fetched first, and the locks of the cache."""

from __future__ import annotations

import pytest

import cry_hub
from cry_hub.weights import cache_folder, pins

pytestmark = pytest.mark.usefixtures("home")


def test_a_pin_is_never_changed():
    pins.pin("https://a", "sha256:1")
    pins.pin("https://a", "sha256:1")
    pins.pin("https://b", "sha256:2")
    with pytest.raises(cry_hub.WeightsError, match="first time"):
        pins.pin("https://a", "sha256:2")
    assert pins.pinned("https://a") == "sha256:1"
    assert pins.pinned("https://b") == "sha256:2"
    assert pins.pinned("https://c") is None


@pytest.mark.parametrize("text", ["", "[]", '{"https://a": {}}', '{"https://a": 1}'])
def test_pins_that_cannot_be_read_are_not_ignored(home, text):
    home.mkdir()
    pins.pins_file().write_text(text)
    with pytest.raises(cry_hub.WeightsError, match="cannot be read"):
        pins.pinned("https://a")


def test_a_lock_is_given_back_after_a_failure():
    for _ in range(2):
        with pytest.raises(KeyError), cache_folder.locked("work"):
            raise KeyError
