# SPDX-License-Identifier: GPL-2.0-or-later
"""In a container with CAP_NET_ADMIN and /dev/net/tun alone, `auto` is kernel mode; without, it says why not."""
import contextlib
import os
import sys

import pytest
from lab import Lab

CONTAINER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "container.py")
FORWARDING = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")


class ContainerLab(Lab):
    def __init__(self, kind, sysctls):
        self.kind, self.sysctls = kind, sysctls
        super().__init__("auto")

    def start_culvert(self, culvert):
        if self.sysctls:
            self.router.run("sysctl", "-qw", *self.sysctls)
        culvert.wrapper = [sys.executable, CONTAINER, culvert.folder, self.kind]
        culvert.start()


@contextlib.contextmanager
def container(kind, sysctls=()):
    lab = ContainerLab(kind, sysctls)
    try:
        lab.laptop = lab.add_client("laptop")
        yield lab
    finally:
        lab.close()


def capabilities(lab):
    """Of the process that started as the container's first."""
    pid = lab.culvert.pids()["control"]
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd"))


def assert_traffic(lab):
    assert lab.ping("10.20.0.2") == 1 and lab.ping("fd20::2") == 1
    client, server = lab.pair()
    client.sendall(b"hello")
    assert server.recv(10) == b"hello"
    client.close()
    server.close()


@pytest.mark.parametrize("kind, sysctls", [("tun,sysctl", ()), ("tun", FORWARDING)],
                         ids=["writable sysctls", "read-only sysctls, forwarding on"])
def test_auto_is_kernel_mode(kind, sysctls):
    with container(kind, sysctls) as lab:
        assert "mode=kernel" in lab.culvert.ready_line
        assert lab.api.ok("GET", "/v1/dataplane")["actual"] == "kernel"
        assert capabilities(lab) == 1 << 12, "CAP_NET_ADMIN and no other"
        assert_traffic(lab)


@pytest.mark.parametrize("kind, reason", [
    ("sysctl", "there is no /dev/net/tun"),
    ("tun", "/proc/sys/net/ipv4/ip_forward is off and cannot be changed"),
], ids=["no device", "read-only sysctls"])
def test_auto_says_why_not(kind, reason):
    with container(kind) as lab:
        assert "mode=netstack" in lab.culvert.ready_line
        dataplane = lab.api.ok("GET", "/v1/dataplane")
        assert dataplane["actual"] == "netstack" and reason in str(dataplane), dataplane
        status, problem, _ = lab.api.call("PUT", "/v1/dataplane", {"desired": "kernel"})
        assert status == 409 and reason in str(problem["reasons"]), problem
        assert_traffic(lab)
