# SPDX-License-Identifier: GPL-2.0-or-later
"""One API call moves a running router between the modes."""
import json
import os
import signal
import subprocess
import threading

import pytest
from lab import DEADLINE_S, Lab, wait_until


@pytest.fixture
def lab():
    made = Lab("kernel")
    try:
        made.laptop = made.add_client("laptop")
        assert made.ping("10.20.0.2") == 1
        yield made
    finally:
        made.close()


def switch(lab, mode):
    answer = lab.api.ok("PUT", "/v1/dataplane", {"desired": mode})
    assert answer["actual"] == mode and answer["phase"] == "running", answer


def footprint(lab):
    """What a switch could leave behind: descriptors, tables, rules, routes, links."""
    found = {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in lab.culvert.pids().items()}
    for what in ("rule", "-6 rule", "route show table all", "-6 route show table all", "-br link"):
        # The laboratory's own links get their link-local addresses when they please.
        found[what] = sorted(line for line in lab.router.run("ip", *what.split()).splitlines()
                             if "fe80:" not in line and "ff00:" not in line)
    found["tables"] = lab.router.run("nft", "list", "tables")
    return found


def differences(before, after):
    return {what: (before[what], after[what]) for what in before if before[what] != after[what]}


def test_session_survives_and_new_flows_work_at_once(lab):
    before = lab.laptop.handshake_at()
    for mode in ("netstack", "kernel", "netstack"):
        switch(lab, mode)
        assert lab.ping("10.20.0.2", count=5) == 5
        assert lab.ping("fd20::2", count=2) == 2
        client, server = lab.pair()
        client.sendall(b"hello")
        assert server.recv(10) == b"hello"
        client.close()
        server.close()
    assert lab.laptop.handshake_at() == before, "the session was made anew"


def test_ping_loses_at_most_two_seconds(lab):
    lost, stop = [], threading.Event()

    def pinging():
        silent = 0
        while not stop.is_set():
            silent = 0 if lab.ping("10.20.0.2", wait_s=0.2) else silent + 1
            lost.append(silent)
    thread = threading.Thread(target=pinging)
    thread.start()
    for mode in ("netstack", "kernel") * 3:
        switch(lab, mode)
        seen = len(lost)
        wait_until(lambda target=seen + 3: len(lost) >= target, "pings after the switch")
    stop.set()
    thread.join()
    assert max(lost) <= 10, f"{max(lost)} pings of 0.2 s in a row were lost"


class Iperf:
    """iperf3 through the tunnel: flows that last until something ends them, or as many seconds as told."""

    def __init__(self, lab, *options, seconds=600):
        self.server = lab.lan.start("iperf3", "-s", "-1", "--forceflush", stdout=subprocess.PIPE, text=True)
        assert "---" in self.server.stdout.readline()
        assert "listening" in self.server.stdout.readline()
        self.client = lab.client.start("iperf3", "-c", "10.20.0.2", "-t", str(seconds), "-J", *options,
                                       stdout=subprocess.PIPE, text=True)

    def carries(self, lab):
        """Waits until bytes pass."""
        def bytes_passed():
            assert self.client.poll() is None, self.client.stdout.read()
            return sum(int(n) for n in lab.laptop.show("transfer")[1:])
        before = bytes_passed()
        wait_until(lambda: bytes_passed() > before + 2_000_000, "iperf3's bytes")

    def ends(self):
        """What the client reports when it ends by itself."""
        report, _ = self.client.communicate(timeout=DEADLINE_S)
        return json.loads(report)

    def close(self):
        for process in (self.client, self.server):
            process.kill()
            process.wait()
            process.stdout.close()


def longest_gap(output, interval_s):
    """Seconds without an answer, by the sequence numbers of ping's lines."""
    seen = [int(line.split("icmp_seq=")[1].split()[0]) for line in output.splitlines() if "bytes from" in line]
    return max(b - a for a, b in zip(seen, seen[1:])) * interval_s


