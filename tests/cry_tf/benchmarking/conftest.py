import pytest


@pytest.fixture(autouse=True)
def _one_turn(monkeypatch):
    """Lets each file run for a moment: what is tested here is no speed."""
    monkeypatch.setattr("cry_lite.speed.TURNS", 1)
