# SPDX-License-Identifier: GPL-2.0-or-later
"""Protocols beyond TCP, UDP and ping: carried in kernel mode, dropped and counted in netstack mode."""
import os
import socket
import struct
import subprocess

import pytest
from lab import DEADLINE_S, ROOT, checksum, run, wait_until

IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0
SCTP_PORT = 5001
UNKNOWN = 253  # for experiments: no kernel knows it


@pytest.fixture(scope="module")
def sctp_peer(tmp_path_factory):
    """SCTP in user space over raw sockets: these kernels need not have it."""
    program = str(tmp_path_factory.mktemp("sctp") / "sctp_peer")
    run("gcc", "-std=gnu17", "-D_GNU_SOURCE", "-o", program, os.path.join(ROOT, "tests/netns/sctp_peer.c"), "-lusrsctp")
    return program


def counted(lab, reason, before):
    wait_until(lambda: lab.drops().get(reason, 0) > before.get(reason, 0), f"a drop counted as {reason}")


def raw(namespace, protocol, address=None):
    sock = namespace.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
    sock.settimeout(DEADLINE_S)
    sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
    if address:
        sock.connect((address, 0))
    return sock


def await_icmp(sock, what, fits):
    """The first ICMP message that fits, without its IP header."""
    while True:
        try:
            message = sock.recv(2000)[20:]
        except TimeoutError as error:
            raise AssertionError(f"no {what} arrived") from error
        if fits(message):
            return message


def test_sctp_association(lab, sctp_peer):
    """The LAN has no way back to the tunnel's addresses: an echo tells that the source was masqueraded, checksum and all."""
    before = lab.drops()
    with raw(lab.client, socket.IPPROTO_ICMP) as errors, \
            lab.lan.start(sctp_peer, "server", str(SCTP_PORT), stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "ready\n"
            client = lab.client.start(sctp_peer, "client", "10.20.0.2", str(SCTP_PORT), "through the tunnel",
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            echo, complaint = client.communicate(timeout=DEADLINE_S)
            if lab.mode == "kernel":
                assert (client.returncode, echo, complaint) == (0, "through the tunnel\n", "")
                assert server.stdout.readline() == "through the tunnel\n"
                return
            assert client.returncode == 1 and complaint.startswith("connect: ") and not echo
            counted(lab, "protocol_not_relayed", before)
            await_icmp(errors, "protocol unreachable about SCTP", lambda m: m[:2] == b"\x03\x02" and m[8 + 9] == 132)
        finally:
            server.kill()


def test_icmp_timestamp(lab):
    before = lab.drops()
    body = struct.pack("!HHIII", os.getpid() & 0xffff, 7, 1234567, 0, 0)
    total = checksum(struct.pack("!BBH", 13, 0, 0) + body)
    with raw(lab.client, socket.IPPROTO_ICMP, "10.20.0.2") as sock:
        sock.send(struct.pack("!BBH", 13, 0, total) + body)
        if lab.mode == "netstack":
            counted(lab, "icmp_not_relayed", before)
            return
        # Identifier, sequence and our time come back.
        await_icmp(sock, "timestamp reply", lambda m: m[0] == 14 and m[4:12] == body[:8])


def test_fragments_of_an_unknown_protocol(lab):
    """More than the tunnel's MTU without DF: whole at the other end, in both directions."""
    before = lab.drops()
    there, back = os.urandom(4000), os.urandom(4000)
    with raw(lab.client, UNKNOWN, "10.20.0.2") as client, raw(lab.lan, UNKNOWN) as server:
        client.send(there)
        if lab.mode == "netstack":
            counted(lab, "protocol_not_relayed", before)
            return
        packet, source = server.recvfrom(65535)
        assert source[0] == "10.20.0.1" and packet[20:] == there
        server.sendto(back, source)
        assert client.recv(65535)[20:] == back
