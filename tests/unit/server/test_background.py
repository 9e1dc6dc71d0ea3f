"""What lies below the maps: which files are served, what the page is told, and whom its policy lets it speak to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from server_site import Site
from wayside.errors import ConfigError
from wayside.server.background import PLAIN, STYLE, TILES, Background
from wayside.server.pages import POLICY


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "city.pmtiles"
    path.write_bytes(b"PMTiles\x03" + bytes(range(256)) * 8)
    return path


def rule(policy: str, name: str) -> list[str]:
    return next(rule.split(" ")[1:] for rule in policy.split("; ") if rule.startswith(name + " "))


def test_nothing_configured_changes_nothing() -> None:
    assert Background.of("", "") == PLAIN
    assert PLAIN.policy(POLICY) == POLICY
    assert PLAIN.told() is None
    with Site() as site:
        assert site.client.get("/v1/status").json()["background"] is None
        assert site.client.get(TILES).status_code == 404


def test_a_file_of_tiles_is_served_in_ranges(archive: Path) -> None:
    with Site(background=Background.of("", str(archive))) as site:
        assert site.client.get("/v1/status").json()["background"] == {"style": "", "tiles": TILES, "origins": []}
        head = site.client.get(TILES, headers={"Range": "bytes=0-7"})
        assert (head.status_code, head.content) == (206, b"PMTiles\x03")
        assert head.headers["content-range"] == f"bytes 0-7/{archive.stat().st_size}"
        tag = {"If-Range": head.headers["etag"]}
        assert site.client.get(TILES, headers={"Range": "bytes=8-11", **tag}).content == bytes(range(4))
        beyond = site.client.get(TILES, headers={"Range": "bytes=9000-9001"})
        assert beyond.status_code == 416
        assert site.client.get(TILES).content == archive.read_bytes()
        archive.unlink()
        gone = site.client.get(TILES)
        assert (gone.status_code, gone.json()["next"]) == (404, "Restore the file, or restart.")


def test_an_address_elsewhere_opens_the_policy_to_its_origin_only() -> None:
    made = Background.of("https://Tiles.Example.org:8443/styles/quiet.json?key=k", "")
    own = "https://tiles.example.org:8443"
    style = "https://Tiles.Example.org:8443/styles/quiet.json?key=k"
    assert made.told() == {"style": style, "tiles": "", "origins": [own]}
    policy = made.policy(POLICY)
    assert rule(policy, "connect-src") == ["'self'", "https://tiles.example.org:8443"]
    assert rule(policy, "img-src") == ["'self'", "data:", "blob:", "https://tiles.example.org:8443"]
    assert rule(policy, "trusted-types") == ["default", "svelte-trusted-html", "'allow-duplicates'"]
    for kept in ("default-src", "script-src", "style-src", "worker-src", "frame-ancestors", "base-uri"):
        assert rule(policy, kept) == rule(POLICY, kept)
    assert made.routes() == []


def test_a_style_of_a_file_opens_it_to_what_it_refers_to(tmp_path: Path, archive: Path) -> None:
    sources = {
        "a": {"type": "vector", "url": "pmtiles://https://a.example/x.pmtiles"},
        "b": {"type": "raster", "tiles": ["https://b.example/{z}/{x}/{y}.png"], "attribution": "https://no.example"},
        "c": {"type": "vector", "url": f"pmtiles://{TILES}"},
    }
    glyphs = "http://[::1]:8080/{fontstack}/{range}.pbf"
    style = tmp_path / "style.json"
    style.write_text(json.dumps({"version": 8, "sources": sources, "glyphs": glyphs, "layers": []}))
    made = Background.of(str(style), str(archive))
    assert made.told() == {"style": STYLE, "tiles": TILES, "origins": list(made.origins)}
    assert made.origins == ("http://[::1]:8080", "https://a.example", "https://b.example")
    with Site(background=made) as site:
        assert site.client.get(STYLE).json()["glyphs"] == glyphs
        assert site.client.get(STYLE).headers["content-type"] == "application/json"


def test_further_origins_are_opened_exactly_and_nowhere_else() -> None:
    further = (
        "https://Tiles.example:443/",
        "https://glyphs.example:8443",
        "http://localhost:9000",
        "http://[::1]:9001",
    )
    made = Background.of("https://styles.example/quiet.json", "", further)
    opened = ["http://[::1]:9001", "http://localhost:9000", "https://glyphs.example:8443"]
    opened += ["https://styles.example", "https://tiles.example"]
    policy = made.policy(POLICY)
    assert rule(policy, "connect-src") == ["'self'", *opened]
    assert rule(policy, "img-src") == ["'self'", "data:", "blob:", *opened]
    assert len(re.findall("example|localhost|::1", policy)) == 2 * len(opened)
    with Site(background=made) as site:
        assert site.client.get("/v1/status").json()["background"]["origins"] == opened


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("https://tiles.example/path", "no origin"),
        ("https://tiles.example?key=k", "no origin"),
        ("https://tiles.example#x", "no origin"),
        ("tiles.example", "no origin"),
        ("https:", "no origin"),
        ("https:// x", "no origin"),
        ("'unsafe-inline'", "no origin"),
        ("data:", "no origin"),
        ("wss://tiles.example", "no origin"),
        ("https://*.example", "no host"),
        ("https://*", "no host"),
        ("https://a.example;script-src", "no host"),
        ("https://user:word@a.example", "no host"),
        ("https://a.example:99999", "no host"),
        ("http://tiles.example", "cannot come over http"),
        ("http://192.168.1.5:8080", "cannot come over http"),
        ("http://localhost.example", "cannot come over http"),
    ],
)
def test_what_is_no_origin_is_refused_in_full_sentences(text: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        Background.of("https://styles.example/quiet.json", "", [text])
    assert caught.value.where == f"map_origins: {text}"
    assert caught.value.next


def test_origins_without_a_background_are_refused() -> None:
    with pytest.raises(ConfigError, match="Nothing lies below the maps"):
        Background.of("", "", ["https://tiles.example"])


@pytest.mark.parametrize(
    ("style", "tiles", "word"),
    [
        ("nowhere.json", "", "does not exist"),
        ("", "nowhere.pmtiles", "does not exist"),
        ("https://user:pass@tiles.example/style.json", "", "has no host"),
        ("https://;script-src *", "", "does not exist"),
        ("https://a;script-src/x", "", "has no host"),
        ("", "http://:80/x", "has no host"),
        ("", "https://a.example:99999/x", "has no host"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(style: str, tiles: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Background.of(style, tiles)


@pytest.mark.parametrize("content", ["", "[", "[]", '{"version": 8}', "[" * 100_000])
def test_a_file_that_is_no_style_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "style.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="style"):
        Background.of(str(path), "")


def test_a_file_that_is_no_pmtiles_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "city.mbtiles"
    path.write_bytes(b"SQLite format 3\x00")
    with pytest.raises(ConfigError, match="no PMTiles"):
        Background.of("", str(path))
