# SPDX-License-Identifier: GPL-2.0-or-later
"""The flow list, the same in both modes."""
import contextlib

import pytest
from lab import wait_until


TOLD_S = 2


def flows(lab, **filters):
    query = "&".join(f"{k}={v}" for k, v in filters.items())
    return lab.api.ok("GET", f"/v1/flows?{query}")["items"]


def assert_told(*ends):
    """Both hear of the end of an idle connection, without a word of their own."""
    for sock in ends:
        sock.settimeout(TOLD_S)
        with pytest.raises(ConnectionResetError):
            sock.recv(10)


def test_a_flow_is_listed_with_its_counters(lab):
    client, server = lab.pair()
    client.sendall(b"u" * 10_000)
    server.sendall(b"d" * 20_000)
    for sock, size in ((server, 10_000), (client, 20_000)):
        while size:
            size -= len(sock.recv(65536))
    mine = f"{lab.laptop.addresses[0]}:{client.getsockname()[1]}"

    def listed():
        return next((f for f in flows(lab, protocol="tcp") if f["source"] == mine and f["bytes_out"] >= 20_000), None)
    flow = wait_until(listed, f"the flow of {mine}")
    assert flow["peer"] == lab.laptop.peer["id"]
    assert flow["destination"] == f"10.20.0.2:{server.getsockname()[1]}"
    assert flow["translated_source"].startswith("10.20.0.1:")
    assert 10_000 <= flow["bytes_in"] < 20_000 and flow["packets_in"] > 0
    assert flow["translated_source"] == "%s:%d" % server.getpeername()[:2]
    target = f"/v1/peers/{lab.laptop.peer['id']}"
    wait_until(lambda: lab.api.ok("GET", target)["status"]["active_flows"] >= 1, "the flow in the peer's status")


def test_status_and_metrics_count_what_is_listed(lab):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(lab.listen())
        for _ in range(7):
            stack.enter_context(lab.connect("10.20.0.2", server.getsockname()[1]))
            stack.enter_context(server.accept()[0])

        def agree():
            counted = lab.api.ok("GET", "/v1/status")["flows"]
            listed = len(flows(lab, protocol="tcp", limit=500))
            _, metrics, _ = lab.api.call("GET", "/metrics")
            gauge = next(line for line in metrics.splitlines()
                         if line.startswith('culvert_flows_active{protocol="tcp"}'))
            return listed >= 7 and counted["tcp"] == listed == int(gauge.split()[1]) and counted["max"] >= listed
        wait_until(agree, "the same number of flows everywhere")


def test_cutting_a_flow_resets_both_sides(lab):
    client, server = lab.pair()
    mine = f"{lab.laptop.addresses[0]}:{client.getsockname()[1]}"
    flow = wait_until(lambda: next((f for f in flows(lab) if f["source"] == mine), None), "the flow")
    lab.api.ok("DELETE", f"/v1/flows/{flow['id']}")
    assert_told(client, server)
    status, _, _ = lab.api.call("DELETE", f"/v1/flows/{flow['id']}")
    assert status == 404


def test_cutting_a_flow_of_ipv6_and_of_one_that_has_talked(lab):
    for address in ("fd20::2", "10.20.0.2"):
        client, server = lab.pair(address)
        client.sendall(b"u" * 70_000)
        left = 70_000
        while left:
            left -= len(server.recv(65536))
        mine = client.getsockname()[1]
        flow = wait_until(lambda: next((f for f in flows(lab) if f["source"].endswith(f":{mine}")), None), "the flow")
        lab.api.ok("DELETE", f"/v1/flows/{flow['id']}")
        assert_told(client, server)


def test_many_cut_at_once_are_all_told(lab):
    with lab.listen() as server:
        pairs = []
        for _ in range(60):
            client = lab.connect("10.20.0.2", server.getsockname()[1])
            pairs.append((client, server.accept()[0]))
    target = f"/v1/routes/{lab.routes[0]['id']}"
    lab.api.ok("PATCH", target, {"enabled": False})
    try:
        for pair in pairs:
            assert_told(*pair)
    finally:
        lab.api.ok("PATCH", target, {"enabled": True})


def test_pages_miss_and_repeat_nothing(lab):
    with lab.listen() as server, contextlib.ExitStack() as stack:
        for _ in range(120):
            stack.enter_context(lab.connect("10.20.0.2", server.getsockname()[1]))
            stack.enter_context(server.accept()[0])
        seen, target = [], "/v1/flows?protocol=tcp&limit=50"
        while target:
            page = lab.api.ok("GET", target)
            seen += [f["id"] for f in page["items"]]
            cursor = page["next_cursor"]
            target = cursor and f"/v1/flows?protocol=tcp&limit=50&cursor={cursor}"
    assert len(seen) == len(set(seen))
    assert len(seen) >= 120


def test_udp_and_ping_are_flows_too(lab):
    with lab.udp() as server, lab.udp_client("10.20.0.2", server.getsockname()[1]) as client:
        client.send(b"x")
        server.recv(10)
        assert any(f["destination"] == "10.20.0.2:%d" % server.getsockname()[1] for f in flows(lab, protocol="udp"))
    assert lab.ping("10.20.0.2") == 1
    assert any(f["destination"] == "10.20.0.2" for f in flows(lab, protocol="icmp"))
