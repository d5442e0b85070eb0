# SPDX-License-Identifier: GPL-2.0-or-later
"""What a client learns by ICMP: the hops on the way, and why a host cannot be reached."""
import errno
import select
import socket
import struct

import pytest
from lab import DEADLINE_S, family_of

FAMILIES = pytest.mark.parametrize("address", ["10.20.0.2", "fd20::2"])
IP_RECVERR, IPV6_RECVERR = 11, 25
ORIGIN_ICMP = (2, 3)  # SO_EE_ORIGIN_ICMP, _ICMP6
EXCEEDED = {socket.AF_INET: (11, 0), socket.AF_INET6: (3, 0)}
NO_PORT = {socket.AF_INET: (3, 3), socket.AF_INET6: (1, 4)}
NO_HOST = {socket.AF_INET: (3, 1), socket.AF_INET6: (1, 3)}


def ask(lab, address, hops=None, port=33434):
    """Sends a datagram; returns (type, code) of the ICMP error about it, who sent it, and errno."""
    family = family_of(address)
    with lab.client.socket(family, socket.SOCK_DGRAM) as probe:
        if family == socket.AF_INET:
            level, hop_limit, receive_errors = socket.IPPROTO_IP, socket.IP_TTL, IP_RECVERR
        else:
            level, hop_limit, receive_errors = socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, IPV6_RECVERR
        probe.setsockopt(level, receive_errors, 1)
        if hops:
            probe.setsockopt(level, hop_limit, hops)
        probe.connect((address, port))
        probe.send(b"which way?")

        poll = select.poll()
        poll.register(probe, 0)
        assert poll.poll(DEADLINE_S * 1000), "no ICMP error came"
        _, control, _, _ = probe.recvmsg(100, 512, socket.MSG_ERRQUEUE)
    for _, kind, data in control:
        if kind != receive_errors:
            continue
        error, origin, icmp_type, code = struct.unpack_from("=IBBB", data)
        assert origin in ORIGIN_ICMP
        at = 16 + (4 if family == socket.AF_INET else 8)
        size = 4 if family == socket.AF_INET else 16
        return (icmp_type, code), socket.inet_ntop(family, data[at:at + size]), error
    raise AssertionError("no error in the error queue")


def router_of(lab, address):
    return next(a for a in lab.router_addresses() if family_of(a) == family_of(address))


def routers_of(lab, address):
    """Of its addresses, netstack mode speaks by that in the tunnel, a kernel by one of its choice."""
    return (router_of(lab, address), *(("10.20.0.1", "fd20::1") if lab.mode == "kernel" else ()))


@FAMILIES
def test_traceroute_shows_the_router_then_the_host(lab, address):
    family = family_of(address)
    assert ask(lab, address, hops=1)[:2] == (EXCEEDED[family], router_of(lab, address))
    assert ask(lab, address, hops=2)[:2] == (NO_PORT[family], address)


@FAMILIES
def test_ping_with_a_low_hop_limit_names_the_router(lab, address):
    text = lab.client.run("ping", "-n", "-c", "1", "-W", "5", "-t", "1", address, check=False)
    assert f"From {router_of(lab, address)}" in text and "xceeded" in text, text


@FAMILIES
def test_dead_host_is_unreachable_by_udp(lab, address):
    dead = {"10.20.0.2": "10.20.0.99", "fd20::2": "fd20::99"}[address]
    kind, source, error = ask(lab, dead)
    assert kind == NO_HOST[family_of(address)] and source in routers_of(lab, address)
    assert error == errno.EHOSTUNREACH


@FAMILIES
def test_dead_host_is_unreachable_by_ping(lab, address):
    dead = {"10.20.0.2": "10.20.0.99", "fd20::2": "fd20::99"}[address]
    text = lab.client.run("ping", "-n", "-c", "1", "-W", "10", dead, check=False)
    assert any(f"From {router}" in text for router in routers_of(lab, address)), text
    assert "unreachable" in text.lower(), text
