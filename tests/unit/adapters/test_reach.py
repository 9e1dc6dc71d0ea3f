"""Which addresses a request of ours may go to, in all the ways in which one can be written."""

from __future__ import annotations

import ipaddress

import pytest

from wayside.adapters import Polling
from wayside.adapters.entities import Change
from wayside.adapters.reach import Reach, Scope, networks, resolve, scope
from wayside.errors import DeclarationError

ADDRESSES: dict[Scope, list[str]] = {
    "public": [
        "8.8.8.8",
        "93.184.215.14",
        "1.1.1.1",
        "2606:4700:4700::1111",
        "2a00:1450:4001:830::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",  # how a network without IPv4 reaches it
        "2002:808:808::1",
    ],
    "private": [
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "203.0.113.9",
        "::1",
        "fd12:3456::1",
        "fec0::1",
        "2001:db8::1",
        "4000::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo, of 127.0.0.1
    ],
    "never": [
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::169.254.169.254",
        "2002:a9fe:a9fe::",
    ],
}


@pytest.mark.parametrize(("wanted", "text"), [(kind, text) for kind, texts in ADDRESSES.items() for text in texts])
def test_where_an_address_leads(wanted: Scope, text: str) -> None:
    assert scope(ipaddress.ip_address(text)) == wanted


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "localhost"])
def test_loopback_in_disguise_is_loopback(host: str) -> None:
    found, why = Reach().addresses(host, 80, configured=False)
    assert found
    assert "no address of the internet" in why
    assert Reach().addresses(host, 80, configured=True)[1] == ""


def test_one_bad_address_among_good_ones_is_enough() -> None:
    reach = Reach(resolver=lambda host, port: ["8.8.8.8", "10.0.0.7"])
    assert reach.addresses("mixed.example", 80, configured=False)[1]
    reach = Reach(resolver=lambda host, port: ["8.8.8.8", "169.254.169.254"])
    assert reach.addresses("mixed.example", 80, configured=True)[1]


def test_a_public_name_that_turns_inwards_is_refused() -> None:
    answers = [["8.8.8.8"], ["127.0.0.1"], ["8.8.4.4"]]
    reach = Reach(resolver=lambda host, port: answers.pop(0))
    assert reach.addresses("feed.example", 443, configured=True)[1] == ""
    assert "was an address of the internet" in reach.addresses("feed.example", 443, configured=True)[1]
    assert reach.addresses("feed.example", 443, configured=True)[1] == ""


def test_a_name_of_our_own_network_may_be_configured_and_move_there() -> None:
    answers = [["10.0.0.1"], ["10.0.0.2"]]
    reach = Reach(resolver=lambda host, port: answers.pop(0))
    assert reach.addresses("feeds.intra", 80, configured=True)[1] == ""
    assert reach.addresses("feeds.intra", 80, configured=True)[1] == ""


def test_allowed_ranges_are_open_to_redirects_too() -> None:
    reach = Reach(networks(["10.1.0.0/16", "169.254.7.0/24", "fd12::/16"], where="here"))
    for text in ("10.1.2.3", "169.254.7.8", "fd12::9", "::ffff:10.1.2.3"):
        assert reach.addresses(text, 80, configured=False)[1] == ""
    for text in ("10.2.0.1", "169.254.169.254", "fd13::1"):
        assert reach.addresses(text, 80, configured=False)[1]


def test_ranges_are_checked_when_they_are_declared() -> None:
    with pytest.raises(DeclarationError, match=r"An address range cannot be read"):
        Polling("https://feeds.example", lambda body: Change("put", []), networks=["10.0.0.1/8"])


def test_the_system_tells_each_address_once() -> None:
    assert resolve("127.0.0.1", 80) == ["127.0.0.1"]
