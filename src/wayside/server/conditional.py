"""Answers that are not sent again to those who have them, and packed for those who can unpack."""

from __future__ import annotations

import email.utils
import gzip
import hashlib

from starlette.datastructures import Headers
from starlette.responses import Response

LEAST = 1_024
"""Bytes below which packing gains nothing."""
KEPT = ("etag", "last-modified", "cache-control", "vary")


def conditional(asked: Headers, response: Response) -> Response:
    """A good answer to a GET with its ETag: 304 without a body where the client has it, else packed where that helps.

    A client has it when If-None-Match names its ETag; without that, when it was not changed since If-Modified-Since.
    """
    body = bytes(response.body)
    if response.status_code != 200 or not body:
        return response
    response.headers["etag"] = f'W/"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'
    response.headers["vary"] = "Accept-Encoding"
    if known(asked, response.headers):
        kept = {name: response.headers[name] for name in KEPT if name in response.headers}
        return Response(status_code=304, headers=kept)
    if len(body) >= LEAST and "gzip" in asked.get("accept-encoding", ""):
        response.body = gzip.compress(body, 1, mtime=0)
        response.headers.update({"content-length": str(len(response.body)), "content-encoding": "gzip"})
    return response


def known(asked: Headers, given: Headers) -> bool:
    """Whether the client has the answer already."""
    if (tags := asked.get("if-none-match")) is not None:
        return tags.strip() == "*" or given["etag"].removeprefix("W/") in [
            tag.strip().removeprefix("W/") for tag in tags.split(",")
        ]
    since, changed = asked.get("if-modified-since"), given.get("last-modified")
    if since is None or changed is None:
        return False
    try:
        return email.utils.parsedate_to_datetime(changed) <= email.utils.parsedate_to_datetime(since)
    except (TypeError, ValueError, IndexError):
        return False
