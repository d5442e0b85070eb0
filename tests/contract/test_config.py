# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration as one document: read, sent back, changed whole or not at all."""
import base64
import copy
import datetime
import json
import os
import random
import select
import sqlite3
import time

import pytest

ANY = {"If-Match": "*"}


def key(n):
    """A public key that nobody has the private half of."""
    return base64.b64encode(n.to_bytes(31, "big") + b"\x01").decode()


def peer(n, **members):
    return {"id": f"p{n:05}", "name": f"peer {n}", "public_key": key(n + 1),
            "addresses": [f"10.{100 + (n >> 16)}.{n >> 8 & 255}.{n & 255}/32"], **members}


def put(call, document, query="", headers=None):
    return call("PUT", "/v1/config", document, query, headers or ANY)


@pytest.fixture(autouse=True)
def empty(call):
    assert put(call, {"peers": [], "routes": [], "policy": {}, "exit_node": {}}).status == 200


def pointers(reply):
    assert reply.status == 422, reply.body
    return {e["pointer"] for e in reply.json["errors"]}


def test_what_get_gave_changes_nothing(call):
    call("PUT", "/v1/peers/{id}", {"name": "a", "public_key": key(1), "preshared_key": key(2)}, id="a")
    call("PUT", "/v1/routes/{id}", {"prefix": "10.20.0.0/16", "peers": ["a"]}, id="office")
    got = call("GET", "/v1/config")
    assert "preshared_key" not in got.json["peers"][0] and got.json["peers"][0]["has_preshared_key"]
    assert call("GET", "/v1/config", headers={"If-None-Match": got.headers["ETag"]}).status == 304
    same = put(call, got.body, headers={"If-Match": got.headers["ETag"]})
    assert (same.status, same.headers["ETag"]) == (200, got.headers["ETag"])
    assert same.json == {**got.json, "created": [], "changed": [], "deleted": [], "pending": None}
    assert put(call, same.body).headers["ETag"] == got.headers["ETag"]
    assert "PresharedKey" in call("GET", "/v1/peers/{id}/config", id="a").body.decode()
    got.json["peers"][0]["preshared_key"] = None
    gone = put(call, {"peers": [{**got.json["peers"][0], "preshared_key": None}]})
    assert (gone.json["changed"], gone.json["peers"][0]["has_preshared_key"]) == (["a"], False)


def test_it_is_made_so(call):
    first = put(call, {"peers": [peer(1), peer(2)], "routes": [{"id": "r", "prefix": "10.20.0.0/16"},
                                                               {"id": "s", "prefix": "10.30.0.0/16", "via": "p00001"}]})
    assert first.json["created"] == ["p00001", "p00002", "r", "s"]
    revision = call("GET", "/v1/status").json["revision"]
    document = {"peers": [peer(2, name="other"), peer(3)], "routes": [{"id": "r", "prefix": "10.21.0.0/16", "peers": ["p00003"]}],
                "exit_node": {"enabled": True}, "policy": {"default": "deny"}}
    rehearsed = put(call, document, "?dry_run=true")
    assert call("GET", "/v1/status").json["revision"] == revision
    done = put(call, document)
    assert rehearsed.json == done.json
    assert (done.json["created"], done.json["deleted"]) == (["p00003"], ["p00001", "s"])
    assert done.json["changed"] == ["p00002", "r", "exit_node", "policy"]
    assert call("GET", "/v1/status").json["revision"] == revision + 1
    assert call("GET", "/v1/peers/{id}", id="p00002").json["name"] == "other"
    assert call("GET", "/v1/peers/{id}", id="p00001").status == 404
    assert call("GET", "/v1/routes/{id}", id="r").json["prefix"] == "10.21.0.0/16"


def test_sections_left_out_stay(call):
    put(call, {"peers": [peer(1), peer(2)], "routes": [{"id": "r", "prefix": "10.20.0.0/16", "peers": ["p00001", "p00002"]}]})
    done = put(call, {"peers": [peer(1)]})
    assert done.json["routes"][0]["peers"] == ["p00001"]
    assert (done.json["changed"], done.json["deleted"]) == (["r"], ["p00002"])
    node = call("GET", "/v1/node").json
    assert put(call, {"node": {"name": "gate"}}).json["node"] == {**node, "name": "gate"}


