"""The page and its assets, from memory, under a policy that runs nothing but our own files."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from wayside.server.background import PLAIN, Background
from wayside.server.problems import ProblemError, allowed_methods, method_refused, nowhere

POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types svelte-trusted-html 'allow-duplicates'",
    ]
)
FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
}
SQUEEZED = ("text/", "application/json", "application/manifest+json", "image/svg+xml")
OWN = Path(__file__).parent / "static"
RESERVED = ("v1", "api", "livez", "readyz", "metrics", "openapi.json")


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    content: bytes
    squeezed: bytes | None
    media_type: str
    etag: str
    caching: str


def load(path: Path, caching: str) -> Asset:
    """Read a file, and compress it when that helps."""
    content = path.read_bytes()
    media_type = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    squeezed = None
    if media_type.startswith(SQUEEZED) and len(content) > 1_024:
        squeezed = gzip.compress(content, 6, mtime=0)
    if media_type.startswith("text/"):
        media_type += "; charset=utf-8"
    return Asset(content, squeezed, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"', caching)


class Pages:
    """All files of the built page and our own documentation page, by their addresses.

    Addresses are looked up among the files that were there at the start, so that no address can leave the folder. A
    rebuilt page is noticed by its index.
    """

    def __init__(self, folder: Path | None, background: Background = PLAIN) -> None:
        self._folder = folder
        self._policy = background.policy(POLICY)
        self._built = 0.0
        self._assets: dict[str, Asset] = {}
        self._own = {f"/docs/{path.name}": load(path, ASK_AGAIN) for path in sorted(OWN.iterdir()) if path.is_file()}
        self.refresh()

    def refresh(self) -> None:
        """Read the folder again when its index has changed."""
        index = self._folder / "index.html" if self._folder is not None else None
        if self._folder is None or index is None or not index.is_file():
            return
        built = index.stat().st_mtime
        if built == self._built:
            return
        self._assets = {
            "/" + path.relative_to(self._folder).as_posix(): load(
                path, FOREVER if path.parent.name == "assets" else ASK_AGAIN
            )
            for path in sorted(self._folder.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
        self._built = built

    def find(self, path: str) -> Asset | None:
        """The file at an address; addresses without a dot in the last part are the page's own routes."""
        if path == "/docs":
            return self._own["/docs/index.html"]
        found = self._own.get(path) or self._assets.get(path)
        first, last = path.split("/")[1], path.rsplit("/", 1)[1]
        if found is None and "." not in last and first not in (*RESERVED, "docs", "assets"):
            self.refresh()
            found = self._assets.get("/index.html")
        return found

    async def get(self, request: Request) -> Response:
        """Serve a file, or say what there is instead."""
        path = request.scope["path"]
        asset = self.find(path)
        if asset is None:
            if allowed_methods(request):
                raise method_refused(request)
            raise nowhere(path) if self._assets or path.split("/")[1] in RESERVED else not_built()
        headers = {
            "ETag": asset.etag,
            "Cache-Control": asset.caching,
            "Content-Security-Policy": self._policy,
            "Vary": "Accept-Encoding",
        }
        if asset.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        content = asset.content
        if asset.squeezed is not None and "gzip" in request.headers.get("accept-encoding", ""):
            content = asset.squeezed
            headers["Content-Encoding"] = "gzip"
        return Response(content, headers=headers, media_type=asset.media_type)


def not_built() -> ProblemError:
    """The answer where the page would be."""
    return ProblemError(
        404, "The page has not been built.", why="This is a source tree.", next="Run `make setup`; the API is at /docs."
    )
