"""A shared input that is absent is never a silent success."""

import pytest

from telemetry_platform_tests.shared_inputs import shared_file


def test_an_absent_input_skips_the_test_and_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"cases/none\.jsonl is not in a folder `shared` beside"):
        shared_file("cases/none.jsonl")


def test_an_absent_input_fails_the_test_on_ci(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"cases/none\.jsonl is not in a folder `shared` beside"):
        shared_file("cases/none.jsonl")
