"""Who may change what others rely on: requests that carry the administrator's token, from this machine or not.

A page that a browser has open can reach the loopback interface, so that coming from there says nothing.
"""

from __future__ import annotations

import hmac
from typing import Any

from starlette.requests import Request

from wayside.server.problems import ProblemError
from wayside.server.services import Services

SCHEME = "admin"
SECURITY: list[dict[str, list[str]]] = [{SCHEME: []}]
SECURITY_SCHEME: dict[str, Any] = {
    "type": "http",
    "scheme": "bearer",
    "description": "The token of the setting `admin_token`, or of the file secrets/admin.token in the data folder.",
}


def check(services: Services, request: Request) -> None:
    """Refuse who does not show the token. Raises ProblemError 401."""
    wanted = services.admin_token.encode()
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    shown = scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("latin-1", "replace"), wanted)
    if not wanted or not shown:
        raise ProblemError(
            401,
            "Only the administrator may do this." if not given else "This is not the administrator's token.",
            where="header Authorization",
            why="Required: Bearer and the token.",
            next="The token is the setting admin_token; without one, the file secrets/admin.token in the data folder.",
            headers={"WWW-Authenticate": 'Bearer realm="wayside"'},
        )
