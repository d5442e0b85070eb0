# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of a peer: rates, a quota, flows at once."""
import contextlib
import json
import signal
import sqlite3
import subprocess

import pytest
from lab import DEADLINE_S, UnixConnection, wait_until

RATE = 20_000_000
SECONDS = 6


def limit(lab, **limits):
    return lab.api.ok("PATCH", f"/v1/peers/{lab.laptop.peer['id']}", {"limits": limits})


@contextlib.contextmanager
def limited(lab, **limits):
    limit(lab, **limits)
    try:
        yield
    finally:
        limit(lab, **{name: None for name in limits})


def iperf(lab, *options):
    """Bits a second that came through in SECONDS."""
    server = lab.lan.start("iperf3", "-s", "-1", "-B", "10.20.0.2", stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: "5201" in lab.lan.run("ss", "-Hltn"), "iperf3's server")
        text = lab.client.run("iperf3", "-J", "-c", "10.20.0.2", "-t", str(SECONDS), *options)
        server.wait(timeout=DEADLINE_S)
    finally:
        server.kill()
        server.wait()
    end = json.loads(text)["end"]
    return (end.get("sum_received") or end["sum"])["bits_per_second"]


# The one place that asserts times: a rate is about nothing else. TCP's payload is 96 % of what is counted, and a bucket
# that was full at the start adds 4 %.
def assert_rate(got):
    assert 0.85 * RATE < got < 1.15 * RATE, f"{got / 1e6:.2f} Mbit/s"


@pytest.mark.parametrize("options", [(), ("-P", "4"), ("-u", "-b", "60M", "-l", "1300")], ids=["tcp", "4tcp", "udp"])
def test_rate_from_the_peer(lab, options):
    dropped = lab.drops()["rate_limit"]
    with limited(lab, rate_in_bps=RATE):
        assert_rate(iperf(lab, *options))
    assert lab.drops()["rate_limit"] > dropped


@pytest.mark.parametrize("options", [(), ("-P", "4"), ("-u", "-b", "60M", "-l", "1300")], ids=["tcp", "4tcp", "udp"])
def test_rate_to_the_peer(lab, options):
    with limited(lab, rate_out_bps=RATE):
        assert_rate(iperf(lab, "-R", *options))


def test_no_limit_is_no_limit(lab):
    with limited(lab, rate_in_bps=RATE, rate_out_bps=RATE):
        pass
    dropped = lab.drops()["rate_limit"]
    assert iperf(lab) > 2 * RATE
    assert lab.drops()["rate_limit"] == dropped


# A quota. ---------------------------------------------------------------------


def peer_of(lab):
    return lab.api.ok("GET", f"/v1/peers/{lab.laptop.peer['id']}")


def used(lab):
    return peer_of(lab)["status"]["quota_used_bytes"]


def spend(lab, size):
    """Sends that much through a connection, until it is told that no more goes."""
    client, server = lab.pair()
    with client, server:
        server.setblocking(False)
        client.settimeout(DEADLINE_S)
        sent = 0
        while sent < size:
            try:
                sent += client.send(bytes(16384))
            except (ConnectionResetError, BrokenPipeError):
                return sent
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                while server.recv(1 << 20):
                    pass
    return sent


def test_quota(own):
    limit(own, quota_bytes=1_000_000, quota_period="day")
    status = peer_of(own)["status"]
    assert status["quota_used_bytes"] < 10_000 and status["quota_resets_at"].endswith("T00:00:00Z")
    assert 100_000 < spend(own, 20_000_000) < 4_000_000, "the connection was cut at about the quota"
    # In between there is the answer to what is refused: a reset of 40 bytes.
    assert 1_000_000 <= used(own) < 1_100_000

    # Visibly, whatever it tries.
    with pytest.raises(ConnectionRefusedError):
        own.connect("10.20.0.2", 80)
    with own.udp_client("10.20.0.2", 9) as client, pytest.raises(OSError) as error:
        client.send(b"anyone?")
        client.recv(100)
    assert not isinstance(error.value, TimeoutError)
    assert own.ping("10.20.0.2", wait_s=1) == 0 and own.drops()["quota"] > 0
    assert 'culvert_peer_quota_used_bytes{peer="' in own.api.ok("GET", "/metrics")

    # Neither a switch nor a new engine changes that.
    other = "netstack" if own.mode == "kernel" else "kernel"
    if own.mode == "kernel":
        own.api.ok("PUT", "/v1/dataplane", {"desired": other})
        assert own.ping("10.20.0.2", wait_s=1) == 0
        own.api.ok("PUT", "/v1/dataplane", {"desired": own.mode})
    engine = own.culvert.pids()["engine"]
    subprocess.run(["kill", "-9", str(engine)], check=True)
    wait_until(lambda: own.api.call("GET", "/readyz")[0] == 200 and own.culvert.pids().get("engine", engine) != engine,
               "a new engine")
    assert used(own) >= 1_000_000
    own.ping("10.20.0.2", wait_s=1)
    assert own.ping("10.20.0.2", wait_s=1) == 0

    # Raised, it goes on.
    limit(own, quota_bytes=2_000_000)
    assert own.ping("10.20.0.2") == 1
    assert 1_000_000 < used(own) < 1_200_000


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_usage_outlives_the_daemon(own, how):
    limit(own, quota_bytes=50_000_000, quota_period="month")
    spend(own, 3_000_000)
    before = used(own)
    assert before > 1_000_000
    if how == signal.SIGKILL:
        # It is stored within five seconds: the file says when.
        wait_until(lambda: stored(own) >= before, "the usage to be stored", deadline_s=10)
    own.culvert.stop(how)
    own.culvert.start()
    assert before <= used(own) < 5_000_000


def stored(lab):
    """What a copy of the database says."""
    path = f"{lab.culvert.folder}/copy.db"
    lab.router.run("curl", "-sf", "--unix-socket", lab.culvert.socket, "-o", path, "http://localhost/v1/backup")
    rows = sqlite3.connect(path).execute("SELECT used FROM peer_usage").fetchall()
    return rows[0][0] if rows else 0


def test_quota_is_told(own):
    connection = UnixConnection(own.culvert.socket)
    connection.request("GET", "/v1/events?types=peer.*", headers={"Accept": "application/x-ndjson"})
    events = connection.getresponse()
    limit(own, quota_bytes=1_000_000, quota_period="week")
    spend(own, 20_000_000)
    told = {}
    while "peer.quota_exceeded" not in told:
        event = json.loads(events.readline())
        told[event["type"]] = event["data"]
    connection.close()
    assert told["peer.quota_exceeded"].items() >= {"id": own.laptop.peer["id"], "name": "laptop"}.items()