def test_a_precondition_is_needed(call):
    assert call("PUT", "/v1/config", {}).status == 428
    tag = call("GET", "/v1/config").headers["ETag"]
    put(call, {"peers": [peer(1)]})
    late = put(call, {"peers": []}, headers={"If-Match": tag})
    assert (late.status, f'"r{late.json["current_revision"]}"') == (412, call("GET", "/v1/config").headers["ETag"])
    assert len(call("GET", "/v1/config").json["peers"]) == 1


def test_every_fault_is_listed_and_nothing_done(call):
    put(call, {"peers": [peer(1)]})
    before = call("GET", "/v1/config")
    wrong = put(call, {
        "node": {"mtu": 1, "addresses": ["10.101.0.7/24"], "private_key": "x"},
        "peers": [peer(2, name="same"), peer(3, name="same", tags=["a b"]), peer(4, addresses=["10.100.0.2/31"]), {"id": "-"},
                  peer(5, public_key=key(3), nonsense=1), {**peer(6), "id": "p00002"}, {"name": "no id"}, 7],
        "routes": [{"id": "r", "prefix": "10.0.0.1/8"}, {"id": "s", "prefix": "10.30.0.0/16", "via": "p00003", "peers": ["nobody"]},
                   {"id": "t", "prefix": "10.30.0.0/16"}, {"id": "u", "prefix": "10.100.0.0/24", "via": "p00003"}],
        "exit_node": {"snat": "lots"}, "dataplane": {"desired": "magic"}, "policy": {"rules": [{"peers": ["nobody"]}]}, "more": 1})
    assert pointers(wrong) == {
        "/node/mtu", "/node/private_key", "/peers/1/name", "/peers/1/tags/0", "/peers/2/addresses/0", "/peers/3/id", "/peers/3/name",
        "/peers/3/public_key", "/peers/4/public_key", "/peers/4/nonsense", "/peers/5/id", "/peers/6/id", "/peers/6/public_key",
        "/peers/7", "/peers/7/name", "/peers/7/public_key", "/peers/7/id",
        "/routes/0/prefix", "/routes/1/peers/0", "/routes/2/prefix", "/routes/3/prefix",
        "/exit_node/snat", "/dataplane/desired", "/policy/rules/0/action", "/policy/rules/0/peers/0", "/more"}
    after = call("GET", "/v1/config")
    assert (after.json, after.headers["ETag"]) == (before.json, before.headers["ETag"])


def test_peers_may_swap_what_is_unique(call):
    put(call, {"peers": [peer(1), peer(2)], "routes": [{"id": "a", "prefix": "10.20.0.0/16"}, {"id": "b", "prefix": "10.21.0.0/16"}]})
    swapped = {"peers": [{**peer(2), "id": "p00001"}, {**peer(1), "id": "p00002"}],
               "routes": [{"id": "a", "prefix": "10.21.0.0/16"}, {"id": "b", "prefix": "10.20.0.0/16"}]}
    done = put(call, swapped)
    assert done.json["changed"] == ["p00001", "p00002", "a", "b"]
    assert call("GET", "/v1/peers/{id}", id="p00001").json["public_key"] == key(3)


def test_a_peer_that_routes_go_via_must_stay(call):
    put(call, {"peers": [peer(1)], "routes": [{"id": "s", "prefix": "10.30.0.0/16", "via": "p00001"}]})
    assert pointers(put(call, {"peers": []})) == {"/peers"}
    assert put(call, {"peers": [], "routes": []}).json["deleted"] == ["p00001", "s"]


