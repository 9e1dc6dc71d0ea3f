"""Settings: what the command line says, over the environment, over `wayside.toml`, over defaults.

Every setting has one name: `port` in `wayside.toml` is `WAYSIDE_PORT` in the environment. A name that nobody knows is
an error that tells the nearest known one, because a setting that is silently ignored is worse than none.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from wayside.durations import duration, spoken
from wayside.errors import ConfigError

PREFIX = "WAYSIDE_"
FILE = "wayside.toml"
FILE_VARIABLE = "WAYSIDE_CONFIG"
# Kubernetes sets WAYSIDE_SERVICE_HOST and the like beside a service of our name; WAYSIDE_REAL_DATA is for our tests.
FOREIGN = re.compile(r"WAYSIDE_(SERVICE_.*|PORT_.*|REAL_DATA)")
MASK = "********"
HIDDEN = re.compile(r"password|secret|token|\.pem$")
"""Keys of tables whose values are not shown."""


def home() -> Path:
    """Where this user's data goes unless said otherwise: the XDG data folder."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "wayside"


def split(value: Any) -> Any:
    """`a, b` as people write a list in an environment variable."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def span(value: Any) -> timedelta:
    """A positive duration. Raises ValueError."""
    try:
        found = duration(value)
    except ConfigError as error:
        raise ValueError(f"{error.what} {error.next}") from error
    if found <= timedelta(0):
        raise ValueError("A duration must be longer than nothing.")
    return found


def root_path(value: str) -> str:
    """A path without a slash at its end; empty for the root. Raises ValueError."""
    if not re.fullmatch(r"(/[A-Za-z0-9_.-]+)*/?", value) or value.startswith("/v1"):
        raise ValueError("It is made of letters, digits, dots and dashes between slashes, and leaves /v1 to Wayside")
    return value.rstrip("/")


Span = Annotated[timedelta, BeforeValidator(span)]
Folder = Annotated[Path, AfterValidator(Path.expanduser)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]


class Settings(BaseSettings):
    """Everything that can be set. Durations are written like 10s, 5m, 7d; sizes are in bytes."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    data_dir: Folder = Field(
        default_factory=lambda: home() / "data",
        description="Folder of the log, the tables and the lake. One process writes it at a time.",
    )
    profile: Literal["embedded", "cluster"] = Field(
        "embedded", description="`embedded` keeps everything in the data folder; `cluster` uses the servers below."
    )
    role: Literal["all", "server", "engine"] = Field(
        "all", description="What this process does: take and answer (`server`), compute (`engine`), or both (`all`)."
    )
    engine: Literal["embedded", "spark"] = Field(
        "embedded", description="What runs the plan: this process, or Spark (in the cluster profile, from Kafka)."
    )
    spark_master: str = Field("local[*]", description="Where Spark runs its tasks, as Spark's `--master`.")
    spark_jars: Names = Field(
        (), description="Jars of Spark's Kafka connector, separated by commas, where Spark does not have them."
    )
    spark_config: dict[str, str] = Field({}, description="More of Spark's own settings, as a table.")
    kafka_servers: str = Field(
        "", description="Kafka's `host:port`, several separated by commas; the log is in the data folder when empty."
    )
    kafka_prefix: str = Field("", description="What the names of topics and groups in Kafka begin with.")
    kafka_config: dict[str, str] = Field(
        {}, description="More keys of Kafka's client, as a table; which ones is said in the error for others."
    )
    kafka_values: Literal["json", "avro"] = Field(
        "json", description="What records are on Kafka: JSON, or Avro with a schema registry. Both are always read."
    )
    kafka_topic_values: dict[str, Literal["json", "avro"]] = Field(
        {}, description="The same for single topics, as a table from their names to `json` or `avro`."
    )
    kafka_registry: str = Field(
        "",
        description="Address of the schema registry for `kafka_values`; Wayside's own, in the same Kafka, when empty.",
    )
    postgres_dsn: SecretStr = Field(
        SecretStr(""), description="Address of PostgreSQL, like `postgresql://user:password@host/database`."
    )
    postgres_schema: str = Field("wayside", description="Schema of PostgreSQL that holds the tables.")
    host: str = Field("127.0.0.1", description="Address to listen on. Only this machine's own until there is a login.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    domains: Names = Field((), description="Domains to run, separated by commas; all installed ones when empty.")
    registry_path: Annotated[str, AfterValidator(root_path)] = Field(
        "/registry", description="Path below which the schema registry answers; `/` is the root, as Confluent has it."
    )
    create_topics: bool = Field(
        False, description="Let the REST Proxy create topics of plain messages, which no domain declares."
    )
    admin_token: SecretStr = Field(
        SecretStr(""),
        description="Token of who may change topics and, once it is set, replay what was rejected; for topics one is "
        "made in `secrets/admin.token` when empty.",
    )
    map_style: str = Field(
        "", description="MapLibre style below the maps: an address or a file; plain ground when empty."
    )
    map_tiles: str = Field(
        "", description="PMTiles below the maps, drawn quietly when there is no style: an address or a file."
    )
    map_origins: Names = Field(
        (),
        description="Further servers that the style takes tiles, glyphs or sprites from, like "
        "`https://tiles.example.org`, separated by commas; the page may speak to these too.",
    )
    simulate: bool = Field(False, description="Start the simulators that the domains declare.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level to log.")
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="How to log on stderr; `auto` is console on a terminal and JSON elsewhere."
    )
    lake: bool = Field(True, description="Write bronze, silver and gold Delta tables.")
    lake_url: str = Field("", description="Where the lake is, like `s3://bucket/path`; in the data folder when empty.")
    lake_config: dict[str, str] = Field(
        {}, description="How to reach the storage of `lake_url`, as a table; AWS_ variables say what is left out."
    )
    lake_every: Span = Field(timedelta(seconds=30), description="Time between two writes to the lake.")
    lake_keep: Span = Field(timedelta(days=400), description="How long the lake keeps rows.")
    hot_keep: Span = Field(timedelta(days=14), description="How long tables keep tombstones, windows and late rows.")
    maintain_every: Span = Field(timedelta(minutes=5), description="Time between rounds of retention and compaction.")
    limits: dict[str, float] = Field(
        {}, description="Limits of the server that differ from their defaults, as a table (in the environment as JSON)."
    )
    stop_within: Span = Field(timedelta(seconds=8), description="How long a clean stop may take.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *others: Any,
        **named: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """`load` merges the sources itself, so that it can tell where each value came from."""
        return (init_settings,)


@dataclass(frozen=True)
class Loaded:
    """Settings, and for each of them where its value came from."""

    settings: Settings
    origins: dict[str, str]

    def shown(self) -> list[tuple[str, str, str]]:
        """Name, value and origin of every setting; secrets are masked."""
        return [(name, text(getattr(self.settings, name)), self.origins[name]) for name in Settings.model_fields]


def text(value: Any) -> str:
    """A value as one would write it in the environment; a secret only says whether it is set."""
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, timedelta):
        return spoken(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        shown = {key: MASK if HIDDEN.search(key) else item for key, item in value.items()}
        return json.dumps(shown) if value else ""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def load(given: Mapping[str, Any] | None = None, *, file: Path | None = None) -> Loaded:
    """Read all sources; `given` is what the command line said (nulls are left out). Raises ConfigError."""
    path = chosen_file(file)
    written = read_file(path) if path else {}
    check_environment()
    try:
        environment = EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise ConfigError("A variable of the environment is not valid JSON.", why=f"{error}.") from error
    said = {name: value for name, value in (given or {}).items() if value is not None}
    origins = dict.fromkeys(Settings.model_fields, "default")
    origins.update(dict.fromkeys(written, str(path)))
    origins.update({name: PREFIX + name.upper() for name in environment})
    origins.update(dict.fromkeys(said, "command line"))
    try:
        settings = Settings(**{**written, **environment, **said})
    except ValidationError as error:
        raise explained(error, origins) from error
    return Loaded(settings, origins)


def chosen_file(file: Path | None) -> Path | None:
    """The file that was asked for, else the one of this folder if there is one."""
    named = file or (Path(value) if (value := os.environ.get(FILE_VARIABLE)) else None)
    if named is None:
        return Path(FILE) if Path(FILE).is_file() else None
    if not named.is_file():
        raise ConfigError("The configuration file does not exist.", where=str(named), next="Check the path.")
    return named


def read_file(path: Path) -> dict[str, Any]:
    """The settings of a TOML file, all of them known."""
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("The configuration file is not valid TOML.", where=str(path), why=f"{error}.") from error
    for name in written:
        if name not in Settings.model_fields:
            raise unknown(name, list(Settings.model_fields), f"{path}{line_of(path, name)}")
    return written


def line_of(path: Path, name: str) -> str:
    """`:12`, the line on which a key is written, where it can be found."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if re.match(rf"\s*\[?\s*[\"']?{re.escape(name)}\b", line):
            return f":{number}"
    return ""


def check_environment() -> None:
    """Every WAYSIDE_ variable must be a setting."""
    known = [FILE_VARIABLE, *(PREFIX + name.upper() for name in Settings.model_fields)]
    for name in sorted(os.environ):
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known and not FOREIGN.fullmatch(upper):
            raise unknown(name, known, "environment")


def unknown(name: str, known: list[str], where: str) -> ConfigError:
    """The error for a name that is no setting."""
    near = difflib.get_close_matches(name.lower(), [other.lower() for other in known], n=1, cutoff=0.5)
    meant = next((other for other in known if near and other.lower() == near[0]), "")
    return ConfigError(
        f"There is no setting {name!r}.",
        where=where,
        next=f"Did you mean {meant!r}?" if meant else "`wayside config show` lists all settings.",
    )


def explained(error: ValidationError, origins: Mapping[str, str]) -> ConfigError:
    """The first thing that is wrong, in words. The value is shown unless it is a secret."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    field = Settings.model_fields.get(name)
    secret = field is not None and (
        field.annotation is SecretStr or name in ("kafka_config", "spark_config", "lake_config")
    )
    shown = MASK if secret else repr(first["input"])
    hint = ""
    if name == "port" and "://" in str(first["input"]):
        hint = "Kubernetes sets this variable for a service named wayside: set enableServiceLinks: false."
    return ConfigError(
        f"The setting {name!r} cannot be {shown}.",
        where=origins.get(name, ""),
        why=f"{first['msg']}.".replace("Value error, ", "").replace("..", "."),
        next=hint or (f"{name}: {field.description}" if field else ""),
    )
