# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line client: what it prints, and its exit statuses."""
import json
import os
import subprocess
import threading

import pytest

from daemon import CULVERT, Daemon

OK, ERROR, USAGE, CONFLICT = 0, 1, 2, 4


@pytest.fixture
def culvert(daemon):
    def run(*words, status=OK):
        done = daemon.client(*words)
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return done
    return run


def test_status(culvert):
    text = culvert("status").stdout
    assert text.startswith("culvert ") and ": ready\n" in text
    assert "mode         netstack" in text
    assert json.loads(culvert("-o", "json", "status").stdout)["ready"] is True
    assert json.loads(culvert("status", "-o", "json").stdout)["ready"] is True


def test_peers(culvert):
    made = culvert("peer", "add", "laptop", "--tag", "home", "--tag", "work", "--keepalive", "25")
    assert made.stdout.startswith("[Interface]\nPrivateKey = ") and "not stored" in made.stderr
    listed = culvert("peer", "list").stdout.splitlines()
    assert listed[0].startswith("NAME") and listed[1].startswith("laptop") and "offline" in listed[1]
    # The columns are aligned.
    assert listed[0].index("STATE") == listed[1].index("offline")
    peer = json.loads(culvert("-o", "json", "peer", "list").stdout)[0]
    assert (peer["tags"], peer["persistent_keepalive_s"]) == (["home", "work"], 25)
    for name in ("laptop", peer["id"]):
        assert peer["public_key"] in culvert("peer", "show", name).stdout
    assert "PrivateKey = <" in culvert("peer", "config", "laptop").stdout
    assert "█" in culvert("peer", "config", "laptop", "--qr").stdout
    assert culvert("peer", "config", "laptop", "--svg").stdout.startswith("<svg ")
    culvert("peer", "disable", "laptop")
    assert "disabled" in culvert("peer", "list").stdout
    culvert("peer", "enable", "laptop")
    assert "disabled" not in culvert("peer", "list").stdout
    culvert("peer", "remove", "laptop", "--dry-run")
    culvert("peer", "remove", "laptop")
    assert "laptop" not in culvert("peer", "list").stdout
    assert "laptop" in culvert("peer", "show", "laptop", status=ERROR).stderr


def test_limits_of_a_peer(culvert):
    culvert("peer", "add", "guest", "--rate-in", "10M", "--rate-out", "1.5Mi", "--max-flows", "100",
            "--quota", "50G", "--quota-period", "month")
    peer = json.loads(culvert("-o", "json", "peer", "show", "guest").stdout)
    assert peer["limits"] == {"rate_in_bps": 10_000_000, "rate_out_bps": 3 << 19,
                              "quota_bytes": 50_000_000_000, "quota_period": "month", "max_flows": 100}
    shown = culvert("peer", "show", "guest").stdout
    assert "rate in      10 Mbit/s" in shown and "max flows    100" in shown and "of 47 GiB, period month" in shown
    for option, value in (("--rate-in", "fast"), ("--rate-in", "1k"), ("--rate-out", "2T"), ("--max-flows", "-1"), ("--quota", "lots"),
                          ("--quota-period", "year")):
        refused = culvert("peer", "add", "other", option, value, status=ERROR).stderr
        assert f"/limits/{option[2:].replace('-', '_')}" in refused, refused
    culvert("peer", "remove", "guest")


def test_a_qr_code_does_not_get_into_the_file(culvert):
    made = culvert("peer", "add", "phone", "--qr")
    assert "█" in made.stderr and "█" not in made.stdout
    culvert("peer", "remove", "phone")


def test_faults_name_the_members(culvert):
    wrong = culvert("peer", "add", "x", "--address", "10.0.0.1/8", "--endpoint", "nowhere", status=ERROR)
    assert "  /addresses/0: " in wrong.stderr and "  /endpoint: " in wrong.stderr and wrong.stdout == ""
    culvert("peer", "add", "twice")
    clash = culvert("peer", "add", "twice", status=CONFLICT)
    assert "in the way: peer_" in clash.stderr
    culvert("peer", "remove", "twice")


