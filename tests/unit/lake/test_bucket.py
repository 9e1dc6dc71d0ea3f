"""What a lake in a bucket is told by settings, and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from wayside.errors import ConfigError
from wayside.lake.bucket import Bucket
from wayside.settings import Settings, text


@pytest.mark.parametrize(
    "url", ["", "lake", "s3://", "s3://a", "s3:///x", "file:///tmp", "s3://lake/../x y", "gs://lake"]
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="cannot lie at"):
        Bucket(url, {})


def test_another_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="'google_service_account'"):
        Bucket("s3://lake", {"google_service_account": "x"})


def test_tables_have_addresses_below_it_and_plain_http_is_only_for_those_who_say_so() -> None:
    table = Bucket("s3://lake/some/where/", {"endpoint_url": "http://127.0.0.1:1"}).table("gold", "rollup")
    assert table.uri == "s3://lake/some/where/gold/rollup"
    assert table.options is not None
    assert table.options["aws_allow_http"] == "true"
    assert "aws_allow_http" not in (Bucket("s3://lake", {}).table("gold", "rollup").options or {})


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    given = {"access_key_id": "me", "secret_access_key": "hidden-one", "session_token": "hidden-two"}
    shown = text(Settings(data_dir=tmp_path, lake_config=given).lake_config)
    assert "me" in shown
    assert "hidden" not in shown
