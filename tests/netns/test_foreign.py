# SPDX-License-Identifier: GPL-2.0-or-later
"""Other firewalls on the router: they stop kernel mode's traffic, the doctor names them, and its fix helps."""
import os
import shutil
import subprocess
import tempfile

import pytest
from lab import Lab, run, wait_until

BUS = """<busconfig><type>session</type><listen>unix:path={folder}/bus</listen><policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>"""


class Firewall:
    """Commands on the router, as an administrator of that firewall types them."""

    def __init__(self, lab):
        self.lab = lab
        self.folder = tempfile.mkdtemp(prefix="culvert-firewall-")
        self.started = []
        self.install()

    def install(self):
        raise NotImplementedError

    def type(self, text):
        return self.lab.router.run("sh", "-c", text)

    def start(self, *args, **kwargs):
        self.started.append(self.lab.router.start(*args, **kwargs))

    def close(self):
        for process in reversed(self.started):
            process.terminate()
            process.wait()
        shutil.rmtree(self.folder)


class Nft(Firewall):
    names = {"forward": "chain forward of table inet filter", "input": "chain input of table inet filter"}

    def install(self):
        self.type("nft add table inet filter; "
                  "nft 'add chain inet filter forward { type filter hook forward priority 0; policy drop; }'; "
                  "nft 'add chain inet filter input { type filter hook input priority 0; policy drop; }'; "
                  "nft add rule inet filter forward ct state established,related accept; "
                  "nft add rule inet filter input ct state established,related accept; "
                  "nft add rule inet filter input meta l4proto ipv6-icmp accept")


class NftRejects(Firewall):
    """Its policy accepts, its last rule does not."""
    names = {"forward": "chain routed of table inet office", "input": "chain local of table inet office"}

    def install(self):
        self.type("nft add table inet office; "
                  "nft 'add chain inet office routed { type filter hook forward priority 5; }'; "
                  "nft 'add chain inet office local { type filter hook input priority 5; }'; "
                  "nft add rule inet office routed ct state established,related accept; "
                  "nft add rule inet office routed counter reject with icmpx admin-prohibited; "
                  "nft add rule inet office local ct state established,related accept; "
                  "nft add rule inet office local meta l4proto ipv6-icmp accept; "
                  "nft add rule inet office local counter drop")


class Docker(Firewall):
    """The rules that dockerd makes for its default bridge, by iptables of nftables."""
    names = {"forward": "chain FORWARD of table ip filter"}

    def install(self):
        self.type("iptables -P FORWARD DROP; "
                  "for c in DOCKER DOCKER-USER DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2; do iptables -N $c; done; "
                  "iptables -A FORWARD -j DOCKER-USER; iptables -A FORWARD -j DOCKER-ISOLATION-STAGE-1; "
                  "iptables -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; "
                  "iptables -A FORWARD -o docker0 -j DOCKER; iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT; "
                  "iptables -A FORWARD -i docker0 -o docker0 -j ACCEPT; "
                  "iptables -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2; "
                  "iptables -A DOCKER-ISOLATION-STAGE-1 -j RETURN; "
                  "iptables -A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP; "
                  "iptables -A DOCKER-ISOLATION-STAGE-2 -j RETURN; iptables -A DOCKER-USER -j RETURN")


class Ufw(Firewall):
    """The real one, its settings in a mount namespace of its own."""
    names = {"forward": "chain FORWARD of table ip filter", "input": "chain INPUT of table ip filter"}

    def install(self):
        shutil.copytree("/etc/ufw", os.path.join(self.folder, "etc"))
        self.start("unshare", "-m", "--propagation", "slave", "sh", "-c",
                   f"mount --bind {self.folder}/etc /etc/ufw && echo ready && exec sleep 600",
                   stdout=subprocess.PIPE, text=True)
        assert self.started[0].stdout.readline() == "ready\n"
        self.type("ufw --force enable")

    def type(self, text):
        return run("nsenter", "-t", str(self.started[0].pid), "-m", "-n", "sh", "-c", text)


