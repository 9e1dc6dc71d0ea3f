"""What the registry answers instead of a result: Confluent's codes and words."""

from __future__ import annotations

from collections.abc import Sequence

from wayside.server.compat import RefusalError

INVALID_LEVEL = (
    "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, "
    "forward_transitive, and full_transitive"
)
INVALID_MODE = "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT, and FORWARD."


def no_subject(subject: str) -> RefusalError:
    """Nothing was ever registered under this name, or all of it is deleted."""
    return RefusalError(40401, f"Subject '{subject}' not found.")


def no_version(version: int) -> RefusalError:
    """The subject has no such version."""
    return RefusalError(40402, f"Version {version} not found.")


def no_schema(schema_id: int | None = None) -> RefusalError:
    """No schema has this id, or the one that was given is not registered."""
    return RefusalError(40403, "Schema not found" if schema_id is None else f"Schema {schema_id} not found")


def soft_deleted(subject: str, version: int | None = None) -> RefusalError:
    """It is deleted already, and could only be deleted for good."""
    if version is None:
        return RefusalError(40404, f"Subject '{subject}' was soft deleted.Set permanent=true to delete permanently")
    words = f"Subject '{subject}' Version {version} was soft deleted.Set permanent=true to delete permanently"
    return RefusalError(40406, words)


def not_soft_deleted(subject: str, version: int | None = None) -> RefusalError:
    """Only what was deleted before can be deleted for good."""
    if version is None:
        return RefusalError(40405, f"Subject '{subject}' was not deleted first before being permanently deleted")
    words = f"Subject '{subject}' Version {version} was not deleted first before being permanently deleted"
    return RefusalError(40407, words)


def no_level(subject: str) -> RefusalError:
    """The subject has no compatibility level of its own."""
    return RefusalError(40408, f"Subject '{subject}' does not have subject-level compatibility configured")


def no_mode(subject: str) -> RefusalError:
    """The subject has no mode of its own."""
    return RefusalError(40409, f"Subject '{subject}' does not have subject-level mode configured")


def incompatible(subject: str, details: Sequence[str]) -> RefusalError:
    """The schema cannot follow those that are registered; the details name the places."""
    words = f'Schema being registered is incompatible with an earlier schema for subject "{subject}"'
    return RefusalError(409, f"{words}, details: [{', '.join(details)}]")


def invalid_schema(why: str) -> RefusalError:
    """The text is no schema."""
    return RefusalError(42201, f"Invalid schema: {why}")


def invalid_version(version: str) -> RefusalError:
    """The text is no version."""
    return RefusalError(
        42202,
        f"The specified version '{version}' is not a valid version id. Allowed values are between [1, 2^31-1] and the "
        'string "latest"',
    )


def invalid_subject(subject: str) -> RefusalError:
    """The name cannot be a subject."""
    return RefusalError(42208, f"The specified subject '{subject[:80]}' is not a valid subject.")


def read_only(subject: str) -> RefusalError:
    """Nothing may be registered or deleted."""
    return RefusalError(42205, f"Subject {subject} is in read-only mode")
