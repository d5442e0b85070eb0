# SPDX-License-Identifier: GPL-2.0-or-later
"""TCP through the tunnel: what a client and a server notice."""
import contextlib
import errno
import hashlib
import os
import select
import socket
import struct
import threading

import pytest
from lab import DEADLINE_S, wait_until

FAMILIES = pytest.mark.parametrize("address", ["10.20.0.2", "fd20::2"])
CHUNK = os.urandom(1 << 20)


def send_all(sock, mebibytes):
    digest = hashlib.sha256()
    for i in range(mebibytes):
        piece = CHUNK[i:] + CHUNK[:i]
        digest.update(piece)
        sock.sendall(piece)
    return digest.hexdigest()


def receive_all(sock):
    digest, total = hashlib.sha256(), 0
    while data := sock.recv(1 << 16):
        digest.update(data)
        total += len(data)
    return digest.hexdigest(), total


def in_background(function, *args):
    result = {}
    thread = threading.Thread(target=lambda: result.update(value=function(*args)), daemon=True)
    thread.start()

    def join():
        thread.join(90)
        assert "value" in result, f"{function.__name__} did not finish"
        return result["value"]
    return join


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@FAMILIES
def test_upload_arrives_whole(lab, address):
    client, server = lab.pair(address)
    received = in_background(receive_all, server)
    sent = send_all(client, 40)
    client.shutdown(socket.SHUT_WR)
    assert received() == (sent, 40 << 20)


@FAMILIES
def test_download_arrives_whole(lab, address):
    client, server = lab.pair(address)
    sent = in_background(lambda: (send_all(server, 40), server.shutdown(socket.SHUT_WR)))
    digest, total = receive_all(client)
    assert total == 40 << 20
    assert digest == sent()[0]


def test_both_ways_at_once(lab):
    client, server = lab.pair()
    up = in_background(lambda: (send_all(client, 20), client.shutdown(socket.SHUT_WR))[0])
    down = in_background(lambda: (send_all(server, 20), server.shutdown(socket.SHUT_WR))[0])
    at_server = in_background(receive_all, server)
    assert receive_all(client) == (down(), 20 << 20)
    assert at_server() == (up(), 20 << 20)


@FAMILIES
def test_200_flows_at_once(lab, address):
    with lab.listen(address) as server, contextlib.ExitStack() as stack:
        port = server.getsockname()[1]
        pairs = []
        for _ in range(200):
            client = stack.enter_context(lab.connect(address, port))
            accepted = stack.enter_context(server.accept()[0])
            pairs.append((client, accepted))
        for i, (client, accepted) in enumerate(pairs):
            client.sendall(b"%d up" % i)
            accepted.sendall(b"%d down" % i)
        for client, accepted in pairs:
            client.settimeout(DEADLINE_S)
            accepted.settimeout(DEADLINE_S)
        by_peer = {}
        for _, accepted in pairs:
            by_peer[accepted.recv(100).split()[0]] = accepted
        assert len(by_peer) == 200
        for client, _ in pairs:
            assert client.recv(100).endswith(b" down")


@FAMILIES
def test_half_close_by_client(lab, address):
    client, server = lab.pair(address)
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    assert server.recv(100) == b"question"
    assert server.recv(100) == b""
    sent = in_background(lambda: (send_all(server, 3), server.close())[0])
    assert receive_all(client) == (sent(), 3 << 20)


@FAMILIES
def test_half_close_by_server(lab, address):
    client, server = lab.pair(address)
    server.sendall(b"greeting")
    server.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b"greeting"
    assert client.recv(100) == b""
    received = in_background(receive_all, server)
    sent = send_all(client, 3)
    client.close()
    assert received() == (sent, 3 << 20)


def test_reset_by_client_reaches_server(lab):
    client, server = lab.pair()
    client.sendall(b"x")
    assert server.recv(1) == b"x"
    reset(client)
    with pytest.raises(ConnectionResetError):
        while server.recv(100):
            pass


def test_reset_by_server_reaches_client_after_the_data(lab):
    client, server = lab.pair()
    server.sendall(b"d" * 100_000)
    received = 0
    while received < 100_000:
        received += len(client.recv(65536))
    reset(server)
    with pytest.raises(ConnectionResetError):
        client.recv(1)


@FAMILIES
def test_closed_port_is_refused(lab, address):
    with pytest.raises(ConnectionRefusedError):
        lab.connect(address, 9)


def test_unreachable_host_is_told(lab):
    with pytest.raises(OSError) as error:
        lab.connect("10.20.0.77", 80, timeout=30)
    assert error.value.errno == errno.EHOSTUNREACH


def test_dropped_syn_is_never_accepted(lab):
    rule = ("-p", "tcp", "--dport", "7777", "-j", "DROP")
    lab.lan.run("iptables", "-I", "INPUT", *rule)
    try:
        client = lab.client.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.setblocking(False)
        client.connect_ex(("10.20.0.2", 7777))
        answered = lambda: int(lab.lan.run("iptables", "-nvxL", "INPUT").splitlines()[2].split()[0]) >= 2
        wait_until(answered, "two dropped SYNs")
        assert select.select([], [client], [], 0)[1] == [], "the dropped SYN was answered"
        client.close()
    finally:
        lab.lan.run("iptables", "-D", "INPUT", *rule)


def test_slow_reader_holds_bounded_memory(lab):
    client, server = lab.pair()
    server.setblocking(False)
    sent = 0
    engine = lab.culvert.pids()["engine"]

    def resident():
        with open(f"/proc/{engine}/statm", encoding="utf-8") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    before = resident()
    with contextlib.suppress(BlockingIOError):
        while True:
            _, writable, _ = select.select([], [server], [], 1.0)
            if not writable:
                break
            sent += server.send(CHUNK)
    assert sent < 64 << 20, "a reader that does not read let everything through"
    assert resident() - before < 32 << 20
    server.setblocking(True)
    rest = in_background(lambda: server.shutdown(socket.SHUT_WR))
    assert receive_all(client)[1] == sent
    rest()


def connect_from(lab, source_port, port):
    """A connection from a fixed port; None while the client's kernel still holds the last one."""
    client = lab.client.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind(("0.0.0.0", source_port))
    client.settimeout(DEADLINE_S)
    try:
        client.connect(("10.20.0.2", port))
    except OSError as error:
        client.close()
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        return None
    return client


def test_port_is_reused_after_close(lab):
    with lab.listen() as server:
        port = server.getsockname()[1]
        for _ in range(3):
            client = wait_until(lambda: connect_from(lab, 34567, port), "the client's port to be free again")
            accepted, _ = server.accept()
            accepted.close()
            assert client.recv(1) == b""
            client.close()


def test_scan_tells_open_from_closed(lab):
    with lab.listen("10.20.0.2", 8081), lab.listen("10.20.0.2", 8083):
        text = lab.client.run("nmap", "-n", "-Pn", "-sT", "-p", "8080-8084", "10.20.0.2", "-oG", "-")
    found = {p.split("/")[0]: p.split("/")[1] for p in text.split("Ports: ")[1].split("\t")[0].split(", ")}
    assert found == {"8080": "closed", "8081": "open", "8082": "closed", "8083": "open", "8084": "closed"}
