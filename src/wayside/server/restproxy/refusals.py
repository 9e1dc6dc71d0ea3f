"""What the REST Proxy answers instead of a result: Confluent's codes and words."""

from __future__ import annotations

from typing import Any, NoReturn

from wayside.errors import OffsetOutOfRangeError, TopicNotFoundError, WaysideError
from wayside.server.compat import RefusalError

REJECTED = 50002
RETRY = 50003


def no_topic() -> RefusalError:
    """There is no such topic."""
    return RefusalError(40401, "Topic not found.")


def no_partition() -> RefusalError:
    """The topic has no such partition."""
    return RefusalError(40402, "Partition not found.")


def no_consumer() -> RefusalError:
    """There is no such consumer, or no more; of several servers, only the one that made it has it."""
    return RefusalError(
        40403,
        "Consumer instance not found. It lives in the server that made it, whose address its base_uri is, until "
        "nobody asks for a while.",
    )


def other_format() -> RefusalError:
    """The consumer was made for another embedded format."""
    return RefusalError(
        40601, "The requested embedded data format does not match the deserializer for this consumer instance"
    )


def schema_failed(why: str) -> RefusalError:
    """The registry did not take or did not have the schema."""
    return RefusalError(40801, f"Schema registration or lookup failed: {why}")


def exists() -> RefusalError:
    """A consumer of this name is there already."""
    return RefusalError(40902, "Consumer with specified consumer ID already exists in the specified consumer group.")


def illegal(why: str) -> RefusalError:
    """The consumer is not in a state in which this can be asked."""
    return RefusalError(40903, f"Illegal state: {why}")


def no_key_schema() -> RefusalError:
    """There are keys, and nothing says of which schema."""
    return RefusalError(42201, "Request includes keys but does not include key schema")


def no_value_schema() -> RefusalError:
    """There are values, and nothing says of which schema."""
    return RefusalError(42202, "Request includes values but does not include value schema")


def no_conversion(why: str) -> RefusalError:
    """A value does not fit its schema."""
    return RefusalError(42203, f"Conversion of JSON to Avro failed: {why}")


def consumer_config(why: str) -> RefusalError:
    """A consumer cannot be made like that."""
    return RefusalError(42204, f"Invalid consumer configuration: {why}")


def invalid_schema(why: str) -> RefusalError:
    """The text is no schema."""
    return RefusalError(42205, f"Invalid schema: {why}")


def invalid(why: str) -> RefusalError:
    """The body has another form."""
    return RefusalError(422, why)


def kafka_error(why: Any) -> RefusalError:
    """What the log says to a consumer."""
    return RefusalError(50002, f"Kafka error: {why}")


def translate(error: WaysideError) -> NoReturn:
    """Raise what an error of the log is called here; others are raised as they are."""
    if isinstance(error, TopicNotFoundError):
        raise no_topic() from error
    if isinstance(error, OffsetOutOfRangeError):
        raise kafka_error(error.what) from error
    raise error
