"""The registry answers below the path that the settings give it, at the root too."""

from __future__ import annotations

import pytest

from server_site import Site
from wayside.errors import ConfigError
from wayside.settings import load


@pytest.mark.parametrize("path", ["", "/apis/ccompat/v7"])
def test_below_another_path(path: str) -> None:
    with Site(registry_path=path) as site:
        assert site.client.get(f"{path}/subjects").json() == ["samples-key", "samples-value"]
        assert site.client.get("/registry/subjects").status_code == 404


def test_the_setting() -> None:
    assert load({"registry_path": "/"}).settings.registry_path == ""
    assert load({"registry_path": "/a/b/"}).settings.registry_path == "/a/b"
    for wrong in ("a", "/v1", "/a b", "/{x}"):
        with pytest.raises(ConfigError):
            load({"registry_path": wrong})
