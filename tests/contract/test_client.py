# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line client: what it prints, and its exit statuses."""
import json
import os
import subprocess

import pytest

from daemon import CULVERT

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
    culvert("mode", "auto")


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["peer"], ["peer", "nonsense"], ["peer", "add"], ["peer", "add", "a", "b"], ["status", "x"],
    ["status", "--qr"], ["peer", "list", "--nonsense"], ["-o", "xml", "status"], ["route", "add", "10.0.0.0/8", "--qr"], ["peer", "add", "a", "--keepalive", "soon"],
    ["flow", "list"], ["token", "list"], ["config", "show"], ["events"], ["backup"], ["restore"], ["doctor"], ["explain"],
])
def test_wrong_usage(culvert, words):
    wrong = culvert(*words, status=USAGE)
    assert "culvert help" in wrong.stderr and wrong.stdout == ""


def test_what_comes_later_says_so(culvert):
    assert "not part of this version yet" in culvert("flow", "list", status=USAGE).stderr


def test_version_and_help(daemon):
    for words in (["version"], ["--version"]):
        assert subprocess.run([daemon.binary, *words], capture_output=True, text=True, check=True).stdout.startswith("culvert ")
    text = subprocess.run([daemon.binary, "help"], capture_output=True, text=True, check=True).stdout
    for word in ("run", "status", "peer add", "route approve", "exit-node", "mode", "--api-socket", "CULVERT_TOKEN"):
        assert word in text


def test_no_daemon():
    done = subprocess.run([os.path.realpath(CULVERT), "--api-socket", "/nonexistent/api.sock",
                           "status"], capture_output=True, text=True, check=False)
    assert done.returncode == ERROR and "/nonexistent/api.sock: No such file" in done.stderr


def test_over_tcp_there_is_no_way_in_yet(daemon):
    done = daemon.client("--url", f"http://127.0.0.1:{daemon.port}", "status", env={"CULVERT_TOKEN": "cvt_x"})
    assert done.returncode == ERROR and "Credential needed" in done.stderr
