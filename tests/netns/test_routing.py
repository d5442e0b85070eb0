# SPDX-License-Identifier: GPL-2.0-or-later
"""What routes can do beyond a prefix: sites behind peers, 1:1 maps, source NAT, policy, other protocols."""
import errno
import socket

import pytest
from lab import DEADLINE_S, wait_until
from test_policy import assert_refused

PROTOCOLS = pytest.mark.parametrize("protocol", [47, 132, 253], ids=["gre", "sctp", "253"])


@pytest.fixture
def branch(lab):
    """A site behind a second peer: 172.31.5.5 and fd31:5::5 on a host of its own."""
    peer = lab.add_far_client("branch", 3)
    peer.id = peer.peer["id"]
    peer.space.run("ip", "address", "add", "172.31.5.5/32", "dev", "lo")
    peer.space.run("ip", "address", "add", "fd31:5::5/128", "dev", "lo")
    for address, bits in zip(lab.laptop.addresses, (32, 128)):
        peer.route(f"{address}/{bits}")
    yield peer
    for route in lab.api.ok("GET", "/v1/routes")["items"]:
        if route["via"] == peer.id:
            lab.api.ok("DELETE", f"/v1/routes/{route['id']}")
    lab.remove_far_client(peer)


def greet(lab, address, namespace, dialled=None):
    """A service on address answers who it sees; returns that."""
    with lab.listen(address, namespace=namespace) as server:
        client = lab.connect(dialled or address, server.getsockname()[1])
        accepted, seen = server.accept()
        accepted.sendall(b"hello")
        assert client.recv(10) == b"hello"
        client.close()
        accepted.close()
        return seen[0]


def test_site_behind_a_peer(lab, branch):
    for prefix, address in (("172.31.5.0/24", "172.31.5.5"), ("fd31:5::/64", "fd31:5::5")):
        lab.laptop.route(prefix)
        lab.api.ok("POST", "/v1/routes", {"prefix": prefix, "via": branch.id})
        assert greet(lab, address, branch.space) in lab.laptop.addresses
        assert lab.ping(address, count=3) == 3


def test_site_behind_a_peer_under_another_name(lab, branch):
    """So that two sites with the same network both have a place."""
    for prefix, real, dialled, address in (("10.88.5.0/24", "172.31.5.0/24", "10.88.5.5", "172.31.5.5"),
                                           ("fd88:5::/64", "fd31:5::/64", "fd88:5::5", "fd31:5::5")):
        lab.laptop.route(prefix)
        lab.api.ok("POST", "/v1/routes", {"prefix": prefix, "via": branch.id, "map_to": real})
        assert greet(lab, address, branch.space, dialled) in lab.laptop.addresses
        assert lab.ping(dialled, count=3) == 3


def test_lan_reaches_a_site_in_kernel_mode_alone(lab, branch):
    lab.api.ok("POST", "/v1/routes", {"prefix": "172.31.5.0/24", "via": branch.id})
    lab.lan.run("ip", "route", "replace", "172.31.5.0/24", "via", "10.20.0.1")
    try:
        with lab.listen("172.31.5.5", namespace=branch.space) as server:
            port = server.getsockname()[1]
            if lab.mode == "kernel":
                lab.connect("172.31.5.5", port, namespace=lab.lan).close()
                assert server.accept()[1][0] in lab.router_addresses()
            else:
                with pytest.raises(OSError):
                    lab.connect("172.31.5.5", port, namespace=lab.lan, timeout=3)
    finally:
        lab.lan.run("ip", "route", "del", "172.31.5.0/24")


def test_deleting_a_peer_with_a_site_names_the_routes(lab, branch):
    route = lab.api.ok("POST", "/v1/routes", {"prefix": "172.31.6.0/24", "via": branch.id})
    status, problem, _ = lab.api.call("DELETE", f"/v1/peers/{branch.id}")
    assert status == 409 and route["id"] in str(problem)


