# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may reach what, and that it is told."""
import errno
import socket

import pytest
from lab import checksum, wait_until

REFUSED = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EACCES, errno.ENETUNREACH, errno.EPERM)


def assert_refused(lab, address, port):
    with pytest.raises(OSError) as error:
        lab.connect(address, port)
    assert error.value.errno in REFUSED, f"not refused visibly: {error.value}"


def assert_cut(sock):
    """An end that says nothing hears of it."""
    sock.settimeout(2)
    with pytest.raises(ConnectionResetError):
        sock.recv(10)


@pytest.fixture
def service(lab):
    with lab.listen() as server:
        yield server.getsockname()[1]


def test_without_a_route_nothing_is_reached(lab, service):
    lab.laptop.route("10.0.0.0/8")
    assert_refused(lab, "10.21.0.2", service)


def test_router_itself_is_guarded(lab):
    with lab.listen("10.20.0.1", namespace=lab.router) as server:
        assert_refused(lab, "10.20.0.1", server.getsockname()[1])
    with lab.listen("fd20::1", namespace=lab.router) as server:
        assert_refused(lab, "fd20::1", server.getsockname()[1])
    with lab.listen("0.0.0.0", namespace=lab.router) as server:
        assert_refused(lab, lab.router_addresses()[0], server.getsockname()[1])


def test_spoofed_source_is_dropped(lab):
    before = lab.drops()["inner_source"]
    with lab.udp() as server, lab.client.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, lab.laptop.name.encode())
        raw.sendto(udp_packet(socket.inet_aton("10.20.0.50"), socket.inet_aton("10.20.0.2"), 4000,
                              server.getsockname()[1], b"not me"), ("10.20.0.2", 0))
        wait_until(lambda: lab.drops()["inner_source"] == before + 1, "the spoofed packet's counter")


def test_grants_protocols_and_ports(lab, service):
    tablet = lab.api.ok("POST", "/v1/peers", {"name": "tablet"})
    route = lab.api.ok("POST", "/v1/routes", {"prefix": "10.20.0.2/32", "peers": [tablet["id"]]})
    target = f"/v1/routes/{route['id']}"
    try:
        assert_refused(lab, "10.20.0.2", service)
        lab.api.ok("PATCH", target, {"peers": "all", "ports": [str(service)], "protocols": ["tcp"]})
        lab.connect("10.20.0.2", service).close()
        lab.api.ok("PATCH", target, {"ports": ["1"]})
        assert_refused(lab, "10.20.0.2", service)
        lab.api.ok("PATCH", target, {"ports": [], "protocols": ["udp"]})
        assert_refused(lab, "10.20.0.2", service)
    finally:
        lab.api.ok("DELETE", target)
        lab.api.ok("DELETE", f"/v1/peers/{tablet['id']}")
    lab.connect("10.20.0.2", service).close()


def test_disabling_a_route_cuts_its_flows(lab):
    client, server = lab.pair()
    target = f"/v1/routes/{lab.routes[0]['id']}"
    lab.api.ok("PATCH", target, {"enabled": False})
    try:
        for sock in (client, server):
            assert_cut(sock)
        assert_refused(lab, "10.20.0.2", 80)
    finally:
        lab.api.ok("PATCH", target, {"enabled": True})


@pytest.mark.parametrize("change", [{"map_to": "10.99.0.0/16"}, {"snat": "10.20.0.1"}, {"ports": ["1"], "protocols": ["tcp"]},
                                    {"peers": []}], ids=lambda change: next(iter(change)))
def test_what_a_route_does_now_is_not_what_a_flow_goes_on_doing(lab, change):
    lab.router.run("ip", "route", "replace", "10.99.0.0/16", "via", "10.20.0.2")
    client, server = lab.pair()
    target = f"/v1/routes/{lab.routes[0]['id']}"
    before = lab.api.ok("GET", target)
    lab.api.ok("PATCH", target, change)
    try:
        for sock in (client, server):
            assert_cut(sock)
    finally:
        lab.api.ok("PATCH", target, {name: before[name] for name in change})
        lab.router.run("ip", "route", "del", "10.99.0.0/16")


def test_disabling_a_peer_cuts_its_flows(lab):
    client, server = lab.pair()
    target = f"/v1/peers/{lab.laptop.peer['id']}"
    lab.api.ok("PATCH", target, {"enabled": False})
    assert_cut(server)
    lab.api.ok("PATCH", target, {"enabled": True})
    client.close()
    wait_until(lambda: lab.ping("10.20.0.2") == 1, "the peer to be back", 40)


def test_peers_do_not_reach_each_other(lab):
    other = lab.api.ok("POST", "/v1/peers", {"name": "other"})
    assert_refused(lab, other["addresses"][0].split("/")[0], 22)
    lab.api.ok("DELETE", f"/v1/peers/{other['id']}")


def test_exit_node(lab):
    internet = lab.lan
    internet.run("ip", "address", "add", "198.51.100.9/32", "dev", "lo")
    internet.run("ip", "address", "add", "2001:db8:9::9/128", "dev", "lo")
    internet.run("ip", "address", "add", "192.168.77.9/32", "dev", "lo")
    lab.router.run("ip", "route", "add", "default", "via", "10.20.0.2")
    lab.router.run("ip", "-6", "route", "add", "default", "via", "fd20::2")
    for prefix in ("198.51.100.0/24", "2001:db8:9::/64", "192.168.77.0/24"):
        lab.laptop.route(prefix)
    with lab.listen("198.51.100.9") as v4, lab.listen("2001:db8:9::9") as v6, lab.listen("192.168.77.9") as private:
        port4, port6, port_private = (s.getsockname()[1] for s in (v4, v6, private))
        assert_refused(lab, "198.51.100.9", port4)
        lab.api.ok("PATCH", "/v1/exit-node", {"enabled": True})
        lab.connect("198.51.100.9", port4).close()
        lab.connect("2001:db8:9::9", port6).close()
        assert_refused(lab, "192.168.77.9", port_private)
        lab.api.ok("PATCH", "/v1/exit-node", {"ipv6": False})
        assert_refused(lab, "2001:db8:9::9", port6)
        lab.connect("198.51.100.9", port4).close()
        lab.api.ok("PATCH", "/v1/exit-node", {"ipv6": True, "allow_lan": True})
        lab.connect("192.168.77.9", port_private).close()
        lab.api.ok("PATCH", "/v1/exit-node", {"peers": []})
        assert_refused(lab, "198.51.100.9", port4)
        lab.api.ok("PATCH", "/v1/exit-node", {"enabled": False})


def udp_packet(source, destination, source_port, destination_port, payload):
    length = 8 + len(payload)
    header = bytearray(b"\x45\0\0\0\x12\x34\0\0\x40\x11\0\0" + source + destination)
    header[2:4] = (20 + length).to_bytes(2, "big")
    header[10:12] = checksum(header).to_bytes(2, "big")
    udp = source_port.to_bytes(2, "big") + destination_port.to_bytes(2, "big") + length.to_bytes(2, "big")
    return bytes(header) + udp + b"\0\0" + payload

