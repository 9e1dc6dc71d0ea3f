"""Which addresses of the network a request of ours may go to.

What an operator has configured is trusted further than what a server answers: see decision 80.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Literal

from wayside.errors import DeclarationError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Scope = Literal["public", "private", "never"]
Resolver = Callable[[str, int], list[str]]
"""The addresses of a name, for a port. Raises OSError."""

NEVER = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "169.254.0.0/16",  # link-local, and where most clouds answer with credentials
            "100.100.100.200/32",  # the same of Alibaba
            "168.63.129.16/32",  # of Azure, in the public range
            "192.0.0.192/32",  # of Oracle
            "224.0.0.0/4",
            "240.0.0.0/4",
            "::/128",
            "fe80::/10",
            "ff00::/8",
            "fd00:ec2::/32",  # of Amazon over IPv6
            "fd20:ce::/32",  # of Google over IPv6
        ),
    )
)
PUBLIC_6 = ipaddress.IPv6Network("2000::/3")
NAME_IT = "A source may be led into such a range where its declaration names it, like networks=['10.1.0.0/16']."
TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::ffff:0:0:0/96"))
"""Networks whose last four bytes are the IPv4 address that is reached."""


def networks(ranges: Sequence[str], *, where: str) -> tuple[Network, ...]:
    """Address ranges in CIDR notation. Raises DeclarationError."""
    try:
        return tuple(map(ipaddress.ip_network, ranges))
    except ValueError as error:
        raise DeclarationError(
            "An address range cannot be read.", where=where, why=str(error), next="Write it like 10.1.0.0/16."
        ) from error


def scope(address: Address) -> Scope:
    """Whether an address is one of the internet, of a network of our own, or one that nobody means."""
    inner = embedded(address)
    if inner is not None:
        return scope(inner)
    if any(address in network for network in NEVER):
        return "never"
    public = address.is_global and (address.version == 4 or address in PUBLIC_6)
    return "public" if public else "private"


def embedded(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to by its form, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def resolve(host: str, port: int) -> list[str]:
    """Asks the system. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Reach:
    """What one source may reach, and where the name that was configured for it has led so far.

    `allowed` are ranges into which redirects may lead as well. A name all of whose addresses were public stays so: one
    that later leads into a network of our own has been turned against us.
    """

    def __init__(self, allowed: Sequence[Network] = (), resolver: Resolver = resolve) -> None:
        self._allowed = tuple(allowed)
        self._resolver = resolver
        self._public: set[str] = set()

    def addresses(self, host: str, port: int, *, configured: bool) -> tuple[list[Address], str]:
        """The addresses of a host, and why they may not be asked; empty when they may. Raises OSError.

        All of them are judged, and the caller must connect to one of these and not to the name: asked again, it may
        lead elsewhere.
        """
        found = [ipaddress.ip_address(text.partition("%")[0]) for text in self._resolver(host, port)]
        scopes = {address: self._scope(address) for address in found}
        for address, seen in scopes.items():
            if seen == "never":
                return found, f"{host} is {address}, which no source has."
            if seen == "private" and not configured:
                return found, f"{host} is {address}, which is no address of the internet. {NAME_IT}"
            if seen == "private" and host in self._public:
                return found, f"{host} was an address of the internet, and is {address} now."
        if configured and found and set(scopes.values()) == {"public"}:
            self._public.add(host)
        return found, ""

    def _scope(self, address: Address) -> Scope:
        inner = embedded(address) or address
        return "public" if any(inner in network for network in self._allowed) else scope(address)
