"""Writes what can be read from the code: docs/reference/*.md, and the diagram in ARCHITECTURE.md.

python scripts/write_reference.py            write them
python scripts/write_reference.py --check    exit with 1 when one of them is not current
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
HEAD = "<!-- Written by scripts/write_reference.py; change the code, then run it. -->\n\n"
BEGIN, END = "<!-- plan -->", "<!-- /plan -->"
METHODS = ("get", "post", "put", "patch", "delete")


def pages() -> dict[Path, str]:
    """Every generated file with its content."""
    writers: dict[str, Callable[[], str]] = {
        "records.md": records,
        "cli.md": command_line,
        "configuration.md": configuration,
        "http.md": http,
        "compatible.md": compatible,
        "metrics.md": metrics,
    }
    found = {REFERENCE / name: HEAD + write().rstrip() + "\n" for name, write in writers.items()}
    architecture = ROOT / "ARCHITECTURE.md"
    found[architecture] = with_plan(architecture.read_text(encoding="utf-8"))
    return found


def plan() -> Any:
    """The plan of the domains that this repository ships."""
    from wayside.runtime.chosen import chosen_plan

    return chosen_plan(["devices", "transit"])


def with_plan(text: str) -> str:
    """ARCHITECTURE.md with the diagram of the shipped plan between its marks."""
    from wayside.runtime.diagram import mermaid

    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n```mermaid\n{mermaid(plan())}```\n{END}{after}"


def records() -> str:
    """Every record of the shipped domains: fields, units, and each rule by its name."""
    from wayside.record.schemas import reference

    lines = ["# Records and rules\n"]
    lines.append(
        "What is accepted where, and the name under which a rejected record is quarantined. Every record is also "
        "judged by `json.syntax`, `json.object`, `json.depth` (32 levels) and `json.repeated_key`, and each field by "
        "`<field>.type`.\n"
    )
    for topic in plan().topics.values():
        lines.append(f"## Topic `{topic.name}`\n")
        lines.append(reference(topic.record))
        for wire in dict.fromkeys(feed.wire for feed in topic.feeds if feed.wire is not topic.record):
            names = [f"`{feed.name}`" for feed in topic.feeds if feed.wire is wire]
            lines.append(f"Arrives at the feed{'s' * (len(names) > 1)} {', '.join(names)} as:\n")
            lines.append(reference(wire))
    return "\n".join(lines)


def command_line() -> str:
    """Every command with its help."""
    import typer.main

    from wayside.cli.app import app

    group = typer.main.get_command(app)
    lines = ["# Command line\n", "`wayside --help` and `wayside COMMAND --help` say the same. Data goes to stdout,"]
    lines += ["everything for people to stderr. Exit codes: 0 well, 1 an error, 2 a wrong command line,"]
    lines += ["73 the data folder is in use by another process, 78 a wrong setting, 130 interrupted twice.\n"]
    lines += commands(group, "wayside")
    return "\n".join(lines)


def commands(command: Any, path: str) -> Iterator[str]:
    """Sections of a command and of those below it."""
    below = getattr(command, "commands", None)
    if below is not None:
        if path == "wayside":
            yield "Options of every command, written before it:\n"
            yield from options(command)
        for name in below:
            yield from commands(below[name], f"{path} {name}")
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(a.name.upper() if a.required else f"[{a.name.upper()}]" for a in arguments)
    yield f"## `{path}{' ' + usage if usage else ''}`\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    for argument in arguments:
        yield f"* `{argument.name.upper()}`: {argument.help}"
    yield from options(command)


def options(command: Any) -> Iterator[str]:
    """A line per option."""
    for option in command.params:
        if option.param_type_name != "option" or option.hidden or "--help" in option.opts:
            continue
        names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
        variable = f" Environment: `{option.envvar}`." if option.envvar else ""
        yield f"* {names}: {option.help}{variable}"
    yield ""


def configuration() -> str:
    """Every setting."""
    from wayside.settings import FILE, FILE_VARIABLE, PREFIX, Settings, text

    lines = [
        "# Configuration\n",
        f"Command line over environment over `{FILE}` (in the current folder, or the file that `--config` or",
        f"`{FILE_VARIABLE}` names) over defaults. `wayside config show` prints every value and where it comes from.",
        "A name that is not in this table is an error.\n",
        f"| in `{FILE}` | in the environment | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=False)
        shown = "`~/.local/share/wayside/data`" if name == "data_dir" else f"`{text(default)}`" if text(default) else ""
        lines.append(f"| `{name}` | `{PREFIX}{name.upper()}` | {shown} | {field.description} |")
    lines += limits()
    return "\n".join(lines)


def limits() -> list[str]:
    """The server's limits."""
    from dataclasses import fields

    from wayside.server.limits import Limits

    lines = ["\n## Limits\n", "All on. Sizes in bytes, times in seconds; each can be set under `[limits]`.\n"]
    lines += ["| limit | default |", "|---|---|"]
    return lines + [f"| `{field.name}` | {field.default:,} |" for field in fields(Limits)]


