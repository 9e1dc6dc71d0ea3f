"""A client of any schema registry with Confluent's API, our own among them. What was answered once is remembered."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wayside.errors import OverloadedError, UnavailableError, WaysideError

if TYPE_CHECKING:
    import httpx2

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
ANSWERED = (200, 201)
REFUSED = (400, 404, 409, 422)
"""Statuses that say something about the schema; any other says something about the registry."""


class RegistryError(WaysideError):
    """The registry refused; `code` is its own number for the reason, or 0."""

    def __init__(self, what: str, *, code: int = 0, where: str = "", why: str = "", next: str = "") -> None:
        super().__init__(what, where=where, why=why, next=next)
        self.code = code


class RegistryAwayError(RegistryError, UnavailableError):
    """The registry gave no verdict: it could not be reached, or has a fault of its own. The caller may try again."""


class RegistryClient:
    """Registers schemas and asks for them by id; may be used from any thread. `url` is the root of the API."""

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None
        self._ids: dict[tuple[str, str], int] = {}
        self._texts: dict[int, str] = {}

    def __enter__(self) -> RegistryClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def register(self, subject: str, text: str) -> int:
        """The id of a schema, which becomes the newest of its subject unless it is there already.

        Raises RegistryError, with the code 409 when it cannot follow the subject's earlier ones, RegistryAwayError.
        """
        known = self._ids.get((subject, text))
        if known is not None:
            return known
        answer = self._ask("POST", f"/subjects/{quote(subject, safe='')}/versions", {"schema": text})
        found = int(answer["id"])
        self._ids[subject, text] = found
        return found

    def schema(self, schema_id: int) -> str:
        """The text of a schema. Raises RegistryError, with the code 40403 when there is none of this id, and
        RegistryAwayError.
        """
        known = self._texts.get(schema_id)
        if known is None:
            known = self._texts[schema_id] = str(self._ask("GET", f"/schemas/ids/{schema_id}")["schema"])
        return known

    def close(self) -> None:
        """Let go of the connections. Doing it twice is harmless."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        import httpx2

        with self._lock:
            if self._client is None:
                self._client = httpx2.Client(timeout=self._timeout, trust_env=False)
            client = self._client
        headers = {"Accept": MEDIA_TYPE} | ({"Content-Type": MEDIA_TYPE} if body is not None else {})
        try:
            answer = client.request(method, self.url + path, json=body, headers=headers)
            found = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise RegistryAwayError(
                "The schema registry gave no answer that can be read.",
                where=self.url + path,
                why=f"{type(error).__name__}: {error}",
                next="Check its address and whether it runs.",
            ) from error
        if answer.status_code == 503:
            raise OverloadedError("The schema registry is overloaded.", where=self.url + path)
        if answer.status_code not in ANSWERED:
            reason = found if isinstance(found, dict) else {}
            what = str(reason.get("message", f"The schema registry answered {answer.status_code}."))
            kind = RegistryError if answer.status_code in REFUSED else RegistryAwayError
            raise kind(what, code=int(reason.get("error_code", 0)), where=self.url + path)
        return found