def test_a_mode_that_is_not_possible_is_409(call):
    refused = put(call, {"peers": [peer(1)], "dataplane": {"desired": "kernel"}})
    assert refused.status == 409 and call("GET", "/v1/config").json["peers"] == []
    assert put(call, {"dataplane": {"desired": "netstack"}}).json["changed"] == ["dataplane"]
    assert put(call, {"dataplane": {"desired": "auto"}}).json["dataplane"] == {"desired": "auto"}


def test_new_peers_get_addresses(call):
    document = {"peers": [peer(n) for n in range(3)]}
    for p in document["peers"]:
        del p["addresses"]
    done = put(call, document).json["peers"]
    assert len({a for p in done for a in p["addresses"]}) == 6
    assert put(call, document).json["peers"] == done


def test_the_node_takes_another_key(call):
    """The key pair of RFC 7748, 6.1 (Alice)."""
    before = call("GET", "/v1/node").json
    private = base64.b64encode(bytes.fromhex("77076d0a7318a57d3c16c17251b26645c6cf3b9edcbb6f5d4a4b3d5a3a0f9a2c")).decode()
    done = put(call, {"node": {"private_key": private}})
    assert done.status == 200 and done.json["changed"] == ["node"]
    assert done.json["node"]["public_key"] != before["public_key"]
    assert private.rstrip("=") not in done.body.decode() + call("GET", "/v1/config").body.decode()
    assert put(call, {"node": {"private_key": private}}).json["changed"] == []
    own = put(call, {"peers": [peer(1, public_key=done.json["node"]["public_key"])]})
    assert pointers(own) == {"/peers/0/public_key"}


def patched(document, patch):
    """RFC 6902, as far as plans use it."""
    document = copy.deepcopy(document)
    for op in patch:
        *way, last = [w.replace("~1", "/").replace("~0", "~") for w in op["path"].split("/")[1:]]
        place = document
        for word in way:
            place = place[int(word)] if isinstance(place, list) else place[word]
        if isinstance(place, list):
            last = int(last)
        if op["op"] == "remove":
            assert place.pop(last) == op["was"]
        elif op["op"] == "add" and isinstance(place, list):
            place.insert(last, op["value"])
        else:
            place[last] = op["value"]
    return document


def random_document(rng):
    some = rng.sample(range(9), rng.randint(0, 6))
    names = rng.sample(range(9), len(some))
    routes = rng.sample(range(6), rng.randint(0, 4))
    prefixes = rng.sample([f"10.{50 + i}.0.0/16" for i in range(4)] + ["10.50.0.0/17", "10.50.0.0/18"], len(routes))
    rules = rng.sample(["x", "y", "z"], rng.randint(0, 3))
    return {
        "node": {"name": rng.choice(["a", "b"]), "mtu": rng.choice([1300, 1420])},
        "peers": [{**peer(n), "id": f"p{i:05}", "tags": rng.sample(["s", "t"], rng.randint(0, 2)),
                   "preshared_key": rng.choice([None, key(70), key(71)])} for i, n in zip(some, names)],
        "routes": [{"id": f"r{i}", "prefix": n, "via": rng.choice(["router", *[f"p{p:05}" for p in some]]),
                    "peers": rng.choice(["all", ["tag:s"], [f"p{p:05}" for p in some]])} for i, n in zip(routes, prefixes)],
        "exit_node": {"enabled": rng.random() < 0.5},
        "policy": {"rules": [{"id": i, "action": "deny", "ports": [str(rng.randint(1, 9))]} for i in rules]}}


def secrets(call, document):
    return [call("GET", "/v1/peers/{id}/config", id=p["id"]).body for p in document["peers"]]