def http() -> str:
    """Every route of the server with the shipped domains."""
    lines = [
        "# HTTP API\n",
        "Written from the server's own OpenAPI, which a running Wayside serves at `/openapi.json` and shows at",
        "`/docs`. Times are ISO 8601 in UTC. Every error is a problem (RFC 9457): what, where, why, and what next.",
        "",
    ]
    paths = description()["paths"]
    tags: dict[str, list[str]] = {}
    for path, methods in paths.items():
        for method in METHODS:
            if method in methods:
                tag = (methods[method].get("tags") or ["Other"])[0]
                tags.setdefault(tag, []).append("\n".join(route(method, path, methods[method])))
    for tag, routes in tags.items():
        lines += [f"## {tag}\n", *routes]
    return "\n".join(lines)


def route(method: str, path: str, told: dict[str, Any]) -> Iterator[str]:
    """One route: what it answers, its parameters, its answers."""
    yield f"### `{method.upper()} {path}`\n"
    yield " ".join(filter(None, (told.get("summary", "").rstrip(".") + ".", told.get("description", "")))) + "\n"
    for parameter in told.get("parameters", []):
        need = ", required" if parameter.get("required") else ""
        words = parameter.get("description") or parameter.get("schema", {}).get("description") or ""
        yield f"* `{parameter['name']}` ({parameter['in']}{need}): {words or kind(parameter.get('schema', {}))}"
    answers = [f"{status} {answer.get('description', '')}".strip() for status, answer in told["responses"].items()]
    yield f"* answers: {'; '.join(answers)}\n"


def kind(schema: dict[str, Any]) -> str:
    """A schema in a word."""
    return str(schema.get("type") or "/".join(kind(part) for part in schema.get("anyOf", [])) or "any")


def compatible() -> str:
    """The routes of the APIs that others have defined."""
    from wayside.server.compat import CompatibleRoute

    lines = [
        "# Compatible APIs\n",
        "Served for clients of Confluent's Schema Registry and REST Proxy (version 2), on every profile. Requests,",
        'answers and errors are those of Confluent\'s documentation: an error is `{"error_code", "message"}`. How they',
        "are used: [Avro and the schema registry](../how-to/use-the-schema-registry.md),",
        "[Kafka REST Proxy clients](../how-to/use-rest-proxy-clients.md).\n",
    ]
    found = [each for each in application().router.routes if isinstance(each, CompatibleRoute) and each.meaning]
    for title, mine in (("Schema registry", True), ("REST Proxy", False)):
        lines += [f"## {title}\n", "| request | answer |", "|---|---|"]
        for each in found:
            if each.path.startswith("/registry") is mine:
                methods = ", ".join(sorted((each.methods or set()) - {"HEAD"}))
                lines.append(f"| `{methods} {each.path}` | {each.meaning} |")
        lines.append("")
    return "\n".join(lines)


def application() -> Any:
    """The server's application over a domain that runs in memory."""
    from wayside.runtime.chosen import domains
    from wayside.runtime.trial import Trial
    from wayside.server.app import create_app
    from wayside.server.services import Services

    trial = Trial(*domains(["devices", "transit"]))
    services = Services(trial.plan, trial.broker, trial.store, trial.engine, trial.intakes)
    return create_app(services)


def description() -> dict[str, Any]:
    """The server's OpenAPI."""
    from starlette.testclient import TestClient

    with TestClient(application(), base_url="http://127.0.0.1") as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def metrics() -> str:
    """Every metric with its meaning."""
    import wayside.runtime.host  # noqa: F401 - with everything that counts something
    from wayside.metrics import REGISTRY
    from wayside.runtime.observed import PlanCollector

    lines = ["# Metrics\n", "`GET /metrics`, in the text format of Prometheus.\n", "| metric | type | meaning |"]
    lines.append("|---|---|---|")
    families = [*REGISTRY.collect(), *PlanCollector(list, dict).collect()]
    for family in sorted(families, key=lambda family: family.name):
        name = family.name + ("_total" if family.type == "counter" else "")
        if name.startswith("wayside_"):
            lines.append(f"| `{name}` | {family.type} | {family.documentation} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Write or check."""
    stale = []
    for path, content in pages().items():
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(path)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    for path in stale:
        print(f"{'not current' if '--check' in arguments else 'written'}: {path.relative_to(ROOT)}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
