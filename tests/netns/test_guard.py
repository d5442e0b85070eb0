# SPDX-License-Identifier: GPL-2.0-or-later
"""Guarded addresses: nothing sent to them leaves the tunnel, whatever exit node and routes would allow."""
import ipaddress
import select
import socket
import struct

import pytest
from lab import DEADLINE_S, checksum

LAN_HOST = {4: "10.20.0.2", 6: "fd20::2"}
ALLOWED = {4: "198.51.100.77", 6: "2001:db8:77::77"}
TCP, UDP, ICMP = 6, 17, {4: 1, 6: 58}
PORT, MARK = 4242, b"mark"

# Reason: addresses. Names in capitals are found in the laboratory, see address_of.
TABLE = {
    "inner_address": ["0.0.0.0", "::"],
    "destination_guarded": [
        # This host, by every name that sockets know for it.
        "0.1.2.3", "127.0.0.1", "127.0.0.53", "127.255.255.254", "::1",
        # Link-local, and metadata services.
        "169.254.0.1", "169.254.169.254", "169.254.169.253", "169.254.170.2", "100.100.100.200", "168.63.129.16",
        "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "fe80::a9fe:a9fe", "febf::1",
        # Reserved, broadcast.
        "240.0.0.1", "255.255.255.255",
        # IPv4 in IPv6: mapped, compatible, translated, NAT64, Teredo, 6to4.
        "::ffff:127.0.0.1", "::ffff:10.20.0.2", "::ffff:169.254.169.254", "::127.0.0.1", "::10.20.0.2",
        "::ffff:0:127.0.0.1", "::ffff:0:10.20.0.2", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a14:2",
        "64:ff9b:1::7f00:1", "64:ff9b:1:ffff:ffff::1", "2001:0:7f00:1::1", "2001:0:a14:2::80ff:fffe",
        "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:a14:2::1",
        # The router's own on every interface, and the broadcasts of its networks.
        "10.20.0.1", "192.0.2.1", "fd20::1", "2001:db8:1::1", "LAN_LINK_LOCAL", "WAN_LINK_LOCAL",
        "10.20.0.0", "10.20.255.255", "192.0.2.0", "192.0.2.255",
        # Nobody's in the tunnel's network.
        "TUNNEL_BROADCAST",
    ],
    "destination_multicast": ["224.0.0.1", "224.0.0.251", "239.255.255.250", "ff02::1", "ff02::fb", "ff05::2",
                              "ff0e::1"],
    "destination_router": ["TUNNEL_IPV4", "TUNNEL_IPV6"],
    "destination_peer": ["PEER_IPV4", "PEER_IPV6"],
}
ROWS = [pytest.param(address, reason, id=address) for reason, addresses in TABLE.items() for address in addresses]

# The widest routes that there are: a default route is the exit node's.
WIDE = ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]


def link_local(lab, device):
    return lab.router.run("ip", "-6", "-br", "address", "show", "dev", device, "scope", "link").split()[2].split("/")[0]


def address_of(lab, name):
    return {
        "LAN_LINK_LOCAL": lambda: link_local(lab, "lan1"),
        "WAN_LINK_LOCAL": lambda: link_local(lab, "wan1"),
        "TUNNEL_IPV4": lambda: lab.router_addresses()[0],
        "TUNNEL_IPV6": lambda: lab.router_addresses()[1],
        "TUNNEL_BROADCAST": lambda: str(ipaddress.ip_network(
            lab.api.ok("GET", "/v1/node")["addresses"][0], strict=False).broadcast_address),
        "PEER_IPV4": lambda: lab.laptop.addresses[0],
        "PEER_IPV6": lambda: lab.laptop.addresses[1],
    }.get(name, lambda: name)()


def is_ours(protocol, body):
    if protocol in (TCP, UDP):
        return body[2:4] == PORT.to_bytes(2, "big")
    return protocol in ICMP.values() and body[0] in (8, 128) and body[8:12] == MARK


