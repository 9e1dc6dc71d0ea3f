"""The schema registry's routes, under a prefix that clients are pointed at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.responses import Response

from wayside.server.compat import Api, Asked, CompatibleRoute, RefusalError, rest_of, route
from wayside.server.operations import Context
from wayside.server.registry import refusals, rules
from wayside.server.registry.settings import setting_routes
from wayside.server.registry.state import State, Version
from wayside.server.registry.store import SchemaStore

API = Api(
    "application/vnd.schemaregistry.v1+json",
    (
        "application/vnd.schemaregistry.v1+json",
        "application/vnd.schemaregistry+json",
        "application/json",
        "application/octet-stream",
    ),
)
T = TypeVar("T")


class Registry:
    """Answers questions about subjects and schemas."""

    def __init__(self, context: Context, store: SchemaStore) -> None:
        self.context = context
        self.store = store

    async def ask(self, question: Callable[[State], T]) -> T:
        """Ask the state, on another thread."""
        return await self.context.workers.run(self.store.read, question)

    async def change(self, decide: Callable[[State], rules.Decision]) -> Any:
        """Change it, on another thread."""
        return await self.context.workers.run(self.store.change, decide)

    # -- subjects ------------------------------------------------------------------------------------------------------

    async def subjects(self, asked: Asked) -> Any:
        """Names of the subjects; `deleted`, `deletedOnly`, `subjectPrefix`."""
        deleted, only, prefix = asked.flag("deleted"), asked.flag("deletedOnly"), asked.text("subjectPrefix")

        def question(state: State) -> list[str]:
            names = [name for name in sorted(state.subjects) if name.startswith(prefix)]
            if only:
                return [name for name in names if not state.versions(name)]
            return [name for name in names if state.versions(name, deleted=deleted)]

        return await self.ask(question)

    async def lookup(self, asked: Asked) -> Any:
        """The version of a subject that has the schema of the body; `deleted`."""
        subject, deleted = asked.part("subject"), asked.flag("deleted")
        text = await schema_of(asked)

        def question(state: State) -> dict[str, Any]:
            return shown(state, subject, rules.lookup(state, subject, text, deleted=deleted))

        return await self.ask(question)

    async def delete_subject(self, asked: Asked) -> Any:
        """Delete all versions softly; with `permanent` for good, which needs the soft one before."""
        return await self.change(rules.delete_subject(asked.part("subject"), permanent=asked.flag("permanent")))

    # -- versions ------------------------------------------------------------------------------------------------------

    async def versions(self, asked: Asked) -> Any:
        """The numbers of a subject's versions; `deleted`, `deletedOnly`."""
        subject, deleted, only = asked.part("subject"), asked.flag("deleted"), asked.flag("deletedOnly")

        def question(state: State) -> list[int]:
            found = state.versions(subject, deleted=deleted or only)
            if not found:
                raise refusals.no_subject(subject)
            return [each.version for each in found if each.deleted or not only]

        return await self.ask(question)

    async def register(self, asked: Asked) -> Any:
        """Register a schema as the newest version; the answer has its id."""
        text = await schema_of(asked)
        found = await self.change(rules.register(asked.part("subject"), text))
        return {"id": found.id}

    async def version(self, asked: Asked) -> Any:
        """One version, or `latest`: subject, version, id, schema; `deleted`."""
        subject, number = asked.part("subject"), rules.version_number(asked.part("version"))
        deleted = asked.flag("deleted")
        return await self.ask(lambda state: shown(state, subject, rules.find(state, subject, number, deleted=deleted)))

    async def version_schema(self, asked: Asked) -> Any:
        """The schema of one version, bare."""
        found = await self.version(asked)
        return Response(found["schema"], media_type=API.media)

    async def referenced_by(self, asked: Asked) -> Any:
        """Schemas that refer to this one: none, there are no references."""
        await self.version(asked)
        return []

    async def delete_version(self, asked: Asked) -> Any:
        """Delete one version; with `permanent` for good."""
        number = rules.version_number(asked.part("version"))
        return await self.change(rules.delete_version(asked.part("subject"), number, permanent=asked.flag("permanent")))

    async def compatible(self, asked: Asked) -> Any:
        """Whether a schema could follow a version, or those that the level names; `verbose` tells why not."""
        subject, text = asked.part("subject"), await schema_of(asked)
        named = asked.request.path_params.get("version")
        number = None if named is None else rules.version_number(named)
        messages = await self.ask(lambda state: rules.compatible(state, subject, text, number))
        found: dict[str, Any] = {"is_compatible": not messages}
        return {**found, "messages": messages} if asked.flag("verbose") else found