@pytest.mark.parametrize("direction", [(), ("-R",)], ids=["up", "down"])
def test_switch_under_load(lab, direction):
    """kernel, netstack, kernel under iperf3 and ping: flows end with an error or go on, the session is kept."""
    session = lab.laptop.handshake_at()
    ping = lab.client.start("ping", "-n", "-i", "0.05", "10.20.0.2", stdout=subprocess.PIPE, text=True)
    try:
        for mode in ("netstack", "kernel"):
            load = Iperf(lab, "-P", "4", *direction)
            try:
                load.carries(lab)
                switch(lab, mode)
                fresh, server = lab.pair()
                fresh.sendall(b"at once")
                assert server.recv(10) == b"at once"
                fresh.close()
                server.close()
                # The flows of one mode cannot move to the other, and nobody waits for them.
                assert "error" in load.ends()
            finally:
                load.close()
            after = Iperf(lab, *direction, seconds=1)
            try:
                report = after.ends()
                assert "error" not in report and report["end"]["sum_received"]["bytes"] > 1_000_000
            finally:
                after.close()
    finally:
        ping.send_signal(signal.SIGINT)
        output, _ = ping.communicate()
    assert longest_gap(output, 0.05) <= 2, output
    assert lab.laptop.handshake_at() == session, "the session was made anew"


def test_netstack_flows_are_reset_by_a_switch(lab):
    switch(lab, "netstack")
    client, server = lab.pair()
    impact = lab.api.ok("PUT", "/v1/dataplane?dry_run=true", {"desired": "kernel"})["impact"]
    assert impact["flows_cut"] >= 1
    switch(lab, "kernel")
    for sock in (client, server):
        sock.settimeout(DEADLINE_S)
        with pytest.raises(ConnectionResetError):
            sock.recv(10)


@pytest.mark.parametrize("address", ["10.20.0.2", "fd20::2"])
def test_kernel_flows_do_not_hang_after_a_switch(lab, address):
    """Not even where both ends only listen."""
    client, server = lab.pair(address)
    switch(lab, "netstack")
    for sock in (client, server):
        sock.settimeout(DEADLINE_S)
        with pytest.raises(ConnectionResetError):
            sock.recv(10)


def test_twenty_switches_leave_nothing(lab):
    for mode in ("netstack", "kernel"):
        switch(lab, mode)
    wait_until(lambda: footprint(lab) == footprint(lab), "the last connections to be closed")
    before = footprint(lab)
    for _ in range(10):
        switch(lab, "netstack")
        switch(lab, "kernel")
    assert lab.ping("10.20.0.2") == 1
    wait_until(lambda: footprint(lab) == before, "the host to be as before", 5, lambda: differences(before, footprint(lab)))


def test_the_wish_survives_a_restart(lab):
    lab.culvert.options = [o for o in lab.culvert.options if o not in ("--mode", "kernel")]
    switch(lab, "netstack")
    assert lab.culvert.stop() == 0
    lab.culvert.start()
    assert lab.api.ok("GET", "/v1/dataplane")["actual"] == "netstack"
    switch(lab, "kernel")
    assert lab.culvert.stop() == 0
    lab.culvert.start()
    assert lab.api.ok("GET", "/v1/dataplane")["actual"] == "kernel"
    wait_until(lambda: lab.ping("10.20.0.2", wait_s=1) == 1, "traffic again")


def test_stopping_restores_the_host(lab):
    assert lab.culvert.stop() == 0
    def state():
        return {
            "rules": lab.router.run("nft", "list", "ruleset"),
            "links": [l.split(":")[1] for l in lab.router.run("ip", "-o", "link").splitlines()],
            "routes": lab.router.run("ip", "route") + lab.router.run("ip", "-6", "route"),
            "rule": lab.router.run("ip", "rule") + lab.router.run("ip", "-6", "rule"),
            "sysctl": lab.router.run("sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding",
                                     "net.ipv6.conf.wan1.accept_ra"),
        }
    before = state()
    assert before["rules"] == "" and "ip_forward = 0" in before["sysctl"]
    lab.culvert.start()
    assert state() != before
    assert lab.culvert.stop() == 0
    assert state() == before
