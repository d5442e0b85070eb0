# SPDX-License-Identifier: GPL-2.0-or-later
"""The tunnel itself: both outer families, roaming, loss, wg-quick."""
import os
import socket
import tempfile

from lab import Lab, run, wait_until
from test_tcp import in_background, receive_all, send_all


def test_handshake_and_counters(lab):
    assert lab.ping("10.20.0.2") == 1
    assert lab.laptop.handshake_at() > 0
    status = lab.api.ok("GET", f"/v1/peers/{lab.laptop.peer['id']}")["status"]
    assert status["online"] is True
    assert status["endpoint"].startswith("192.0.2.2:")
    assert status["receive_bytes"] > 0 and status["transmit_bytes"] > 0


def test_preshared_key(lab):
    key = lab.client.run("wg", "genpsk").strip()
    phone = lab.add_client("phone", routed=False, preshared_key=key)
    lab.client.run("ip", "route", "replace", "10.20.0.2/32", "dev", phone.name)
    assert lab.ping("10.20.0.2") == 1
    assert phone.handshake_at() > 0
    lab.client.run("ip", "route", "del", "10.20.0.2/32", "dev", phone.name)
    phone.close()
    lab.clients.remove(phone)
    lab.api.ok("DELETE", f"/v1/peers/{phone.peer['id']}")


def test_outer_ipv6(lab):
    peer = lab.laptop.sections["Peer"]["PublicKey"]
    port = lab.api.ok("GET", "/v1/node")["listen_port"]
    lab.client.run("wg", "set", lab.laptop.name, "peer", peer, "endpoint", f"[2001:db8:1::1]:{port}")
    wait_until(lambda: lab.ping("10.20.0.2", wait_s=1) == 1, "traffic over IPv6")
    target = f"/v1/peers/{lab.laptop.peer['id']}"
    wait_until(lambda: "2001:db8:1::2" in lab.api.ok("GET", target)["status"]["endpoint"], "the new endpoint")
    lab.client.run("wg", "set", lab.laptop.name, "peer", peer, "endpoint", f"192.0.2.1:{port}")
    wait_until(lambda: lab.ping("fd20::2", wait_s=1) == 1, "traffic over IPv4")


def test_roaming_while_a_stream_runs(lab):
    client, server = lab.pair()
    received = in_background(receive_all, server)
    total = 0
    for port in (40001, 40002, 40003):
        send_all(client, 4)
        total += 4
        lab.client.run("wg", "set", lab.laptop.name, "listen-port", str(port))
    send_all(client, 4)
    client.shutdown(socket.SHUT_WR)
    assert received()[1] == (total + 4) << 20
    target = f"/v1/peers/{lab.laptop.peer['id']}"
    wait_until(lambda: lab.api.ok("GET", target)["status"]["endpoint"].endswith(":40003"), "the last endpoint")


def test_two_percent_loss(lab):
    lab.router.run("nft", "add table inet lossy; add chain inet lossy in { type filter hook input priority 0; }; "
                          "add rule inet lossy in udp dport 51820 numgen random mod 100 < 2 drop; "
                          "add chain inet lossy out { type filter hook output priority 0; }; "
                          "add rule inet lossy out udp sport 51820 numgen random mod 100 < 2 drop")
    try:
        client, server = lab.pair()
        received = in_background(receive_all, server)
        sent = send_all(client, 8)
        client.shutdown(socket.SHUT_WR)
        assert received() == (sent, 8 << 20)
        client, server = lab.pair("fd20::2")
        sending = in_background(lambda: (send_all(server, 8), server.shutdown(socket.SHUT_WR))[0])
        assert receive_all(client) == (sending(), 8 << 20)
    finally:
        lab.router.run("nft", "delete table inet lossy")


def test_silence_to_strangers(lab):
    with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect(("192.0.2.1", 51820))
        for size in (0, 1, 31, 32, 92, 148, 1000, 1400):
            stranger.send(os.urandom(size))
            stranger.send(b"\x01\0\0\0" + os.urandom(max(0, size - 4)))
        assert lab.ping("10.20.0.2", count=2) == 2
        stranger.setblocking(False)
        try:
            answer = stranger.recv(2000)
        except BlockingIOError:
            answer = None
        assert answer is None


def test_wg_quick_takes_the_text_as_it_is():
    lab = Lab()
    name = f"cvq{os.getpid() % 100000}"
    try:
        made = lab.api.ok("POST", "/v1/peers", {"name": "quick"})
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, f"{name}.conf")
            with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
                file.write(made["client_config"])
            environment = {**os.environ, "WG_QUICK_USERSPACE_IMPLEMENTATION": "wireguard-go",
                           "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD": "1"}
            run(*lab.client.command("wg-quick", "up", path), env=environment)
            assert lab.ping("10.20.0.2") == 1
            assert lab.ping("fd20::2") == 1
            run(*lab.client.command("wg-quick", "down", path), env=environment)
    finally:
        lab.close()
