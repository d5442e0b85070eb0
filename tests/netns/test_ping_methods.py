# SPDX-License-Identifier: GPL-2.0-or-later
"""Ping by each method that an unprivileged process can have."""
import pytest
from lab import Lab


def test_exec_where_ping_sockets_are_forbidden():
    lab = Lab(ping_group="1 0")
    try:
        lab.add_client("laptop")
        assert lab.api.ok("GET", "/v1/dataplane")["capabilities"]["netstack"]["icmp"] == "exec"
        for address, dead in (("10.20.0.2", "10.20.0.99"), ("fd20::2", "fd20::99")):
            assert lab.ping(address, count=3) == 3
            assert lab.ping(address, size=4000) == 1
            assert lab.ping(dead, wait_s=4) == 0
    finally:
        lab.close()


def test_ping_socket_is_told(lab):
    assert lab.api.ok("GET", "/v1/dataplane")["capabilities"]["netstack"]["icmp"] == "ping_socket"