class Firewalld(Firewall):
    """The real one, on a bus of its own."""
    names = {"forward": "chain filter_FORWARD of table inet firewalld",
             "input": "chain filter_INPUT of table inet firewalld"}

    def install(self):
        with open(f"{self.folder}/bus.conf", "w", encoding="utf-8") as file:
            file.write(BUS.format(folder=self.folder))
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.folder}/bus"}
        self.start("dbus-daemon", "--nofork", f"--config-file={self.folder}/bus.conf")
        wait_until(lambda: os.path.exists(f"{self.folder}/bus"), "the bus")
        os.makedirs(f"{self.folder}/etc")
        self.start("firewalld", "--nofork", "--nopid", "--system-config", f"{self.folder}/etc",
                   "--log-target", "file", "--log-file", f"{self.folder}/log", env=self.environment)
        wait_until(lambda: "running" in self.lab.router.run("firewall-cmd", "--state", check=False,
                                                            env=self.environment).split(), "firewalld")

    def type(self, text):
        return self.lab.router.run("sh", "-c", text, env=self.environment)


@pytest.fixture
def lab():
    made = Lab("kernel")
    try:
        made.laptop = made.add_client("laptop")
        made.laptop.allow_all()
        assert made.ping("10.20.0.2") == 1
        yield made
    finally:
        made.close()


@pytest.fixture
def firewall(lab, request):
    made = request.param(lab)
    yield made
    made.close()


def reaches(lab, address="10.20.0.2"):
    with lab.listen(address) as server:
        try:
            lab.connect(address, server.getsockname()[1], timeout=2).close()
        except OSError:
            return False
        return True


def doctor(lab, name):
    return [row for row in lab.api.ok("GET", "/v1/doctor")["checks"] if row["id"] == name]


def bad(lab, name):
    return [row for row in doctor(lab, name) if row["status"] != "ok"]


ALL = pytest.mark.parametrize("firewall", [Nft, NftRejects, Docker, Ufw, Firewalld], indirect=True,
                              ids=lambda made: made.__name__)
WITH_INPUT = pytest.mark.parametrize("firewall", [Nft, NftRejects, Ufw, Firewalld], indirect=True,
                                     ids=lambda made: made.__name__)


@ALL
def test_what_stops_forwarding_is_named_and_mended(lab, firewall):
    assert not reaches(lab), "this firewall is meant to be in the way"
    rows = bad(lab, "foreign_firewall")
    assert any(firewall.names["forward"] in row["summary"] and row["status"] == "fail" for row in rows), rows
    wait_until(lambda: f"{firewall.names['forward']} drops" in lab.culvert.logged(), "a line in the log")
    for row in rows:
        firewall.type(row["fix"])
    assert reaches(lab) and reaches(lab, "fd20::2")
    assert not bad(lab, "foreign_firewall")
    wait_until(lambda: "no other firewall stops what is forwarded" in lab.culvert.logged(), "the all-clear in the log")


@WITH_INPUT
def test_what_stops_handshakes_is_named_and_mended(lab, firewall):
    rows = bad(lab, "foreign_firewall_input")
    assert any(firewall.names["input"] in row["summary"] for row in rows), rows
    made = lab.api.ok("POST", "/v1/peers", {"name": "newcomer"})
    far = lab.add_space(f"{lab.client.name}-far")
    lab.link(far, lab.router, "far", "192.0.9.2/24", "192.0.9.1/24", "2001:db8:9::2/64", "2001:db8:9::1/64")
    newcomer = lab.start_client(far, made["client_config"].replace("= 192.0.2.1:", "= 192.0.9.1:"))
    address = lab.router_addresses()[0]
    newcomer.route(f"{address}/32")
    newcomer.allow_all()
    assert lab.ping(address, namespace=far, wait_s=1) == 0, "this firewall is meant to be in the way"
    for row in rows:
        firewall.type(row["fix"])
    assert not bad(lab, "foreign_firewall_input")
    wait_until(lambda: newcomer.handshake_at() > 0, "a handshake")


def test_strict_reverse_paths_are_named_and_mended(lab):
    assert doctor(lab, "rp_filter")[0]["status"] == "ok"
    lab.router.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.culvert.rp_filter=1")
    row, = bad(lab, "rp_filter")
    assert "culvert" in row["summary"]
    lab.router.run("sh", "-c", row["fix"])
    assert doctor(lab, "rp_filter")[0]["status"] == "ok"
    assert reaches(lab)


def test_strict_reverse_paths_of_the_host_do_not_matter(lab):
    lab.culvert.stop()
    lab.router.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.default.rp_filter=1")
    lab.culvert.start()
    assert doctor(lab, "rp_filter")[0]["status"] == "ok"
    wait_until(lambda: lab.ping("10.20.0.2", wait_s=1) == 1, "traffic again")
    assert reaches(lab)
