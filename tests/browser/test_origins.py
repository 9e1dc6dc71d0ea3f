"""A style whose tiles come from another server than itself: drawn where that server is named, told where it is not."""

from __future__ import annotations

import json
import struct
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from browser.cities import moving_city
from browser.sites import opened, shot, wait_for
from browser.test_background import look, usual
from wayside.server.background import Background

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

GROUND, TILE = (0xFE, 0xDC, 0xBA), (0x20, 0x60, 0xA0)


def picture() -> bytes:
    """A PNG of one colour, 256 pixels square."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\x00" + bytes(TILE) * 256) * 256
    head = struct.pack(">IIBBBBB", 256, 256, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Elsewhere(ThreadingHTTPServer):
    """A server of its own, which lets every page read what it gives."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.files: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []

    def __enter__(self) -> Elsewhere:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Answering(BaseHTTPRequestHandler):
    """Files by the beginning of their address."""

    server: Elsewhere

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        found = next((file for begin, file in self.server.files.items() if self.path.startswith(begin)), None)
        kind, content = found or ("text/plain", b"")
        self.send_response(200 if found else 404)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def servers() -> Iterator[tuple[Elsewhere, Elsewhere]]:
    """One with a style, and one with the tiles that it names: through a description of them, as most styles do."""
    with Elsewhere() as styles, Elsewhere() as tiles:
        described = {
            "tilejson": "3.0.0",
            "tiles": [f"{tiles.url}/tiles/{{z}}/{{x}}/{{y}}.png"],
            "attribution": "Tiles Inc",
        }
        ground = {"id": "ground", "type": "background", "paint": {"background-color": "#fedcba"}}
        filled = {"id": "tiles", "type": "raster", "source": "tiles", "paint": {"raster-fade-duration": 0}}
        source = {"type": "raster", "url": f"{styles.url}/tiles.json", "tileSize": 256}
        style = {"version": 8, "sources": {"tiles": source}, "layers": [ground, filled]}
        styles.files = {
            "/style.json": ("application/json", json.dumps(style).encode()),
            "/tiles.json": ("application/json", json.dumps(described).encode()),
        }
        tiles.files = {"/tiles/": ("image/png", picture())}
        yield styles, tiles


def test_tiles_of_a_named_origin_are_drawn(browser: Browser, servers: tuple[Elsewhere, Elsewhere]) -> None:
    styles, tiles = servers
    background = Background.of(f"{styles.url}/style.json", "", [tiles.url])
    with moving_city(4, background=background) as city, opened(browser, "about:blank") as watched:
        look(watched.page, city.url)
        wait_for(lambda: usual(watched.page, 20, 420) == TILE, "the tiles are drawn", 40)
        wait_for(lambda: usual(watched.page, 640, 1000) == TILE, "on both sides", 40)
        expect(watched.page.locator(".credits")).to_have_text("Tiles Inc")
    assert tiles.asked


def test_tiles_of_another_are_not_asked_for_and_the_page_says_so(
    browser: Browser, servers: tuple[Elsewhere, Elsewhere]
) -> None:
    styles, tiles = servers
    background = Background.of(f"{styles.url}/style.json", "")
    with moving_city(4, background=background) as city, opened(browser, "about:blank") as watched:
        look(watched.page, city.url)
        wait_for(lambda: usual(watched.page, 20, 420) == GROUND, "what the style has itself is drawn", 40)
        expect(watched.page.locator(".credits")).to_have_text(
            f"The background is not whole: its style takes parts from {tiles.url}, and this page is not allowed to"
            " speak to it. Add it to map_origins in Wayside's configuration and start it again. Tiles Inc",
            timeout=20_000,
        )
        shot(watched.page, "map-background-refused")
        watched.forgive("CSP violation", "Content Security Policy")
    assert tiles.asked == []


def test_a_style_that_is_not_there_is_told(browser: Browser, servers: tuple[Elsewhere, Elsewhere]) -> None:
    styles, _ = servers
    background = Background.of(f"{styles.url}/gone.json", "")
    with moving_city(4, background=background) as city, opened(browser, "about:blank") as watched:
        watched.page.goto(f"{city.url}/map")
        expect(watched.page.locator(".credits")).to_have_text("The background cannot be shown here.", timeout=20_000)
        watched.forgive("404")