@pytest.mark.parametrize("seed", range(12))
def test_plans_come_true_and_revisions_come_back(call, seed):
    rng = random.Random(seed)
    seen = []
    for _ in range(8):
        document = random_document(rng)
        before = call("GET", "/v1/config")
        plan = call("POST", "/v1/config/plan", document)
        assert (plan.status, f'"r{plan.json["base_revision"]}"') == (200, before.headers["ETag"])
        done = put(call, document, headers={"If-Match": before.headers["ETag"]})
        assert done.status == 200, done.body
        after = call("GET", "/v1/config")
        assert patched(before.json, plan.json["diff"]) == after.json
        for member in ("created", "changed", "deleted"):
            assert plan.json[member] == done.json[member]
        seen.append((int(after.headers["ETag"].strip('"r')), after.json, secrets(call, after.json)))
    for revision, document, keys in rng.sample(seen, 5):
        back = call("POST", "/v1/config/rollback", {"revision": revision})
        assert back.status == 200, back.body
        now = call("GET", "/v1/config").json
        assert (now, secrets(call, now)) == (document, keys)
        assert {k: back.json[k] for k in now} == now


def test_what_a_plan_says_of_the_impact(call):
    put(call, {"peers": [peer(n, preshared_key=key(70)) for n in range(5)]})
    plan = call("POST", "/v1/config/plan", {
        "node": {"listen_port": 4}, "peers": [peer(0), peer(1, preshared_key=key(71)), peer(2, enabled=False), peer(3, public_key=key(99))]})
    impact = plan.json["impact"]
    assert impact["peers_cut"] == ["p00001", "p00002", "p00003", "p00004"] and impact["listen_port_change"]
    assert (impact["mode_switch"], impact["mode_after"], impact["flows_cut"]) == (False, "netstack", 0)
    assert [(o["path"], o.get("secret_changed")) for o in plan.json["diff"] if o["path"].startswith("/peers/1/")] == \
        [("/peers/1/has_preshared_key", True)]
    assert key(71) not in plan.body.decode()
    assert pointers(call("POST", "/v1/config/plan", {"peers": [{}]})) >= {"/peers/0/id"}
    assert call("POST", "/v1/config/plan", {"dataplane": {"desired": "kernel"}}).status == 409


def test_revisions_say_who_and_what(call):
    call("PUT", "/v1/peers/{id}", {"name": "a", "public_key": key(1)}, id="a")
    call("PATCH", "/v1/peers/{id}", {"enabled": False}, id="a")
    got = call("GET", "/v1/config/revisions").json
    assert [i["what"] for i in got["items"][:2]] == ["PATCH /v1/peers/a", "PUT /v1/peers/a"]
    assert got["items"][0]["revision"] == got["revision"] and got["pending"] is None
    assert (got["items"][0]["who"], got["items"][0]["from"]) == (f"uid:{os.geteuid()}", "socket")
    assert call("POST", "/v1/config/rollback", {}).json["changed"] == ["a"]
    assert call("GET", "/v1/peers/{id}", id="a").json["enabled"] is True
    for n in range(60):
        call("PATCH", "/v1/peers/{id}", {"persistent_keepalive_s": n}, id="a")
    items = call("GET", "/v1/config/revisions").json["items"]
    assert len(items) == 50
    assert call("POST", "/v1/config/rollback", {"revision": items[-1]["revision"]}).status == 200
    for revision in (1, 10 ** 9):
        assert pointers(call("POST", "/v1/config/rollback", {"revision": revision})) == {"/revision"}


def arm(call, document=None, seconds=600):
    done = put(call, document or {"peers": [peer(1)]}, f"?confirm_within_s={seconds}")
    assert done.status == 200 and done.json["pending"]["revision"] == done.json["pending"]["base_revision"] + 1
    return done


def test_confirming(call):
    assert call("POST", "/v1/config/confirm").status == 409
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert call("POST", "/v1/config/confirm", b"x=1", headers=form, tcp=True).status == 415
    pending = arm(call).json["pending"]
    assert call("GET", "/v1/status").json["pending"] == pending == call("GET", "/v1/config/revisions").json["pending"]
    assert call("POST", "/v1/config/confirm", query="?dry_run=true").status == 200
    assert call("POST", "/v1/config/confirm").json == {"revision": pending["revision"]}
    assert call("GET", "/v1/status").json["pending"] is None and len(call("GET", "/v1/config").json["peers"]) == 1
    # What changes nothing has nothing to confirm.
    assert put(call, {"peers": [peer(1)]}, "?confirm_within_s=10").json["pending"] is None
    for wrong in ("9", "3601", "x", ""):
        assert put(call, {}, f"?confirm_within_s={wrong}").status == 400