class Sniffer:
    """Whatever any interface of the router sees of ours, its loopback and the TUN too."""

    def __init__(self, lab):
        self.socket = lab.router.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))

    def destinations_until(self, last):
        """Where our packets went, up to the first one to the address last."""
        seen = []
        while select.select([self.socket], [], [], DEADLINE_S)[0]:
            packet = self.socket.recv(65535)
            if packet[0] >> 4 == 4 and is_ours(packet[9], packet[20:]):
                seen.append(str(ipaddress.ip_address(packet[16:20])))
            elif packet[0] >> 4 == 6 and is_ours(packet[6], packet[40:]):
                seen.append(str(ipaddress.ip_address(packet[24:40])))
            if seen and seen[-1] == last:
                return seen
        raise AssertionError(f"{last} was not seen in {DEADLINE_S} s, but {seen}")


def version_of(address):
    return ipaddress.ip_address(address).version


def segment(protocol, source, destination):
    """A SYN, a datagram or an echo request, with a right checksum."""
    if protocol == TCP:
        data, at = struct.pack("!HHIIBBHHH", 40000, PORT, 7, 0, 5 << 4, 2, 65535, 0, 0), 16
    elif protocol == UDP:
        data, at = struct.pack("!HHHH", 40000, PORT, 12, 0) + MARK, 6
    else:
        data, at = struct.pack("!BBHHH", 8 if protocol == ICMP[4] else 128, 0, 0, 1, 1) + MARK, 2
    pseudo = b"" if protocol == ICMP[4] else source + destination + struct.pack("!II", len(data), protocol)
    return data[:at] + checksum(pseudo + data).to_bytes(2, "big") + data[at + 2:]


def packet_to(lab, address, protocol):
    version = version_of(address)
    source, destination = (ipaddress.ip_address(a).packed for a in (lab.laptop.addresses[version == 6], address))
    data = segment(protocol, source, destination)
    if version == 6:
        return struct.pack("!IHBB", 6 << 28, len(data), protocol, 64) + source + destination + data
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), 1, 0, 64, protocol, 0) + source + destination
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + data


def send(lab, address, protocol):
    """Into the tunnel as it is: the client's own routes and rules have no say."""
    version = version_of(address)
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    with lab.client.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, lab.laptop.name.encode())
        raw.sendto(packet_to(lab, address, protocol), (LAN_HOST[version], 0))


@pytest.fixture(scope="module", params=["exit node", "wide route"])
def careless(request, lab):
    """All that a careless owner can open is open, and the router has a way to everything."""
    for family, gateway in (("-4", LAN_HOST[4]), ("-6", LAN_HOST[6])):
        lab.router.run("ip", family, "route", "replace", "default", "via", gateway)
    wide = []
    if request.param == "exit node":
        lab.api.ok("PATCH", "/v1/exit-node", {"enabled": True, "peers": "all", "ipv4": True, "ipv6": True,
                                              "allow_lan": True})
    else:
        wide = [lab.api.ok("POST", "/v1/routes", {"prefix": prefix})["id"] for prefix in WIDE]
    yield lab
    for route in wide:
        lab.api.ok("DELETE", f"/v1/routes/{route}")
    lab.api.ok("PATCH", "/v1/exit-node", {"enabled": False, "allow_lan": False})
    for family in ("-4", "-6"):
        lab.router.run("ip", family, "route", "del", "default")


@pytest.mark.parametrize("name, reason", ROWS)
def test_guarded_addresses_are_never_reached(careless, name, reason):
    lab, address = careless, address_of(careless, name)
    version = version_of(address)
    # The router answers pings of its tunnel addresses.
    protocols = [TCP, UDP] if reason == "destination_router" else [TCP, UDP, ICMP[version]]
    sniffer, before = Sniffer(lab), lab.drops()
    with sniffer.socket:
        for protocol in protocols:
            send(lab, address, protocol)
        # What is allowed comes after them, and is seen: so would they have been.
        for protocol in protocols:
            send(lab, ALLOWED[version], protocol)
        seen = sniffer.destinations_until(ALLOWED[version])
    assert seen == [ALLOWED[version]]
    # The client's own kernel may have sent to multicast addresses, too.
    assert lab.drops()[reason] >= before[reason] + len(protocols)
