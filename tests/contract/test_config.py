# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration as one document: read, sent back, changed whole or not at all."""
import base64
import copy
import json
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
    assert same.json == {**got.json, "created": [], "changed": [], "deleted": []}
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