class Schemas:
    """Answers questions about schemas, wherever they are registered."""

    def __init__(self, registry: Registry) -> None:
        self.ask = registry.ask

    async def types(self, asked: Asked) -> Any:
        """The kinds of schema: AVRO."""
        return ["AVRO"]

    async def schemas(self, asked: Asked) -> Any:
        """All versions of all subjects; `subjectPrefix`, `latestOnly`, `deleted`."""
        prefix, deleted, latest = asked.text("subjectPrefix"), asked.flag("deleted"), asked.flag("latestOnly")

        def question(state: State) -> list[dict[str, Any]]:
            found = []
            for name in sorted(state.subjects):
                if name.startswith(prefix):
                    versions = state.versions(name, deleted=deleted)
                    found += [shown(state, name, each) for each in (versions[-1:] if latest else versions)]
            return found

        return await self.ask(question)

    async def schema(self, asked: Asked) -> Any:
        """The schema of an id."""
        number = schema_id(asked)
        return {"schema": await self.ask(lambda state: text_of(state, number))}

    async def schema_text(self, asked: Asked) -> Any:
        """The schema of an id, bare."""
        number = schema_id(asked)
        return Response(await self.ask(lambda state: text_of(state, number)), media_type=API.media)

    async def schema_subjects(self, asked: Asked) -> Any:
        """Subjects that have the schema; `deleted`."""
        return list(dict.fromkeys(subject for subject, _ in await self.places(asked)))

    async def schema_versions(self, asked: Asked) -> Any:
        """Subjects and versions that have the schema; `deleted`."""
        return [{"subject": subject, "version": each.version} for subject, each in await self.places(asked)]

    async def places(self, asked: Asked) -> list[tuple[str, Version]]:
        number, deleted = schema_id(asked), asked.flag("deleted")

        def question(state: State) -> list[tuple[str, Version]]:
            text_of(state, number)
            return list(state.places(number, deleted=deleted))

        return await self.ask(question)


def text_of(state: State, number: int) -> str:
    """The text of a schema that some version has. Raises RefusalError 40403."""
    if not any(True for _ in state.places(number, deleted=True)):
        raise refusals.no_schema(number)
    return state.texts[number]


def schema_id(asked: Asked) -> int:
    """The id in the path. Raises RefusalError 40403 for what cannot be one, as a number out of range."""
    text = asked.part("id")
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise RefusalError(404, "HTTP 404 Not Found")
    return int(text)


def shown(state: State, subject: str, version: Version) -> dict[str, Any]:
    """A version as it is answered."""
    return {"subject": subject, "version": version.version, "id": version.id, "schema": state.texts[version.id]}


async def schema_of(asked: Asked) -> str:
    """The schema of a body, in canonical form. Raises RefusalError 42201."""
    given = await asked.members()
    kind, text = given.get("schemaType") or "AVRO", given.get("schema")
    if kind != "AVRO":
        raise refusals.invalid_schema(f"The type {str(kind)[:40]} is not supported; this registry has AVRO.")
    if given.get("references"):
        raise refusals.invalid_schema("References to other subjects are not supported; spell the types out.")
    if not isinstance(text, str) or not text.strip():
        raise refusals.invalid_schema("The member `schema` is missing or empty; it is a text.")
    return await asked.context.workers.run(rules.schema_text, text)


def registry_routes(context: Context, store: SchemaStore, prefix: str) -> list[CompatibleRoute]:
    """All routes under `prefix`, which is empty or starts with a slash."""
    registry = Registry(context, store)
    schemas = Schemas(registry)
    subject, schema = "/subjects/{subject}", "/schemas/ids/{id}"
    check = "/compatibility" + subject + "/versions"
    answers = [
        ("GET", "/subjects", registry.subjects),
        ("POST", subject, registry.lookup),
        ("DELETE", subject, registry.delete_subject),
        ("GET", subject + "/versions", registry.versions),
        ("POST", subject + "/versions", registry.register),
        ("GET", subject + "/versions/{version}", registry.version),
        ("GET", subject + "/versions/{version}/schema", registry.version_schema),
        ("GET", subject + "/versions/{version}/referencedby", registry.referenced_by),
        ("DELETE", subject + "/versions/{version}", registry.delete_version),
        ("POST", check, registry.compatible),
        ("POST", check + "/{version}", registry.compatible),
        ("GET", "/schemas", schemas.schemas),
        ("GET", "/schemas/types", schemas.types),
        ("GET", schema, schemas.schema),
        ("GET", schema + "/schema", schemas.schema_text),
        ("GET", schema + "/subjects", schemas.schema_subjects),
        ("GET", schema + "/versions", schemas.schema_versions),
        *setting_routes(registry.ask, registry.change),
    ]
    routes = [route(context, API, method, prefix + path, answer) for method, path, answer in answers]
    return routes + (rest_of(context, API, prefix) if prefix else [])