def test_peers_reach_each_other_only_by_a_rule(lab, branch):
    target = branch.addresses[0]
    with lab.listen(target, namespace=branch.space) as server:
        port = server.getsockname()[1]
        assert_refused(lab, target, port)
        policy = {"default": "allow", "rules": [
            {"action": "allow", "peers": [lab.laptop.peer["id"]], "destinations": [f"{target}/32"],
             "protocols": ["tcp"], "ports": [str(port)]}]}
        lab.api.ok("PUT", "/v1/policy", policy)
        try:
            client = lab.connect(target, port)
            accepted, seen = server.accept()
            assert seen[0] == lab.laptop.addresses[0]
            accepted.sendall(b"hello")
            assert client.recv(10) == b"hello"
        finally:
            lab.api.ok("PUT", "/v1/policy", {"default": "allow", "rules": []})
        assert_refused(lab, target, port)


def test_policy_first_match_wins(lab):
    with lab.listen() as one, lab.listen() as two:
        allowed, denied = (s.getsockname()[1] for s in (one, two))
        rules = [{"action": "allow", "peers": "all", "ports": [str(allowed)], "protocols": ["tcp"]},
                 {"action": "deny", "peers": "all", "destinations": ["10.20.0.0/16"], "protocols": ["tcp"]}]
        lab.api.ok("PUT", "/v1/policy", {"default": "allow", "rules": rules})
        try:
            lab.connect("10.20.0.2", allowed).close()
            assert_refused(lab, "10.20.0.2", denied)
            lab.api.ok("PUT", "/v1/policy", {"default": "deny", "rules": rules[:1]})
            lab.connect("10.20.0.2", allowed).close()
            assert_refused(lab, "10.20.0.2", denied)
            assert lab.ping("10.20.0.2", wait_s=1) == 0
        finally:
            lab.api.ok("PUT", "/v1/policy", {"default": "allow", "rules": []})
        lab.connect("10.20.0.2", denied).close()


def test_one_to_one_map(lab):
    for prefix, real, dialled, address in (("10.77.0.0/24", "10.20.0.0/24", "10.77.0.2", "10.20.0.2"),
                                           ("fd77::/64", "fd20::/64", "fd77::2", "fd20::2")):
        lab.laptop.route(prefix)
        route = lab.api.ok("POST", "/v1/routes", {"prefix": prefix, "map_to": real})
        greet(lab, address, lab.lan, dialled)
        assert lab.ping(dialled, count=3) == 3
        with lab.udp(address) as server, lab.udp_client(dialled, server.getsockname()[1]) as client:
            client.send(b"ping")
            data, source = server.recvfrom(100)
            server.sendto(data, source)
            assert client.recv(100) == b"ping"
        with lab.udp_client(dialled, 9) as client, pytest.raises(ConnectionRefusedError):
            client.send(b"anyone?")
            client.recv(100)
        lab.api.ok("DELETE", f"/v1/routes/{route['id']}")


def test_source_nat_kinds(lab):
    target = f"/v1/routes/{lab.routes[0]['id']}"
    assert greet(lab, "10.20.0.2", lab.lan) == "10.20.0.1"
    status, problem, _ = lab.api.call("PATCH", target, {"snat": "none"})
    if lab.mode == "netstack":
        assert status == 422 and problem["errors"][0]["pointer"] == "/snat"
    else:
        assert status == 200, problem
        lab.lan.run("ip", "route", "add", f"{lab.laptop.addresses[0]}/32", "via", "10.20.0.1")
        assert greet(lab, "10.20.0.2", lab.lan) == lab.laptop.addresses[0]
        lab.lan.run("ip", "route", "del", f"{lab.laptop.addresses[0]}/32")
    lab.router.run("ip", "address", "add", "10.20.0.7/16", "dev", "lan1")
    try:
        wait_until(lambda: lab.api.call("PATCH", target, {"snat": "10.20.0.7"})[0] == 200, "the new address to be known")
        assert greet(lab, "10.20.0.2", lab.lan) == "10.20.0.7"
    finally:
        lab.api.ok("PATCH", target, {"snat": "auto"})
        lab.router.run("ip", "address", "del", "10.20.0.7/16", "dev", "lan1")


