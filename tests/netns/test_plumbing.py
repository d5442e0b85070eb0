# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel mode and its host: what is made, put right, and left behind."""
import os
import signal

import pytest
from lab import USER, Culvert, Namespace, wait_until

ONLY_NET_ADMIN = ["--bounding-set=-all,+net_admin", "--inh-caps=-all,+net_admin", "--ambient-caps=-all,+net_admin"]
count = 0


class Host(Namespace):
    """A namespace with a LAN, and all that Culvert may touch in it."""

    def __init__(self):
        global count
        count += 1
        super().__init__(f"cvt{os.getpid() % 100000}p{count}")
        self.run("ip", "link", "add", "lan", "type", "veth", "peer", "name", "far")
        self.run("ip", "address", "add", "10.20.0.1/16", "dev", "lan")
        self.run("ip", "link", "set", "far", "up")
        self.run("ip", "link", "set", "lan", "up")
        # Both get a link-local address and its routes by and by, which nobody here is to blame for.
        wait_until(lambda: self.run("ip", "-6", "route", "show", "table", "local").count("local fe80::") == 2,
                   "the links to settle")

    def picture(self):
        return self.run("sh", "-c", "ip -br address; ip route show table all;"
                        "ip -6 route show table all; ip rule; ip -6 rule; nft list ruleset;"
                        # All but what counts.
                        r"sysctl -a 2>/dev/null | grep '^net\.' | grep -v '^net.netfilter.nf_conntrack_count'")

    def value(self, name):
        return self.run("sysctl", "-n", name).strip()


@pytest.fixture
def host():
    made = Host()
    before = made.picture()
    yield made
    after = made.picture()
    made.close()
    assert after == before


@pytest.fixture
def start(host):
    """Starts daemons as root, in kernel mode unless told otherwise; stops them in the end."""
    started = []

    def one(*options, owner=0, wrapper=(), mode="kernel"):
        port = 51830 + len(started)
        daemon = Culvert(host, ["--mode", mode, "--wg-port", str(port), *options], user=0, wrapper=wrapper)
        os.chown(daemon.folder, owner, owner)
        started.append(daemon)
        return daemon.start()
    yield one
    for daemon in started:
        if daemon.process:
            assert daemon.stop() == 0
        daemon.close()


def mode_of(daemon):
    return daemon.api.ok("GET", "/v1/dataplane")["actual"]


def test_what_is_made(host, start):
    daemon = start()
    assert "mode=kernel" in daemon.ready_line
    assert mode_of(daemon) == "kernel"
    for address in daemon.api.ok("GET", "/v1/node")["addresses"]:
        assert address in host.run("ip", "address", "show", "culvert")
    assert host.value("net.ipv4.ip_forward") == "1"
    assert "table inet culvert" in host.run("nft", "list", "ruleset")


def test_auto_takes_kernel_mode_where_it_can(start):
    assert mode_of(start(mode="auto")) == "kernel"


def test_kill_of_everything_then_start(host, start):
    daemon = start()
    for pid in daemon.pids().values():
        os.kill(pid, signal.SIGKILL)
    daemon.process.wait()
    wait_until(lambda: "culvert" not in host.run("ip", "link"), "the interface to be gone")
    assert "culvert" not in host.run("nft", "list", "ruleset")
    daemon.start()
    assert mode_of(daemon) == "kernel"


def test_engine_crash_leaves_the_filter(host, start):
    daemon = start()
    link = host.run("ip", "link", "show", "culvert")
    before = daemon.pids()["engine"]
    os.kill(before, signal.SIGKILL)
    assert "table inet culvert" in host.run("nft", "list", "ruleset")
    wait_until(lambda: daemon.pids().get("engine", before) != before, "a new engine")
    wait_until(lambda: mode_of(daemon) == "kernel" and daemon.api.ok("GET", "/v1/dataplane")["phase"] == "running",
               "kernel mode again")
    assert host.run("ip", "link", "show", "culvert").split(":")[0] == link.split(":")[0]