def test_taking_back_what_waits(call):
    put(call, {"peers": [peer(1)]})
    arm(call, {"peers": [peer(1), peer(2)]})
    back = call("POST", "/v1/config/rollback", {}).json
    assert (back["deleted"], back["pending"]) == (["p00002"], None)
    assert put(call, {"peers": []}).status == 200


OTHER_WRITES = [
    ("PATCH", "/v1/node", {"name": "else"}), ("POST", "/v1/peers", {"name": "else"}),
    ("PUT", "/v1/peers/{id}", {"name": "else", "public_key": key(9)}), ("PATCH", "/v1/peers/{id}", {"enabled": False}),
    ("DELETE", "/v1/peers/{id}", None), ("POST", "/v1/routes", {"prefix": "10.9.0.0/16"}),
    ("PUT", "/v1/routes/{id}", {"prefix": "10.9.0.0/16"}), ("PATCH", "/v1/routes/{id}", {"enabled": False}),
    ("DELETE", "/v1/routes/{id}", None), ("PUT", "/v1/exit-node", {"enabled": True}), ("PATCH", "/v1/exit-node", {"enabled": True}),
    ("PUT", "/v1/dataplane", {"desired": "netstack"}), ("PUT", "/v1/policy", {"default": "deny"}), ("PUT", "/v1/config", {"peers": []})]


def test_other_writes_are_refused_meanwhile(call):
    arm(call, {"peers": [peer(1)], "routes": [{"id": "p00001", "prefix": "10.20.0.0/16"}]})
    before = call("GET", "/v1/config").json
    for method, path, body in OTHER_WRITES:
        refused = call(method, path, body, headers=ANY if path == "/v1/config" else None, id="p00001")
        assert (refused.status, refused.json["type"]) == (409, "/problems/change_pending"), path
    assert call("GET", "/v1/config").json == before
    assert call("POST", "/v1/config/confirm").status == 200
    assert call("DELETE", "/v1/peers/{id}", id="p00001").status == 204


def test_a_killed_daemon_still_goes_back(call, daemon):
    put(call, {"peers": [peer(1, preshared_key=key(50))]})
    kept = call("GET", "/v1/peers/{id}/config", id="p00001").body
    arm(call, {"peers": [peer(2)]}, 10)
    daemon.kill()
    daemon.start()
    pending = call("GET", "/v1/status").json["pending"]
    assert pending and len(call("GET", "/v1/config").json["peers"]) == 1
    daemon.kill()
    until = datetime.datetime.fromisoformat(pending["deadline"].replace("Z", "+00:00")).timestamp()
    # Until the deadline has passed while nothing runs.
    select.select([], [], [], max(0, until - time.time()) + 0.1)
    daemon.start()
    status = call("GET", "/v1/status").json
    assert status["pending"] is None
    assert [p["id"] for p in call("GET", "/v1/config").json["peers"]] == ["p00001"]
    assert call("GET", "/v1/peers/{id}/config", id="p00001").body == kept
    last = call("GET", "/v1/config/revisions").json["items"][0]
    assert (last["who"], last["what"], last["revision"]) == ("daemon", "not confirmed in time", status["revision"])


def test_the_deadline_passes(call):
    put(call, {"peers": [peer(1)]})
    arm(call, {"peers": [peer(2)]}, 10)
    deadline = time.monotonic() + 20
    while call("GET", "/v1/status").json["pending"] and time.monotonic() < deadline:
        select.select([], [], [], 0.2)
    assert [p["id"] for p in call("GET", "/v1/config").json["peers"]] == ["p00001"]