def test_routes(culvert):
    assert "10.20.0.0/16 is active" in culvert("route", "add", "10.20.0.0/16", "--protocol", "tcp", "--port", "443",
                                             "--port", "8000-8099", "--description", "office").stdout
    line = culvert("route", "list").stdout.splitlines()[1]
    assert "443, 8000-8099" in line and "office" in line
    culvert("route", "add", "10.20.0.0/16", status=CONFLICT)
    culvert("route", "approve", "10.20.0.0/16")
    culvert("route", "remove", "10.20.0.0/16")
    culvert("route", "remove", "10.20.0.0/16", status=ERROR)


def test_routes_name_peers_by_name(culvert):
    culvert("peer", "add", "branch office", "--tag", "sites")
    peer = json.loads(culvert("-o", "json", "peer", "list").stdout)[0]["id"]
    made = json.loads(culvert("-o", "json", "route", "add", "10.40.0.0/16", "--via", "branch office", "--map-to",
                              "192.168.0.0/16", "--peer", "branch office", "--peer", "tag:sites", "--protocol", "47",
                              "--protocol", "tcp").stdout)
    assert (made["via"], made["map_to"], made["peers"], made["protocols"]) == \
        (peer, "192.168.0.0/16", [peer, "tag:sites"], [47, "tcp"])
    line = culvert("route", "list").stdout.splitlines()[1]
    assert "192.168.0.0/16" in line and peer in line
    assert "/snat" in culvert("route", "add", "10.41.0.0/16", "--snat", "some", status=ERROR).stderr
    assert "nobody" in culvert("route", "add", "10.41.0.0/16", "--via", "nobody", status=ERROR).stderr
    culvert("peer", "remove", "branch office", status=CONFLICT)
    culvert("peer", "remove", "branch office", "--cascade")


def test_explain(culvert):
    culvert("peer", "add", "laptop")
    culvert("route", "add", "10.20.0.0/16", "--protocol", "tcp", "--port", "443")
    way = culvert("explain", "laptop", "10.20.0.5", "--port", "443").stdout.splitlines()
    assert len(way) > 1 and way[-1].startswith("forward") and "netstack mode" in way[-1]
    way = culvert("explain", "laptop", "10.20.0.5", "--protocol", "udp", "--port", "53", status=ERROR).stdout.splitlines()
    assert way[-1].startswith("refuse")
    assert json.loads(culvert("-o", "json", "explain", "laptop", "10.20.0.5", status=ERROR).stdout)["verdict"] == "refuse"
    assert "/peer" in culvert("explain", "nobody", "10.20.0.5", status=ERROR).stderr
    culvert("route", "remove", "10.20.0.0/16")
    culvert("peer", "remove", "laptop")


def test_flows(culvert):
    culvert("peer", "add", "laptop")
    assert culvert("flow", "list", "--peer", "laptop", "--protocol", "tcp").stdout.startswith("PEER")
    assert json.loads(culvert("-o", "json", "flow", "list").stdout) == []
    assert "nobody" in culvert("flow", "list", "--peer", "nobody", status=ERROR).stderr
    assert "protocol" in culvert("flow", "list", "--protocol", "nonsense", status=ERROR).stderr
    assert "Not found" in culvert("flow", "kill", "flow_1", status=ERROR).stderr
    culvert("peer", "remove", "laptop")


def test_doctor(culvert, daemon):
    fails = "fail" in [c["status"] for c in daemon.call("GET", "/v1/doctor").json["checks"]]
    lines = culvert("doctor", status=ERROR if fails else OK).stdout.splitlines()
    assert lines[0].split() == ["STATUS", "CHECK", "SUMMARY"] and len(lines) > 1


def test_exit_node(culvert):
    assert "off" in culvert("exit-node", "show").stdout
    assert "on, IPv4 only" in culvert("exit-node", "on", "--no-ipv6").stdout
    assert "on, IPv4 and IPv6" in culvert("exit-node", "on").stdout
    assert "exit node    off" in culvert("exit-node", "off").stdout