def test_two_routers_on_one_host(host, start):
    first = start("--node-address", "100.64.7.1/24")
    second = start("--node-address", "100.64.8.1/24")
    links = host.run("ip", "link")
    assert " culvert:" in links and " culvert1:" in links
    assert first.stop() == 0
    wait_until(lambda: host.value("net.ipv4.ip_forward") == "1", "the other to go on forwarding", 3)
    assert mode_of(second) == "kernel"


@pytest.mark.parametrize("attack, show", [
    ("ip route flush dev culvert", "ip route show dev culvert"),
    ("ip address flush dev culvert", "ip -br -4 address show dev culvert"),
    ("ip link set culvert down", "ip route show dev culvert"),
    ("ip link delete culvert", "ip -br -4 address show dev culvert"),
    ("sysctl -qw net.ipv4.ip_forward=0", "sysctl net.ipv4.ip_forward"),
    ("nft flush ruleset", "nft list ruleset"),
])
def test_drift_is_put_right(host, start, attack, show):
    def look():
        return host.run("sh", "-c", show, check=False)
    daemon = start()
    before = look()
    assert before.strip()
    host.run("sh", "-c", attack)
    wait_until(lambda: look() == before, f"{show} to be as before", 3)
    assert mode_of(daemon) == "kernel"


def test_a_route_of_the_host_is_named(host, start):
    daemon = start("--node-address", "100.64.7.1/24", mode="netstack")
    host.run("ip", "route", "add", "100.64.7.0/24", "dev", "lan")
    status, answer, _ = daemon.api.call("PUT", "/v1/dataplane", {"desired": "kernel"})
    assert status == 409 and "100.64.7.0/24" in str(answer) and "lan" in str(answer)
    assert mode_of(daemon) == "netstack"
    host.run("ip", "route", "delete", "100.64.7.0/24", "dev", "lan")


def test_twenty_switches_leave_nothing(host, start):
    daemon = start(mode="netstack")
    before = host.picture()

    def descriptors():
        return {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in daemon.pids().items()}
    daemon.api.ok("PUT", "/v1/dataplane", {"desired": "kernel"})
    daemon.api.ok("PUT", "/v1/dataplane", {"desired": "netstack"})
    opened = descriptors()
    for _ in range(10):
        daemon.api.ok("PUT", "/v1/dataplane", {"desired": "kernel"})
        daemon.api.ok("PUT", "/v1/dataplane", {"desired": "netstack"})
    wait_until(lambda: all(n <= opened[name] for name, n in descriptors().items()), "no more descriptors than before")
    assert host.picture() == before


def test_the_supervisor_keeps_few_capabilities(start):
    daemon = start()
    with open(f"/proc/{daemon.pids()['supervisor']}/status", encoding="utf-8") as file:
        caps = int(next(line for line in file if line.startswith("CapPrm")).split()[1], 16)
    kept = {bit for bit in range(64) if caps >> bit & 1}
    # DAC_OVERRIDE, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_ADMIN, SYS_ADMIN of linux/capability.h.
    assert kept == {1, 5, 6, 7, 8, 10, 12, 21}


def test_only_net_admin(start):
    assert mode_of(start(wrapper=["setpriv", *ONLY_NET_ADMIN])) == "kernel"


def test_an_ordinary_user_with_net_admin(start):
    # A device node that everybody may open, as on most systems.
    script = ("mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && exec setpriv "
              f"--reuid={USER} --regid={USER} --clear-groups {' '.join(ONLY_NET_ADMIN)} \"$@\"")
    daemon = start(owner=USER, wrapper=["unshare", "-m", "sh", "-c", script, "sh"])
    assert mode_of(daemon) == "kernel"


def test_user_namespace(start):
    assert mode_of(start(wrapper=["unshare", "-Urn"])) == "kernel"
