# SPDX-License-Identifier: GPL-2.0-or-later
"""/metrics follows Prometheus' rules, and the dashboard and alerts name what is in it."""
import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from daemon import ROOT, Daemon

FOLDER = os.path.join(ROOT, "api/monitoring")
DASHBOARD, ALERTS = os.path.join(FOLDER, "dashboard.json"), os.path.join(FOLDER, "alerts.yaml")
LINE = re.compile(r'^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\d+(?:\.\d+)?)$')
NAME = 'quote" back\\slash'


@pytest.fixture(scope="module")
def metrics(daemon):
    daemon.call("POST", "/v1/peers", {"name": NAME})
    daemon.call("PUT", "/v1/routes/one", {"prefix": "10.60.0.0/16"})
    # A peer has a time of its handshake only when there was one.
    return daemon.call("GET", "/metrics").body.decode()


def series(text):
    return {LINE.match(line)[1] for line in text.splitlines() if not line.startswith("#")}


def expressions():
    with open(DASHBOARD, encoding="utf-8") as f:
        board = json.load(f)
    with open(ALERTS, encoding="utf-8") as f:
        groups = yaml.safe_load(f)["groups"]
    assert len({p["id"] for p in board["panels"]}) == len(board["panels"])
    yield from (t["expr"] for p in board["panels"] for t in p["targets"])
    yield from (v["query"]["query"] for v in board["templating"]["list"] if v["type"] == "query")
    yield from (rule["expr"] for group in groups for rule in group["rules"])


def test_each_metric_that_is_named_is_there(metrics):
    there = series(metrics)
    named = {name for e in expressions() for name in re.findall(r"\b(?:culvert|process)_[a-z_]+", e)}
    assert named and named <= there, named - there


def test_reasons_that_are_named_are_there(metrics):
    for e in expressions():
        for pattern in re.findall(r'reason=~?"([^"]+)"', e):
            for reason in pattern.split("|"):
                assert f'reason="{reason}"' in metrics, reason


def test_form(metrics):
    """What promtool's linter looks for, and that lines of a name stay together."""
    helps = re.findall(r"^# HELP ([a-z_]+) \S", metrics, re.M)
    kinds = dict(re.findall(r"^# TYPE ([a-z_]+) (counter|gauge|histogram)$", metrics, re.M))
    assert len(helps) == len(set(helps)) and list(kinds) == helps
    family, seen = None, set()
    for line in metrics.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
        if line.startswith("#"):
            continue
        found = LINE.match(line)
        assert found, line
        base = re.sub("_(bucket|sum|count)$", "", found[1]) if kinds[family] == "histogram" else found[1]
        assert base == family, line
        assert found[0].rsplit(" ", 1)[0] not in seen, line
        seen.add(found[0].rsplit(" ", 1)[0])
    for name, kind in kinds.items():
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(ms|milliseconds|kilobytes|minutes|percent)(_|$)", name), name


def test_names_of_peers_are_escaped(metrics):
    assert 'name="quote\\" back\\\\slash"' in metrics


def test_all_processes_are_there(metrics):
    for process in ("supervisor", "control", "engine"):
        used = re.search(f'^culvert_process_resident_memory_bytes{{process="{process}"}} ([0-9]+)$', metrics, re.M)
        assert int(used[1]) > 100000


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
@pytest.mark.parametrize("words", [("check", "metrics"), ("check", "rules", ALERTS)])
def test_promtool(metrics, words):
    done = subprocess.run(["promtool", *words], input=metrics, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_secret(daemon, metrics):
    made = daemon.call("POST", "/v1/peers", {"name": "keyed", "preshared_key": "m" * 42 + "0="})
    text = daemon.call("GET", "/metrics").body.decode()
    assert made.json["private_key"] not in text and "m" * 42 not in text


def test_open_to_all_only_where_asked_for(daemon):
    assert daemon.call("GET", "/metrics", tcp=True).status == 401
    other = Daemon("--metrics-open")
    try:
        reply = other.call("GET", "/metrics", tcp=True)
        assert reply.status == 200 and b"culvert_ready 1\n" in reply.body
        assert other.call("GET", "/v1/status", tcp=True).status == 401
    finally:
        other.remove()