def test_mode(culvert):
    assert "netstack" in culvert("mode").stdout
    culvert("mode", "netstack")
    assert "  " in culvert("mode", "kernel", status=CONFLICT).stderr
    culvert("mode", "fast", status=ERROR)
    cost = culvert("mode", "netstack", "--dry-run").stdout
    assert "would cut    0 flows" in cost and "the same source address" in cost
    culvert("mode", "auto")


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["peer"], ["peer", "nonsense"], ["peer", "add"], ["peer", "add", "a", "b"], ["status", "x"],
    ["status", "--qr"], ["peer", "list", "--nonsense"], ["-o", "xml", "status"], ["route", "add", "10.0.0.0/8", "--qr"], ["peer", "add", "a", "--keepalive", "soon"],
    ["token"], ["token", "create"], ["config"], ["restore"], ["flow"], ["flow", "kill"], ["flow", "list", "x"],
    ["doctor", "x"], ["explain"], ["explain", "laptop"], ["mode", "auto", "--via", "x"],
])
def test_wrong_usage(culvert, words):
    wrong = culvert(*words, status=USAGE)
    assert "culvert help" in wrong.stderr and wrong.stdout == ""


def test_what_comes_later_says_so(culvert):
    assert "not part of this version yet" in culvert("restore", status=USAGE).stderr


def test_version_and_help(daemon):
    for words in (["version"], ["--version"]):
        assert subprocess.run([daemon.binary, *words], capture_output=True, text=True, check=True).stdout.startswith("culvert ")
    text = subprocess.run([daemon.binary, "help"], capture_output=True, text=True, check=True).stdout
    for word in ("run", "status", "peer add", "route approve", "exit-node", "mode", "explain", "flow kill", "doctor", "--map-to",
                 "--api-socket", "CULVERT_TOKEN"):
        assert word in text


def test_no_daemon():
    done = subprocess.run([os.path.realpath(CULVERT), "--api-socket", "/nonexistent/api.sock",
                           "status"], capture_output=True, text=True, check=False)
    assert done.returncode == ERROR and "/nonexistent/api.sock: No such file" in done.stderr


def test_over_tcp_there_is_no_way_in_yet(daemon):
    done = daemon.client("--url", f"http://127.0.0.1:{daemon.port}", "status", env={"CULVERT_TOKEN": "cvt_x"})
    assert done.returncode == ERROR and "Credential needed" in done.stderr


def test_events_are_followed_over_restarts():
    """What happens while the client is away, or the daemon, is told by the next connection."""
    daemon = Daemon()
    follower = subprocess.Popen([daemon.binary, "--api-socket", daemon.socket, "events", "--types", "peer.*", "-o", "json"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        # The first event tells that the stream is there.
        made = 0
        reader = threading.Thread(target=lambda: seen_lines.append(follower.stdout.readline()))
        seen_lines = []
        reader.start()
        while reader.is_alive():
            daemon.call("POST", "/v1/peers", {"name": f"first-{made}"})
            made += 1
            reader.join(0.05)
        seen = json.loads(seen_lines[0])
        assert seen["type"] == "peer.created" and seen["data"]["name"].startswith("first-")
        daemon.restart()
        assert "trying again" in follower.stderr.readline()
        for line in follower.stdout:
            event = json.loads(line)
            if event["type"] == "resync":
                break
            assert event["type"] == "peer.created"
        daemon.call("POST", "/v1/peers", {"name": "second"})
        assert json.loads(follower.stdout.readline())["data"]["name"] == "second"
    finally:
        follower.kill()
        follower.communicate()
        daemon.remove()


def test_events_that_cannot_be_followed(daemon):
    done = daemon.client("events", "--types", "nonsense")
    assert done.returncode == 1 and "types" in done.stderr
    done = daemon.client("events", "--api-socket", "/nowhere/api.sock")
    assert done.returncode == 1 and "does not answer" in done.stderr
