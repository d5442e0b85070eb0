# SPDX-License-Identifier: GPL-2.0-or-later
"""--config FILE: in force at the start and on SIGHUP, or a fault that names the place."""
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

from daemon import Daemon, free_port, ordinary_user
from test_config import peer


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.1)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    for parent in (folder, *folder.parents[:3]):
        os.chmod(parent, 0o755) if os.stat(parent).st_uid == os.geteuid() and str(parent) != "/tmp" else None
    return folder / "culvert.json"


@pytest.fixture(scope="module")
def daemon(path):
    path.write_text(json.dumps({"peers": [peer(1)], "node": {"name": "from-file"}}))
    made = Daemon("--config", str(path))
    yield made
    made.remove()


def names(daemon):
    return [p["name"] for p in daemon.call("GET", "/v1/config").json["peers"]]


def test_it_is_in_force_at_the_start_and_on_sighup(daemon, path):
    assert names(daemon) == ["peer 1"] and daemon.call("GET", "/v1/node").json["name"] == "from-file"
    assert daemon.call("GET", "/v1/config/revisions").json["items"][0]["what"] == "configuration file"
    path.write_text(json.dumps({"peers": [peer(1), peer(2)]}))
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: names(daemon) == ["peer 1", "peer 2"])
    path.write_text(json.dumps({"peers": [peer(1, tags=["a b"])]}))
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "configuration file" in str(daemon.call("GET", "/v1/status").json["health"]))
    assert names(daemon) == ["peer 1", "peer 2"]
    assert "/peers/0/tags/0: " in daemon.logged()
    path.write_text(json.dumps({"peers": []}))
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: names(daemon) == [] and daemon.call("GET", "/v1/status").json["health"] == [])


@pytest.mark.parametrize("text, place", [("{", "line 1"), ('{"peers": [{"id": "x"}], "nonsense": 1}', "/nonsense: "), (None, "cannot be read")])
def test_a_bad_file_at_the_start(daemon, path, text, place):
    other = path.with_name("bad.json")
    other.unlink(missing_ok=True)
    if text is not None:
        other.write_text(text)
    state = os.path.join(daemon.folder, f"state-{len(place)}")
    os.mkdir(state, 0o700)
    if os.geteuid() == 0:
        shutil.chown(state, "nobody")
    run = subprocess.run([*ordinary_user(), daemon.binary, "run", "--state-dir", state, "--no-http", "--config", str(other),
                          "--wg-port", str(free_port(socket.SOCK_DGRAM))], capture_output=True, text=True, timeout=30, check=False, cwd="/")
    assert run.returncode in (1, 2) and place in run.stderr, run
