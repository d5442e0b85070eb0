# SPDX-License-Identifier: GPL-2.0-or-later
"""The same transfers with each offload turned off, and with all: nothing but speed may differ."""
import hashlib
import os
import socket
import threading

import pytest
from conftest import MODES
from lab import Lab

MEBIBYTES = 8
GSO, GRO, TUN = "CULVERT_NO_GSO", "CULVERT_NO_GRO", "CULVERT_NO_TUN_OFFLOAD"
# TUN and its knob are kernel mode's alone.
CASES = [(mode, knobs) for mode in MODES for knobs in ((GSO,), (GRO,), (TUN,), (GSO, GRO, TUN))
         if mode == "kernel" or knobs != (TUN,)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join((case[0], *case[1])))
def plain(request):
    mode, knobs = request.param
    made = Lab(mode, environment=dict.fromkeys(knobs, "1"))
    try:
        made.knobs = knobs
        made.laptop = made.add_client("laptop")
        yield made
    finally:
        made.close()


def pump(source, sink):
    """Sends random bytes from one end to the other; are they the same there?"""
    piece = os.urandom(1 << 20)
    sent, received, total = hashlib.sha256(), hashlib.sha256(), 0

    def send():
        for i in range(MEBIBYTES):
            part = piece[i:] + piece[:i]
            sent.update(part)
            source.sendall(part)
        source.shutdown(socket.SHUT_WR)
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    while data := sink.recv(1 << 16):
        received.update(data)
        total += len(data)
    thread.join(60)
    assert total == MEBIBYTES << 20
    assert received.digest() == sent.digest()


def metric(lab, name, direction):
    text = lab.api.ok("GET", "/metrics")
    start = f'{name}{{direction="{direction}"}} '
    return next(float(line[len(start):]) for line in text.splitlines() if line.startswith(start))


@pytest.mark.parametrize("address", ["10.20.0.2", "fd20::2"])
def test_tcp_arrives_whole_both_ways(plain, address):
    client, server = plain.pair(address)
    with client, server:
        pump(client, server)
    client, server = plain.pair(address)
    with client, server:
        pump(server, client)


@pytest.mark.parametrize("address", ["10.20.0.2", "fd20::2"])
def test_bursts_of_datagrams_arrive_whole(plain, address):
    with plain.udp(address) as server, plain.udp_client(address, server.getsockname()[1]) as client:
        for size in (1, 64, 1000, 1372):
            burst = [os.urandom(size - 1) + bytes([i]) for i in range(32)]
            for payload in burst:
                client.send(payload)
            got = [server.recvfrom(2048) for _ in burst]
            assert sorted(data for data, _ in got) == sorted(burst)
            for payload, source in got:
                server.sendto(payload, source)
            assert sorted(client.recv(2048) for _ in burst) == sorted(burst)


def test_what_is_off_is_off(plain):
    """One packet per read, one datagram per buffer (eight a call), one datagram per packet of the device."""
    count = f"/sys/class/net/{plain.router.run('ip', '-o', 'route', 'get', '192.0.2.2').split(' dev ')[1].split()[0]}"
    before = {"tx": int(plain.router.run("cat", f"{count}/statistics/tx_packets")),
              "sent": metric(plain, "culvert_outer_datagrams_total", "transmit")}
    client, server = plain.pair()
    with client, server:
        pump(server, client)
    client, server = plain.pair()
    with client, server:
        pump(client, server)
    if GSO in plain.knobs:
        packets = int(plain.router.run("cat", f"{count}/statistics/tx_packets")) - before["tx"]
        assert packets >= metric(plain, "culvert_outer_datagrams_total", "transmit") - before["sent"]
    if GRO in plain.knobs:
        assert (metric(plain, "culvert_outer_datagrams_total", "receive")
                <= 8 * metric(plain, "culvert_outer_calls_total", "receive"))
    if TUN in plain.knobs and plain.mode == "kernel":
        assert (metric(plain, "culvert_tun_packets_total", "read")
                <= metric(plain, "culvert_tun_calls_total", "read"))
