"""A lake in a bucket of S3, or of anything that speaks its protocol.

What is written there is durable and whole when the answer has come, so that nothing is synced or mended. Two writers
of one commit are kept apart by conditional puts, which the storage must know (S3 itself, MinIO and others do).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from wayside.clock import Clock
from wayside.errors import ConfigError
from wayside.lake.places import TablePlace
from wayside.lake.settle import LOG
from wayside.lake.shape import TIERS
from wayside.values import Tier

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

KEYS: Final = (
    "endpoint_url",
    "region",
    "access_key_id",
    "secret_access_key",
    "session_token",
    "virtual_hosted_style_request",
)
_URL: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_=-][A-Za-z0-9_.=-]*)*/?")
_PATIENCE: Final = timedelta(seconds=20)


class Bucket:
    """A lake below `s3://bucket/path`. `config` holds some of `KEYS`; the rest is taken from AWS_ variables.

    One request is waited for as long as `timeout`, and tried again until twice that has gone.
    Raises ConfigError for another address or key.
    """

    def __init__(self, url: str, config: Mapping[str, str], *, timeout: timedelta = _PATIENCE) -> None:
        if not _URL.fullmatch(url):
            raise ConfigError(
                f"The lake cannot lie at {url!r}.", where="lake_url", next="Write s3://bucket or s3://bucket/path."
            )
        unknown = [key for key in config if key not in KEYS]
        if unknown:
            raise ConfigError(
                f"The storage of the lake has no key {unknown[0]!r}.",
                where="lake_config",
                why=f"There are {', '.join(KEYS)}.",
            )
        self._url = url.rstrip("/")
        self._options = {f"aws_{key}": value for key, value in config.items()}
        seconds = timeout.total_seconds()
        self._options |= {"connect_timeout": "5s", "timeout": f"{seconds:g}s", "retry_timeout": f"{2 * seconds:g}s"}
        if config.get("endpoint_url", "").startswith("http://"):
            self._options["aws_allow_http"] = "true"

    @property
    def where(self) -> str:
        return self._url

    def table(self, tier: Tier, name: str) -> TablePlace:
        return BucketTable(self, f"{tier}/{name}", self._url, self._options)

    def tables(self) -> list[tuple[Tier, str]]:
        return [
            (tier, path.rpartition("/")[2])
            for tier in sorted(TIERS)
            for path in sorted(self.names(tier))
            if self.names(f"{path}/{LOG}")
        ]

    def names(self, path: str) -> list[str]:
        """What lies directly below a path of the lake, as paths of the lake. Raises OSError."""
        from pyarrow.fs import FileSelector

        return [found.path for found in self._files.get_file_info(FileSelector(path, allow_not_found=True))]

    def read(self, path: str) -> bytes:
        """The content of an object. Raises FileNotFoundError, OSError."""
        with self._files.open_input_stream(path) as stream:
            content: bytes = stream.read()
        return content

    @cached_property
    def _files(self) -> FileSystem:
        from deltalake.fs import DeltaStorageHandler
        from pyarrow.fs import PyFileSystem

        return PyFileSystem(DeltaStorageHandler(self._url, self._options))


class BucketTable:
    """See `TablePlace`."""

    def __init__(self, bucket: Bucket, path: str, url: str, options: dict[str, str]) -> None:
        self._bucket = bucket
        self._path = path
        self.uri = f"{url}/{path}"
        self.options: dict[str, str] | None = options

    def exists(self) -> bool:
        return bool(self._bucket.names(f"{self._path}/{LOG}"))

    def prepare(self) -> None:
        """Nothing to do: there are no folders."""

    def settle(self, version: int) -> None:
        """Nothing to do: what was answered is durable."""

    def mend(self, clock: Clock) -> None:
        """Nothing to do: an object is there as a whole or not at all."""

    def damaged(self, files: list[tuple[str, int]]) -> list[str]:
        """Those that are gone; an object cannot be cut off."""
        folders = {name.rpartition("/")[0] for name, _ in files}
        there = {path for folder in folders for path in self._bucket.names(f"{self._path}/{folder}".rstrip("/"))}
        return [name for name, _ in files if f"{self._path}/{name}" not in there]

    def set_aside(self, name: str, clock: Clock) -> bool:
        return False

    def settle_checkpoint(self, *, sync: bool = False) -> int:
        pointer = f"{self._path}/{LOG}/_last_checkpoint"
        if pointer not in self._bucket.names(f"{self._path}/{LOG}"):
            return 0
        found: dict[str, Any] = json.loads(self._bucket.read(pointer))
        return int(found["version"])
