"""What lies below the maps, where somebody has configured it: a MapLibre style, or tiles in a PMTiles file.

Without it maps draw on plain ground and the page speaks to nobody but us. A file of this machine is served by us, in
ranges; for an address elsewhere the page's policy is opened to that origin, to those that the operator names beside it,
and to no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from wayside.errors import ConfigError
from wayside.server.guard import is_loopback
from wayside.server.problems import ProblemError

STYLE = "/v1/background/style"
TILES = "/v1/background/tiles"
ELSEWHERE = re.compile(r"https?://[^\s]+")
MAGIC = b"PMTiles\x03"


@dataclass(frozen=True)
class Background:
    """Where the page finds the style and the tiles, which files they are, and whom the page must speak to for them."""

    style: str = ""
    tiles: str = ""
    files: tuple[tuple[str, Path], ...] = ()
    origins: tuple[str, ...] = ()

    @classmethod
    def of(cls, style: str, tiles: str, origins: Sequence[str] = ()) -> Background:
        """From the settings: each an address, a file of this machine, or empty; `origins` are further ones that the
        style needs. Raises ConfigError.
        """
        if origins and not style and not tiles:
            next = "Set map_style or map_tiles, or leave map_origins out."
            raise ConfigError(
                "Nothing lies below the maps that would need map_origins.", where="map_origins", next=next
            )
        files: list[tuple[str, Path]] = []
        found = {further(one) for one in origins}
        shown: dict[str, str] = {}
        for name, value, address in (("map_style", style, STYLE), ("map_tiles", tiles, TILES)):
            if ELSEWHERE.fullmatch(value):
                shown[name] = value
                found.add(origin(value, name))
            elif value:
                shown[name] = address
                files.append((address, local(value, name)))
        for address, path in files:
            if address == STYLE:
                found |= set(origins_in(path))
            else:
                check_tiles(path)
        return cls(shown.get("map_style", ""), shown.get("map_tiles", ""), tuple(files), tuple(sorted(found)))

    def told(self) -> dict[str, str | list[str]] | None:
        """What the page is told; null without a background."""
        if not self.style and not self.tiles:
            return None
        return {"style": self.style, "tiles": self.tiles, "origins": list(self.origins)}

    def policy(self, plain: str) -> str:
        """The page's policy: the plain one, opened as far as the background needs it."""
        if self.told() is None:
            return plain
        more = "".join(f" {one}" for one in self.origins)
        opened = []
        for rule in plain.split("; "):
            name = rule.split(" ", 1)[0]
            if name in ("connect-src", "img-src"):
                rule += more
            elif name == "trusted-types":
                # The library starts its worker by a text; the page's default policy lets that one address through.
                rule = rule.replace("trusted-types ", "trusted-types default ")
            opened.append(rule)
        return "; ".join(opened)

    def routes(self) -> list[Route]:
        """What serves the files of this machine."""
        return [Route(address, self._serve, methods=["GET"], include_in_schema=False) for address, _ in self.files]

    async def _serve(self, request: Request) -> Response:
        path = dict(self.files)[request.scope["path"]]
        kind = "application/json" if request.scope["path"] == STYLE else "application/vnd.pmtiles"
        if not path.is_file():
            raise ProblemError(404, "The map's background is not there any more.", next="Restore the file, or restart.")
        return FileResponse(path, media_type=kind, headers={"Cache-Control": "no-cache"})


def local(value: str, name: str) -> Path:
    """A file of this machine. Raises ConfigError."""
    path = Path(value).expanduser()
    if not path.is_file():
        next = f"{name} is an address that begins with http:// or https://, or the path of a file."
        raise ConfigError("The file of the map's background does not exist.", where=f"{name} = {value}", next=next)
    return path.resolve()


def check_tiles(path: Path) -> None:
    """Refuse what is no PMTiles file, before a browser has to. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(MAGIC))
    except OSError as error:
        raise ConfigError("The map's tiles cannot be read.", where=str(path), why=f"{error}.") from error
    if begin != MAGIC:
        next = "Convert it with `pmtiles convert`, or name the style that uses it with map_style."
        raise ConfigError("The map's tiles are no PMTiles file of version 3.", where=str(path), next=next)


def origin(address: str, where: str) -> str:
    """`https://host:port`, as a browser writes it.

    Raises ConfigError for an address that has none, or that carries more than one may show.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:]+", host) or parts.username:
        next = "Write it like https://tiles.example.org/style.json; a key goes into its query."
        raise ConfigError("The address of the map's background has no host.", where=where, next=next)
    name = f"[{host}]" if ":" in host else host
    usual = port in (None, 443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{name}" + ("" if usual else f":{port}")


def further(text: str) -> str:
    """An origin that an operator names: a scheme and a host, with a port or without. Raises ConfigError.

    Others can read and change what travels over http, so that is for servers of this machine only.
    """
    where = f"map_origins: {text[:200]}"
    found = origin(text, where) if ELSEWHERE.fullmatch(text) else ""
    if not found or text.rstrip("/").lower().removesuffix(":443" if found.startswith("https") else ":80") != found:
        raise ConfigError(
            "This is no origin of the map's background.",
            where=where,
            why="An origin is a scheme and a host, and a port where it is not the usual one: no path, no pattern.",
            next="Write it like https://tiles.example.org, and each server by itself.",
        )
    if found.startswith("http:") and not is_loopback(urlsplit(found).hostname or ""):
        why = "What comes over http can be read and changed by others on its way."
        next = "Write https:// if the server has it; http:// is for servers of this machine."
        raise ConfigError("The map's background cannot come over http.", where=where, why=why, next=next)
    return found


def origins_in(path: Path) -> Iterator[str]:
    """The origins that a style file refers to: of its tiles, glyphs and sprites. Raises ConfigError."""
    try:
        style = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError("The map's style cannot be read.", where=str(path), why=f"{error}.") from error
    if not isinstance(style, dict) or not isinstance(style.get("layers"), list):
        raise ConfigError(
            "The map's style is no MapLibre style.", where=str(path), next="It has `layers` and `sources`."
        )
    sources = style.get("sources")
    listed: list[Any] = list(sources.values()) if isinstance(sources, dict) else []
    for text in (found for part in (listed, style.get("glyphs"), style.get("sprite")) for found in texts(part)):
        address = text.removeprefix("pmtiles://")
        if ELSEWHERE.match(address):
            yield origin(address, str(path))


def texts(part: Any) -> Iterator[str]:
    """Every text within lists and objects: of a source its `url`, `tiles` and `data`, of a sprite its addresses."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for item in part:
            yield from texts(item)
    elif isinstance(part, dict):
        for name in ("url", "tiles", "data"):
            value = part.get(name)
            yield from texts(value) if isinstance(value, (str, list)) else ()


PLAIN = Background()
"""Nothing below the maps."""
