# SPDX-License-Identifier: GPL-2.0-or-later
"""UDP and ping through the tunnel."""
import contextlib
import os

import pytest
from lab import DEADLINE_S

FAMILIES = pytest.mark.parametrize("address", ["10.20.0.2", "fd20::2"])


@FAMILIES
def test_datagrams_of_all_sizes(lab, address):
    with lab.udp(address) as server, lab.udp_client(address, server.getsockname()[1]) as client:
        for size in (0, 1, 100, 1372, 1373, 1392, 1393, 2000, 4096, 8000):
            payload = os.urandom(size)
            client.send(payload)
            data, source = server.recvfrom(65535)
            assert data == payload
            client.settimeout(1 if lab.mode == "kernel" else DEADLINE_S)
            for _ in range(2 if lab.mode == "kernel" else 1):
                server.sendto(data[::-1], source)
                with contextlib.suppress(TimeoutError):
                    assert client.recv(65535) == payload[::-1], f"{size} bytes back"
                    break
                # End to end, the first one over the path's MTU is lost, and tells the server.
            else:
                raise AssertionError(f"{size} bytes did not come back")


@FAMILIES
def test_closed_port_is_told(lab, address):
    with lab.udp_client(address, 9) as client:
        client.send(b"anyone?")
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)


def test_500_flows(lab):
    with lab.udp() as server:
        port = server.getsockname()[1]
        clients = [lab.udp_client("10.20.0.2", port) for _ in range(500)]
        for i, client in enumerate(clients):
            client.send(b"%d" % i)
            data, source = server.recvfrom(100)
            server.sendto(data, source)
        for i, client in enumerate(clients):
            assert client.recv(100) == b"%d" % i
            client.close()


@FAMILIES
def test_ping_of_a_live_host(lab, address):
    assert lab.ping(address, count=20) == 20


@FAMILIES
@pytest.mark.parametrize("size", [0, 1, 1372, 1500, 8000])
def test_ping_sizes(lab, address, size):
    assert lab.ping(address, count=2, size=size) == 2


def test_hundreds_of_pings_in_flight(lab):
    text = lab.client.run("ping", "-n", "-q", "-l", "150", "-i", "0.01", "-c", "300", "-W", "5", "10.20.0.2")
    assert "300 received" in text and "duplicates" not in text, text


@FAMILIES
def test_dead_host_does_not_answer(lab, address):
    dead = {"10.20.0.2": "10.20.0.99", "fd20::2": "fd20::99"}
    assert lab.ping(dead[address], count=2, wait_s=4) == 0


def test_router_answers_ping_itself(lab):
    for address in lab.router_addresses():
        assert lab.ping(address, count=3) == 3