def test_a_new_key(call):
    before = call("GET", "/v1/node").json
    assert call("POST", "/v1/node/rotate-key", headers={"If-Match": '"r999999"'}).status == 412
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert call("POST", "/v1/node/rotate-key", b"x=1", headers=form, tcp=True).status == 415
    after = call("POST", "/v1/node/rotate-key").json
    assert after["public_key"] != before["public_key"]
    assert call("GET", "/v1/node").json == after == {**before, "public_key": after["public_key"]}
    arm(call)
    assert call("POST", "/v1/node/rotate-key").status == 409
    assert call("POST", "/v1/config/rollback", {}).status == 200
    assert call("POST", "/v1/config/rollback", {"revision": call("GET", "/v1/status").json["revision"] - 2}).status == 200


def test_backups_are_whole_databases(call, tmp_path):
    call("PUT", "/v1/peers/{id}", {"name": "a", "public_key": key(1), "preshared_key": key(2)}, id="a")
    got = call("GET", "/v1/backup")
    assert got.type == "application/vnd.sqlite3"
    copy_of = tmp_path / "copy.db"
    copy_of.write_bytes(got.body)
    with sqlite3.connect(copy_of) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT name, preshared_key FROM peer").fetchall() == [("a", base64.b64decode(key(2)))]
    assert call("GET", "/v1/backup", headers={"Accept": "image/png"}).status == 406


def test_the_command_line(call, daemon, tmp_path):
    net = tmp_path / "net.json"
    net.write_text(json.dumps({"peers": [peer(1)], "routes": [{"id": "r", "prefix": "10.20.0.0/16"}]}))
    planned = daemon.client("config", "plan", str(net))
    assert planned.returncode == 3 and "+ /peers/0 " in planned.stdout, planned
    assert json.loads(daemon.client("config", "plan", str(net), "-o", "json").stdout)["created"] == ["p00001", "r"]
    applied = daemon.client("config", "apply", str(net), "--confirm-within", "10m")
    assert applied.returncode == 0 and "created p00001\n" in applied.stdout and "culvert config confirm" in applied.stdout
    assert daemon.client("peer", "remove", "peer 1").returncode == 4
    assert daemon.client("config", "confirm").returncode == 0
    assert daemon.client("config", "confirm").returncode == 4
    again = daemon.client("config", "plan", str(net))
    assert (again.returncode, again.stdout) == (0, "no change\n")
    shown = json.loads(daemon.client("config", "show").stdout)
    assert shown == call("GET", "/v1/config").json
    assert "deleted p00001" in daemon.client("config", "rollback").stdout
    net.write_text('{"peers": [{"id": "x"}]}')
    wrong = daemon.client("config", "apply", str(net))
    assert wrong.returncode == 1 and "/peers/0/name: " in wrong.stderr
    net.write_text("{")
    assert daemon.client("config", "plan", str(net)).returncode == 1
    assert daemon.client("config", "apply", str(net), "--confirm-within", "soon").returncode == 2
    copy_of = tmp_path / "copy.db"
    assert daemon.client("backup", str(copy_of)).returncode == 0
    assert copy_of.stat().st_mode & 0o777 == 0o600 and copy_of.read_bytes().startswith(b"SQLite format 3")
    assert daemon.client("backup", str(copy_of)).returncode == 1


def test_thousands_of_peers(call, daemon):
    document = {"peers": [peer(n, addresses=[f"10.{100 + (n >> 16)}.{n >> 8 & 255}.{n & 255}/32"]) for n in range(10000)]}
    started = time.monotonic()
    done = daemon.call("PUT", "/v1/config", document, ANY)
    took = time.monotonic() - started
    assert done.status == 200, done.body[:500]
    assert len(done.json["created"]) == 10000
    print(f"10,000 peers in {took:.2f} s")
    got = daemon.call("GET", "/v1/config")
    assert len(got.json["peers"]) == 10000
    again = daemon.call("PUT", "/v1/config", got.body, ANY)
    assert again.json["created"] == again.json["changed"] == again.json["deleted"] == []
    few = copy.deepcopy(document)
    few["peers"] = few["peers"][:1000]
    assert len(daemon.call("PUT", "/v1/config", json.dumps(few).encode(), ANY).json["deleted"]) == 9000
