"""A client of any schema registry with Confluent's API, our own among them. What was answered once is remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wayside.clock import SYSTEM, Clock
from wayside.errors import OverloadedError, UnavailableError, WaysideError

if TYPE_CHECKING:
    import httpx2

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
ANSWERED = (200, 201)
REFUSED = (400, 404, 409, 422)
"""Statuses that say something about the schema; any other says something about the registry."""
UNKNOWN = 40403
"""The registry's own number for a schema that is not there."""
ABSENT_SECONDS = 5.0
MOST_ABSENT = 1_000


class RegistryError(WaysideError):
    """The registry refused; `code` is its own number for the reason, or 0."""

    def __init__(self, what: str, *, code: int = 0, where: str = "", why: str = "", next: str = "") -> None:
        super().__init__(what, where=where, why=why, next=next)
        self.code = code


class RegistryAwayError(RegistryError, UnavailableError):
    """The registry gave no verdict: it could not be reached, or has a fault of its own. The caller may try again."""


class Absent:
    """Ids that a registry did not know, for `seconds`; within that time it is asked about `most` of them at most.

    Whoever may write messages chooses the ids in them: each unknown one would be a request, again in every batch. The
    time is short because a schema may be registered under an id that was asked for too early. Use from any thread.
    """

    def __init__(self, clock: Clock, *, seconds: float = ABSENT_SECONDS, most: int = MOST_ABSENT) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._since: dict[int, float] = {}
        self._lock = threading.Lock()

    def ask(self, schema_id: int, question: Callable[[], str]) -> str:
        """The answer to a question about an id, unless it was not known a moment ago.

        Raises RegistryError with the code 40403 then, and what the question raises.
        """
        with self._lock:
            self._forget()
            if schema_id in self._since:
                raise RegistryError(f"Schema {schema_id} not found.", code=UNKNOWN)
            if len(self._since) >= self._most:
                raise RegistryError(
                    f"Schema {schema_id} is not known, and was not asked for: too many unknown ids came.",
                    code=UNKNOWN,
                    why=f"Messages named {self._most} ids within {self._seconds:g} s that the registry does not know.",
                    next="Find out who writes them, then replay from quarantine what should have been taken.",
                )
        try:
            return question()
        except (UnavailableError, OverloadedError):
            raise
        except WaysideError:
            with self._lock:
                self._since.pop(schema_id, None)
                self._since[schema_id] = self._clock.monotonic()
            raise

    def _forget(self) -> None:
        """Let go of what is too long ago; the oldest come first."""
        until = self._clock.monotonic() - self._seconds
        for schema_id in list(self._since):
            if self._since[schema_id] > until:
                break
            del self._since[schema_id]


class RegistryClient:
    """Registers schemas and asks for them by id; may be used from any thread. `url` is the root of the API."""

    def __init__(self, url: str, *, timeout: float = 10.0, clock: Clock = SYSTEM) -> None:
        self.url = url.rstrip("/")
        self._absent = Absent(clock)
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
        """The text of a schema. Raises RegistryError, with the code 40403 when there is none of this id (or
        was none a moment ago), and RegistryAwayError.
        """
        known = self._texts.get(schema_id)
        if known is None:
            known = self._texts[schema_id] = self._absent.ask(schema_id, lambda: self._text(schema_id))
        return known

    def _text(self, schema_id: int) -> str:
        return str(self._ask("GET", f"/schemas/ids/{schema_id}")["schema"])

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
