# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits of a peer: rates."""
import contextlib
import json
import subprocess

import pytest
from lab import DEADLINE_S, wait_until

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