def test_lan_cannot_open_connections_into_the_tunnel(lab):
    inside = lab.laptop.addresses[0]
    lab.lan.run("ip", "route", "replace", f"{inside}/32", "via", "10.20.0.1")
    try:
        with lab.listen(inside, namespace=lab.client) as server:
            with pytest.raises(OSError):
                lab.connect(inside, server.getsockname()[1], namespace=lab.lan, timeout=3)
    finally:
        lab.lan.run("ip", "route", "del", f"{inside}/32")
    assert lab.ping("10.20.0.2") == 1


@PROTOCOLS
def test_other_protocols(lab, protocol):
    """Kernel mode carries them; netstack mode says that it does not."""
    with lab.client.socket(socket.AF_INET, socket.SOCK_RAW, protocol) as sender, \
            lab.lan.socket(socket.AF_INET, socket.SOCK_RAW, protocol) as receiver:
        sender.settimeout(DEADLINE_S)
        receiver.settimeout(DEADLINE_S)
        sender.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        sender.connect(("10.20.0.2", 0))
        sender.send(b"\x11\x22\x33\x44" * 8)
        if lab.mode == "kernel":
            assert receiver.recv(100)[20:] == b"\x11\x22\x33\x44" * 8
            return
        with pytest.raises(OSError) as error:
            sender.recv(100)
        assert error.value.errno == errno.ENOPROTOOPT


def test_segments_fit_the_tunnel(lab):
    client, server = lab.pair()
    # In netstack mode the server talks to a socket of the router's, on a wider link.
    for sock in (client, server) if lab.mode == "kernel" else (client,):
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= 1380
    client.close()
    server.close()


def test_narrow_link_behind_the_router(lab):
    """Path MTU discovery works end to end: 1280 bytes on the LAN."""
    for space, device in ((lab.lan, "lan0"), (lab.router, "lan1")):
        space.run("ip", "link", "set", device, "mtu", "1280")
    try:
        for address in ("10.20.0.2", "fd20::2"):
            client, server = lab.pair(address)
            client.sendall(b"u" * 300_000)
            got = 0
            while got < 300_000:
                got += len(server.recv(65536))
            server.sendall(b"d" * 300_000)
            got = 0
            while got < 300_000:
                got += len(client.recv(65536))
            with lab.udp(address) as receiver, lab.udp_client(address, receiver.getsockname()[1]) as sender:
                def arrives():
                    try:
                        sender.send(b"x" * 1300)
                    except OSError as error:  # the path told its MTU: the next one is fragmented
                        assert error.errno == errno.EMSGSIZE
                        return False
                    receiver.settimeout(0.5)
                    try:
                        return len(receiver.recv(2000)) == 1300
                    except TimeoutError:
                        return False
                wait_until(arrives, f"a datagram of 1300 bytes at {address}")
    finally:
        for space, device in ((lab.lan, "lan0"), (lab.router, "lan1")):
            space.run("ip", "link", "set", device, "mtu", "1500")


def test_explain_agrees_with_what_happens(lab):
    with lab.listen() as server:
        port = server.getsockname()[1]
        question = {"peer": lab.laptop.peer["id"], "protocol": "tcp", "destination": "10.20.0.2", "port": port}
        told = lab.api.ok("POST", "/v1/explain", question)
        assert told["verdict"] == "forward" and told["mode"] == lab.mode
        assert any(step["ref"] == lab.routes[0]["id"] for step in told["steps"])
        lab.connect("10.20.0.2", port).close()
    told = lab.api.ok("POST", "/v1/explain", {**question, "destination": "10.20.0.1"})
    assert told["verdict"] == "refuse"
    assert told["steps"][-1]["verdict"] in ("destination_router", "destination_guarded")
