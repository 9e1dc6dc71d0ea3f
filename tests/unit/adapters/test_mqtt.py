from __future__ import annotations

import aiomqtt
import pytest

from wayside.adapters.mqtt import identity, secret
from wayside.errors import ConfigError


def message(
    mid: int, payload: bytes = b"x", topic: str = "t", *, qos: int = 1, retain: bool = False
) -> aiomqtt.Message:
    return aiomqtt.Message(topic, payload, qos, retain, mid, None)


def test_a_message_that_is_sent_again_keeps_its_identity() -> None:
    assert identity(message(1)) == identity(message(1))
    different = [message(1), message(2), message(1, b"y"), message(1, topic="u"), message(1, b"", "tx")]
    assert len({identity(each) for each in different}) == len(different)


def test_a_retained_message_is_the_same_under_any_packet_number() -> None:
    assert identity(message(1, retain=True)) == identity(message(2, retain=True))
    assert identity(message(1, retain=True)) != identity(message(1))
    assert identity(message(0, qos=0, retain=True)) == identity(message(7, retain=True))


def test_a_message_of_qos_0_has_no_identity() -> None:
    assert identity(message(0, qos=0)) is None


def test_secrets_are_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANT_PASSWORD", "canary")
    assert secret(None) is None
    assert secret("${env:PLANT_PASSWORD}") == "canary"
    for wrong in ("canary", "${env:NOT_THERE}", "${env:PLANT_PASSWORD} "):
        with pytest.raises(ConfigError) as caught:
            secret(wrong)
        assert "canary" not in str(caught.value)
