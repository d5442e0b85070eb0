# SPDX-License-Identifier: GPL-2.0-or-later
"""Two connected clients with different grants: each reaches its own, and a change is in force within a second."""
import contextlib
import select

import pytest
from lab import DEADLINE_S, wait_until
from test_policy import REFUSED

# One host of the LAN for each kind of grant; none of them is in another route.
FOR_LAPTOP, FOR_OPS, FOR_PORT = "10.20.0.3", "10.20.0.4", "10.20.0.5"
CUT_S = 1


@pytest.fixture
def two(lab):
    """lab.laptop and lab.phone, the latter tagged ops; lab.port is the granted port of FOR_PORT."""
    for address in (FOR_LAPTOP, FOR_OPS, FOR_PORT):
        lab.lan.run("ip", "address", "add", f"{address}/16", "dev", "lan0")
    lab.phone = lab.add_far_client("phone", 4, tags=["ops"])
    lab.laptop.space = lab.client
    for client, other in ((lab.laptop, lab.phone), (lab.phone, lab.laptop)):
        for address, bits in zip(other.addresses, (32, 128)):
            client.route(f"{address}/{bits}")
    with lab.listen(FOR_PORT) as free:
        lab.port = free.getsockname()[1]
    lab.granted = {address: lab.api.ok("POST", "/v1/routes", {"prefix": f"{address}/32", **grant})["id"]
                   for address, grant in ((FOR_LAPTOP, {"peers": [lab.laptop.peer["id"]]}),
                                          (FOR_OPS, {"peers": ["tag:ops"]}),
                                          (FOR_PORT, {"ports": [str(lab.port)], "protocols": ["tcp"]}))}
    yield lab
    for route in lab.granted.values():
        lab.api.ok("DELETE", f"/v1/routes/{route}")
    lab.api.ok("PUT", "/v1/policy", {"default": "allow", "rules": []})
    lab.remove_far_client(lab.phone)
    for address in (FOR_LAPTOP, FOR_OPS, FOR_PORT):
        lab.lan.run("ip", "address", "del", f"{address}/16", "dev", "lan0")


def tcp_reaches(lab, client, address, port=0, namespace=None):
    """True: greeted by the service itself; False: refused, and told so."""
    with lab.listen(address, port, namespace=namespace) as server:
        try:
            mine = lab.connect(address, server.getsockname()[1], namespace=client.space)
        except OSError as error:
            assert error.errno in REFUSED, f"not refused visibly: {error}"
            return False
        accepted, _ = server.accept()
        accepted.sendall(address.encode())
        assert mine.recv(100) == address.encode()
        mine.close()
        accepted.close()
        return True


def udp_reaches(lab, client, address, namespace=None):
    with lab.udp(address, namespace=namespace) as server, \
            lab.udp_client(address, server.getsockname()[1], namespace=client.space) as mine:
        mine.send(b"who?")
        if server not in select.select([server, mine], [], [], DEADLINE_S)[0]:
            with pytest.raises(OSError) as error:
                mine.recv(100)
            assert error.value.errno in REFUSED, f"not refused visibly: {error.value}"
            return False
        data, source = server.recvfrom(100)
        server.sendto(data, source)
        assert mine.recv(100) == b"who?"
        return True


def ping_reaches(lab, client, address):
    return lab.ping(address, wait_s=1, namespace=client.space) == 1


WAYS = pytest.mark.parametrize("reaches", [tcp_reaches, udp_reaches, ping_reaches], ids=["tcp", "udp", "ping"])


@WAYS
def test_each_reaches_only_its_own(two, reaches):
    assert reaches(two, two.laptop, FOR_LAPTOP) and not reaches(two, two.phone, FOR_LAPTOP)
    assert reaches(two, two.phone, FOR_OPS) and not reaches(two, two.laptop, FOR_OPS)
    for client in (two.laptop, two.phone):
        assert reaches(two, client, "10.20.0.2"), "the wider route is for all"
        assert not reaches(two, client, FOR_PORT), "the longer route has one port only"


def test_a_granted_port_is_for_both(two):
    for client in (two.laptop, two.phone):
        assert tcp_reaches(two, client, FOR_PORT, two.port)


@WAYS
@pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])
def test_peers_are_strangers_unless_a_rule_says_so(two, reaches, family):
    def passes(client, other):
        way = {} if reaches is ping_reaches else {"namespace": other.space}
        return reaches(two, client, other.addresses[family], **way)
    assert not passes(two.laptop, two.phone) and not passes(two.phone, two.laptop)
    two.api.ok("PUT", "/v1/policy", {"default": "allow", "rules": [
        {"action": "allow", "peers": [two.laptop.peer["id"]],
         "destinations": [f"{two.phone.addresses[family]}/{(32, 128)[family]}"]}]})
    assert passes(two.laptop, two.phone), "allowed, and answered"
    assert not passes(two.phone, two.laptop), "the rule is for one direction"


@contextlib.contextmanager
def connection(lab, client, address, port=0):
    """(the client's end, the server's), in use."""
    with lab.listen(address, port) as server:
        mine = lab.connect(address, server.getsockname()[1], namespace=client.space)
        accepted, _ = server.accept()
    with mine, accepted:
        for sock in (mine, accepted):
            sock.setblocking(False)
        assert not is_reset(mine) and not is_reset(accepted)
        yield mine, accepted


def is_reset(sock):
    """Looks at a connection by using it."""
    try:
        sock.send(b"still there?")
        while True:
            assert sock.recv(1000), "closed in good order"
    except BlockingIOError:
        return False
    except (ConnectionResetError, BrokenPipeError):
        return True


def grant_laptop_elsewhere(lab):
    lab.api.ok("PATCH", f"/v1/routes/{lab.granted[FOR_LAPTOP]}", {"peers": [lab.phone.peer["id"]]})


def take_the_tag(lab):
    lab.api.ok("PATCH", f"/v1/peers/{lab.phone.peer['id']}", {"tags": ["guests"]})


def grant_another_port(lab):
    lab.api.ok("PATCH", f"/v1/routes/{lab.granted[FOR_PORT]}", {"ports": ["1"]})


def deny_by_a_rule(lab):
    lab.api.ok("PUT", "/v1/policy", {"default": "allow", "rules": [
        {"action": "deny", "peers": ["tag:ops"], "destinations": [f"{FOR_OPS}/32"]}]})


@pytest.mark.parametrize("change, who, address", [
    (grant_laptop_elsewhere, "laptop", FOR_LAPTOP),
    (take_the_tag, "phone", FOR_OPS),
    (grant_another_port, "phone", FOR_PORT),
    (deny_by_a_rule, "phone", FOR_OPS),
])
def test_a_changed_grant_cuts_at_once(two, change, who, address):
    client = getattr(two, who)
    port = two.port if address == FOR_PORT else 0
    with connection(two, client, address, port) as cut, connection(two, two.laptop, "10.20.0.2") as kept:
        change(two)
        wait_until(lambda: is_reset(cut[0]), "the client's reset", CUT_S)
        wait_until(lambda: is_reset(cut[1]), "the server's reset", CUT_S)
        assert not tcp_reaches(two, client, address, port)
        assert not any(is_reset(sock) for sock in kept), "what is granted goes on"


def test_a_cut_reaches_a_client_that_only_listens(two):
    with connection(two, two.phone, FOR_OPS) as (mine, _):
        mine.settimeout(DEADLINE_S)
        take_the_tag(two)
        with pytest.raises(ConnectionResetError):
            while mine.recv(1000):
                pass
