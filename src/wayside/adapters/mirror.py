"""A file at an address, with a copy here: fetched anew when it has changed, and only taken when it is of use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import httpx2

from wayside.adapters.entities import UnusableBodyError
from wayside.adapters.fetching import Fetcher, Limits
from wayside.adapters.reach import Reach
from wayside.adapters.reach import networks as ranges
from wayside.clock import SYSTEM, Clock
from wayside.files import REAL, read_whole, replace_whole

T = TypeVar("T")
LIMITS = Limits(connect=5.0, silence=30.0, whole=900.0, size=200 << 20)


class Mirror:
    """The copy of one address in a folder, as `name`; beside it lies what the server calls that version.

    For one process and thread at a time. `headers` may refer to secrets as `${env:NAME}`; `networks` are address ranges
    (CIDR) into which the server may lead on, beside the internet.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        name: str,
        *,
        headers: Mapping[str, str] | None = None,
        limits: Limits = LIMITS,
        networks: Sequence[str] = (),
        clock: Clock = SYSTEM,
    ) -> None:
        self.url = url
        self.copy = folder / name
        self._fresh = folder / f"{name}.new"
        self._note = folder / f"{name}.json"
        self._headers = headers or {}
        self._limits = limits
        self._reach = Reach(ranges(networks, where=url))
        self._clock = clock

    def refresh(self, use: Callable[[Path], T]) -> T | None:
        """Fetch the file if it has changed, and give it to `use`; its result, or null when nothing has changed.

        The copy is replaced at once and for good after `use` has returned. When anything fails, the copy stays as it
        is, and what changed is fetched again the next time. Raises UnusableBodyError for no answer or a bad one,
        ConfigError for a secret that is missing, OSError, and what `use` raises.
        """
        REAL.make_folder(self.copy.parent)
        fetcher = Fetcher(self.url, self._headers, self._limits, self._clock, reach=self._reach)
        fetcher.validators = self._version()
        try:
            if not fetcher.download(self._fresh):
                return None
            result = use(self._fresh)
            fetcher.good()
            self._keep(fetcher.validators)
            return result
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise UnusableBodyError("There was no answer.", where=self.url, why=why) from error
        finally:
            fetcher.close()
            self._fresh.unlink(missing_ok=True)

    def _version(self) -> dict[str, str]:
        """What the server called the copy; nothing where there is none, or it is of another address."""
        try:
            note = json.loads(read_whole(REAL, self._note) or b"{}")
        except ValueError:
            return {}
        ours = isinstance(note, dict) and note.get("url") == self.url and self.copy.is_file()
        return {str(name): str(value) for name, value in note["headers"].items()} if ours else {}

    def _keep(self, version: Mapping[str, str]) -> None:
        """The file first and its version after it: a crash in between only has it fetched once more."""
        file = REAL.open(self._fresh, write=True)
        try:
            file.sync()
        finally:
            file.close()
        self._note.unlink(missing_ok=True)
        REAL.rename(self._fresh, self.copy)
        REAL.sync_folder(self.copy.parent)
        replace_whole(REAL, self._note, json.dumps({"url": self.url, "headers": dict(version)}).encode())
