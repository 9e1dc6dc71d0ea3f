"""What a user may set of Kafka's client.

librdkafka can load a shared object or run a program that a configuration value names (`plugin.library.paths`,
`ssl.engine.location`, `sasl.kerberos.kinit.cmd`), and some of its keys would undo what Wayside promises (`acks`,
`enable.idempotence`, `enable.auto.commit`). So what may be set is listed, and nothing else is passed on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Final

SECRET: Final = re.compile(r"password|secret|key\.pem|\.pem$")
_OWN: Final = {
    "acks": "every record is acknowledged by all replicas in sync",
    "bootstrap.servers": "the addresses are given on their own",
    "enable.auto.commit": "offsets are committed after what they stand for is stored",
    "enable.idempotence": "a record is appended once, however often it is sent",
    "group.id": "the groups are those of the plan",
    "isolation.level": "only committed records are read",
    "partitioner": "the partition follows from the record's key",
    "transactional.id": "appends are not transactions",
}
ALLOWED: Final = frozenset(
    (
        "security.protocol",
        "sasl.mechanism",
        "sasl.mechanisms",
        "sasl.username",
        "sasl.password",
        "sasl.oauthbearer.method",
        "sasl.oauthbearer.client.id",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.scope",
        "sasl.oauthbearer.extensions",
        "sasl.oauthbearer.token.endpoint.url",
        "ssl.ca.location",
        "ssl.ca.pem",
        "ssl.certificate.location",
        "ssl.certificate.pem",
        "ssl.key.location",
        "ssl.key.pem",
        "ssl.key.password",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.crl.location",
        "ssl.cipher.suites",
        "ssl.curves.list",
        "ssl.sigalgs.list",
        "ssl.endpoint.identification.algorithm",
        "client.id",
        "client.rack",
        "client.dns.lookup",
        "broker.address.family",
        "broker.address.ttl",
        "socket.timeout.ms",
        "socket.keepalive.enable",
        "socket.nagle.disable",
        "socket.send.buffer.bytes",
        "socket.receive.buffer.bytes",
        "socket.connection.setup.timeout.ms",
        "connections.max.idle.ms",
        "reconnect.backoff.ms",
        "reconnect.backoff.max.ms",
        "retry.backoff.ms",
        "retry.backoff.max.ms",
        "metadata.max.age.ms",
        "topic.metadata.refresh.interval.ms",
        "compression.type",
        "compression.codec",
        "compression.level",
        "linger.ms",
        "batch.size",
        "batch.num.messages",
        "message.max.bytes",
        "delivery.timeout.ms",
        "message.timeout.ms",
        "request.timeout.ms",
        "fetch.min.bytes",
        "fetch.wait.max.ms",
        "fetch.max.bytes",
        "fetch.message.max.bytes",
        "max.partition.fetch.bytes",
        "receive.message.max.bytes",
    )
)


def refused(config: Mapping[str, object]) -> str | None:
    """Why these keys cannot be passed to Kafka's client, in a sentence, or null. No value is shown."""
    for name in config:
        if name in ALLOWED:
            continue
        if name in _OWN:
            return f"{name!r} is Wayside's own to set: {_OWN[name]}"
        near = difflib.get_close_matches(name, ALLOWED, n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{name!r} is not among the keys of Kafka's client that may be set{hint}"
    return None
