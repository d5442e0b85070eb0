# SPDX-License-Identifier: GPL-2.0-or-later
"""Every operation and every answer that openapi.yaml documents for it."""
import itertools
import json
import re
import subprocess

import pytest

import spec

KEYS = ("xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=", "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=",
        "gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA=", "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=")
OPERATIONS = sorted(spec.OPERATIONS)
BELOW_V1 = [o for o in OPERATIONS if o[1].startswith("/v1/")]
CONDITIONAL = [o for o in BELOW_V1 if "412" in spec.OPERATIONS[o]["responses"]]
WITH_BODY = [o for o in BELOW_V1 if "requestBody" in spec.OPERATIONS[o]]
# Confirming needs something that waits for it: test_config.py has that.
# A flow needs a client that opens one: tests/netns has some. Credentials have no revision, and ids of their own.
CREDENTIALS = ("/v1/tokens/{id}", "/v1/sessions", "/v1/sessions/{id}")
REHEARSED = [o for o in BELOW_V1 if o not in (("DELETE", "/v1/flows/{id}"), ("POST", "/v1/config/confirm")) and
             o[1] not in CREDENTIALS and
             "dry_run" in [p["name"] for p in spec.parameters(*o)]]
WITH_ID = [o for o in BELOW_V1 if "{id}" in o[1]]

# Cannot be had by asking: faults of the machine, and an engine that is away.
NOT_BY_ASKING = {"500", "503", "507"}
# Needs a flow.
NOT_HERE = {("DELETE", "/v1/flows/{id}", "204")}


@pytest.fixture(scope="module", autouse=True)
def objects(daemon):
    """A peer and a route called "one", which every test may change but not remove."""
    for path, body in (("/v1/peers/one", {"name": "one", "public_key": KEYS[0]}),
                       ("/v1/routes/one", {"prefix": "10.99.0.0/16"})):
        assert daemon.call("PUT", path, body).status == 201


def body_for(operation):
    method, path = operation
    if "requestBody" not in spec.OPERATIONS[operation]:
        return None
    if method == "PATCH":
        return {}
    return {"/v1/peers": {"name": "new"}, "/v1/peers/{id}": {"name": "one", "public_key": KEYS[0]},
            "/v1/routes": {"prefix": "10.98.0.0/16"}, "/v1/routes/{id}": {"prefix": "10.99.0.0/16"},
            "/v1/exit-node": {}, "/v1/dataplane": {"desired": "auto"}, "/v1/policy": {},
            "/v1/explain": {"peer": "one", "destination": "10.99.0.1"},
            "/v1/config": {}, "/v1/config/plan": {}, "/v1/config/rollback": {},
            "/v1/tokens": {"name": "new", "scopes": ["peers:read"]}, "/v1/sessions": {}}[path]


def sign_in(daemon, *scopes):
    """The cookie of a new session."""
    bearer = {"Authorization": "Bearer " + daemon.token(*scopes)["secret"]}
    made = daemon.call("POST", "/v1/sessions", {}, bearer, tcp=True)
    assert made.status == 201, made.body
    return made.headers["Set-Cookie"].split(";")[0]


def name_of(path):
    return "conflict" if path.startswith("/problems") else "one"


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_unknown_query_parameters_are_400(call, operation):
    method, path = operation
    reply = call(method, path, body_for(operation), "?dry-run=true", id=name_of(path))
    assert reply.status == 400


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_foreign_hosts_are_403(call, operation):
    method, path = operation
    reply = call(method, path, body_for(operation), headers={"Host": "evil.example"}, tcp=True, id=name_of(path))
    assert reply.status == 403


@pytest.mark.parametrize("operation", BELOW_V1 + [("GET", "/metrics")], ids=" ".join)
def test_tcp_needs_a_credential(call, operation):
    method, path = operation
    reply = call(method, path, body_for(operation), tcp=True, id="one")
    assert reply.status == 401


@pytest.mark.parametrize("operation", BELOW_V1 + [("GET", "/metrics")], ids=" ".join)
def test_guessing_is_429(call, daemon, operation):
    method, path = operation
    guess = {"Authorization": "Bearer guess"}
    for _ in range(10):
        daemon.call(method, path.format(id="one"), body_for(operation), guess, tcp="127.0.0.9")
    assert call(method, path, body_for(operation), headers=guess, tcp="127.0.0.9", id="one").status == 429


@pytest.mark.parametrize("operation", [o for o in BELOW_V1 if o[0] != "GET"], ids=" ".join)
def test_sessions_write_json_only(call, daemon, operation):
    method, path = operation
    headers = {"Cookie": sign_in(daemon, "all"), "Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"}
    body = body_for(operation)
    body = None if body is None else json.dumps(body).encode()
    assert call(method, path, body, headers=headers, tcp=True, id="one").status == 415


@pytest.mark.parametrize("operation", BELOW_V1, ids=" ".join)
def test_other_types_are_406(call, operation):
    method, path = operation
    assert call(method, path, body_for(operation), headers={"Accept": "image/png"}, id="one").status == 406


@pytest.mark.parametrize("operation", [o for o in WITH_ID if o[0] != "PUT"], ids=" ".join)
def test_unknown_ids_are_404(call, operation):
    method, path = operation
    for name in ("none", "not.an.id", "%2e%2e%2e", "a" * 65):
        assert call(method, path, body_for(operation), id=name).status == 404


@pytest.mark.parametrize("operation", [o for o in WITH_ID if o[0] == "PUT"], ids=" ".join)
def test_unfit_ids_cannot_be_made(call, operation):
    method, path = operation
    for name in ("not.an.id", "_x", "-x", "a" * 65):
        assert call(method, path, body_for(operation), id=name).status == 422


@pytest.mark.parametrize("operation", CONDITIONAL, ids=" ".join)
def test_other_revisions_are_412(call, operation):
    method, path = operation
    reply = call(method, path, body_for(operation), headers={"If-Match": '"r999999"'}, id="one")
    assert reply.status == 412
    assert reply.json["current_revision"] < 999999


@pytest.mark.parametrize("operation", WITH_BODY, ids=" ".join)
def test_long_bodies_are_413(call, operation):
    method, path = operation
    most = {"/v1/policy": 512 * 1024, "/v1/config": 8 << 20, "/v1/config/plan": 8 << 20,
            "/v1/config/rollback": 8 << 20}.get(path, 64 * 1024)
    assert call(method, path, b" " * (most + 1), id="one").status == 413


@pytest.mark.parametrize("operation", WITH_BODY, ids=" ".join)
def test_forms_over_tcp_are_415(call, operation):
    method, path = operation
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert call(method, path, b"{}", headers=headers, tcp=True, id="one").status == 415


@pytest.mark.parametrize("operation", WITH_BODY, ids=" ".join)
@pytest.mark.parametrize("body", [b"", b"{", b'{"name":1,"name":2}', b"\xff", b'{"a":' * 40 + b"1" + b"}" * 40])
def test_broken_json_is_400(call, operation, body):
    method, path = operation
    assert call(method, path, body, id="one").status == 400


@pytest.mark.parametrize("operation", WITH_BODY, ids=" ".join)
def test_unknown_members_are_422(call, operation):
    method, path = operation
    reply = call(method, path, {**body_for(operation), "nonsense": 1, "a/b": 2}, id="one")
    assert reply.status == 422
    assert {e["pointer"] for e in reply.json["errors"]} == {"/nonsense", "/a~1b"}


@pytest.mark.parametrize("operation", WITH_BODY, ids=" ".join)
def test_bodies_are_objects(call, operation):
    method, path = operation
    for body in (b"[]", b"1", b"null", b'"x"'):
        assert call(method, path, body, id="one").status == 422


@pytest.mark.parametrize("operation", [o for o in BELOW_V1 if o[0] == "GET" and "304" in spec.OPERATIONS[o]["responses"]],
                         ids=" ".join)
def test_known_revisions_are_304(call, operation):
    method, path = operation
    first = call(method, path, id="one")
    assert first.status == 200
    assert call(method, path, headers={"If-None-Match": first.headers["ETag"]}, id="one").status == 304


@pytest.mark.parametrize("path", spec.DOCUMENT["paths"])
def test_other_methods_are_405(daemon, path):
    documented = {m for m, p in spec.OPERATIONS if p == path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"} - documented:
        reply = daemon.call(method, path.format(id="one"))
        assert reply.status == 405, method
        assert not spec.errors({"$ref": "#/components/schemas/Problem"}, reply.json)
        assert set(reply.headers["Allow"].split(", ")) == documented | ({"HEAD"} if "GET" in documented else set())


@pytest.mark.parametrize("operation", REHEARSED, ids=" ".join)
def test_rehearsals_change_nothing(daemon, call, operation):
    method, path = operation
    before = daemon.call("GET", "/v1/status").json["revision"]
    reply = call(method, path, body_for(operation), "?dry_run=true", id="one")
    assert reply.status in (200, 201, 204)
    assert "private_key" not in (reply.json if reply.body else {})
    assert daemon.call("GET", "/v1/status").json["revision"] == before
    assert daemon.call("GET", "/v1/peers/one").status == 200


def test_node(call):
    node = call("GET", "/v1/node").json
    assert node["listen_port"] > 0 and len(node["addresses"]) == 2
    changed = call("PATCH", "/v1/node", {"name": "gate", "endpoint": "vpn.example.net", "dns": ["192.0.2.53"]})
    assert (changed.json["name"], changed.json["endpoint"]) == ("gate", "vpn.example.net")
    back = call("PATCH", "/v1/node", {"endpoint": None, "dns": None, "public_key": KEYS[1]}).json
    assert (back["endpoint"], back["dns"], back["public_key"]) == (None, [], node["public_key"])
    # What GET gave changes nothing.
    same = call("PATCH", "/v1/node", call("GET", "/v1/node").json)
    assert same.headers["ETag"] == call("GET", "/v1/node").headers["ETag"]
    wrong = call("PATCH", "/v1/node", {"name": "", "mtu": 1, "addresses": ["x"]})
    assert {e["pointer"] for e in wrong.json["errors"]} == {"/name", "/mtu", "/addresses/0"}


def test_a_peer_with_a_key_made_here(call):
    made = call("POST", "/v1/peers", {"name": "laptop", "tags": ["home"]})
    assert made.status == 201
    assert made.headers["Cache-Control"] == "no-store"
    peer = made.json
    assert made.headers["Location"] == f"/v1/peers/{peer['id']}"
    assert f"PrivateKey = {peer['private_key']}\n" in peer["client_config"]
    assert peer["client_config_qr_svg"].startswith("<svg ")
    assert len(peer["addresses"]) == 2 and not peer["status"]["online"]

    shown = call("GET", "/v1/peers/{id}", id=peer["id"])
    assert peer["private_key"] not in shown.body.decode()
    assert shown.headers["ETag"] == made.headers["ETag"]
    config = call("GET", "/v1/peers/{id}/config", id=peer["id"])
    assert config.type == "text/plain" and peer["private_key"] not in config.body.decode()
    assert f"Address = {', '.join(peer['addresses'])}\n" in config.body.decode()
    picture = call("GET", "/v1/peers/{id}/config", headers={"Accept": "image/svg+xml"}, id=peer["id"])
    assert picture.type == "image/svg+xml"
    blocks = call("GET", "/v1/peers/{id}/config", query="?format=qr-text", id=peer["id"])
    assert blocks.type == "text/plain" and "█" in blocks.body.decode()

    clash = call("POST", "/v1/peers", {"name": "laptop"})
    assert (clash.status, clash.json["existing_id"]) == (409, peer["id"])
    gone = call("DELETE", "/v1/peers/{id}", headers={"If-Match": shown.headers["ETag"]}, id=peer["id"])
    assert gone.status == 204
    assert call("GET", "/v1/peers/{id}", id=peer["id"]).status == 404


def scan(picture):
    """What a telephone would read from an SVG."""
    png = subprocess.run(["rsvg-convert", "--zoom", "2"], input=picture, capture_output=True, check=True).stdout
    return subprocess.run(["zbarimg", "-q", "--raw", "-Sbinary", "png:-"], input=png, capture_output=True, check=True).stdout


def test_qr_codes_say_what_the_text_says(call):
    made = call("POST", "/v1/peers", {"name": "phone with a camera", "preshared_key": KEYS[2]}).json
    assert scan(made["client_config_qr_svg"].encode()) == made["client_config"].encode()
    picture = call("GET", "/v1/peers/{id}/config", headers={"Accept": "image/svg+xml"}, id=made["id"]).body
    assert scan(picture) == call("GET", "/v1/peers/{id}/config", id=made["id"]).body
    assert call("DELETE", "/v1/peers/{id}", id=made["id"]).status == 204


def test_put_is_an_upsert(call):
    body = {"name": "phone", "public_key": KEYS[1], "preshared_key": KEYS[2], "expires_at": "2099-12-31T23:59:59.25Z",
            "persistent_keepalive_s": 25, "endpoint": "192.0.2.7:4000", "tags": ["b", "a"], "limits": {"max_flows": 9}}
    made = call("PUT", "/v1/peers/{id}", body, id="phone")
    assert made.status == 201
    for name, value in body.items():
        if name not in ("preshared_key", "limits"):
            assert made.json[name] == value, name
    assert made.json["has_preshared_key"] and made.json["limits"]["max_flows"] == 9
    again = call("PUT", "/v1/peers/{id}", body, id="phone")
    assert (again.status, again.headers["ETag"]) == (200, made.headers["ETag"])

    # What GET gave can be PUT, and changes nothing.
    same = call("PUT", "/v1/peers/{id}", call("GET", "/v1/peers/{id}", id="phone").json, id="phone")
    assert (same.status, same.headers["ETag"]) == (200, made.headers["ETag"])
    config = call("GET", "/v1/peers/{id}/config", id="phone").body.decode()
    assert f"PresharedKey = {KEYS[2]}\n" in config

    assert call("PUT", "/v1/peers/{id}", body, headers={"If-None-Match": "*"}, id="phone").status == 412
    assert call("PUT", "/v1/peers/{id}", {"name": "x"}, id="other").status == 422
    clash = call("PUT", "/v1/peers/{id}", {"name": "other", "public_key": KEYS[1]}, id="other")
    assert (clash.status, clash.json["existing_id"]) == (409, "phone")
    assert call("PATCH", "/v1/peers/{id}", {"name": "one"}, id="phone").status == 409


def test_patches_of_a_peer(call):
    call("PUT", "/v1/peers/{id}", {"name": "p", "public_key": KEYS[3], "preshared_key": KEYS[2], "tags": ["x"]}, id="p")
    patched = call("PATCH", "/v1/peers/{id}", {"enabled": False, "tags": None, "limits": {"max_flows": 3}},
                   headers={"Content-Type": "application/merge-patch+json"}, id="p").json
    assert (patched["enabled"], patched["tags"], patched["limits"]["max_flows"]) == (False, [], 3)
    assert patched["has_preshared_key"]
    assert not call("PATCH", "/v1/peers/{id}", {"preshared_key": None}, id="p").json["has_preshared_key"]
    wrong = call("PATCH", "/v1/peers/{id}", {"name": "a\nb", "endpoint": "x", "tags": ["a b"], "expires_at": "2000-01-01T00:00:00Z",
                                             "addresses": ["127.0.0.1/32", "10.0.0.1/8"]}, id="p")
    assert {e["pointer"] for e in wrong.json["errors"]} == \
        {"/name", "/endpoint", "/tags/0", "/expires_at", "/addresses/0", "/addresses/1"}
    assert call("DELETE", "/v1/peers/{id}", id="p").status == 204


@pytest.mark.parametrize("name", ["", "x" * 65, "a\tb", "a\u202eb", "a\u0000b", 7, None])
def test_unfit_names(call, name):
    assert call("POST", "/v1/peers", {"name": name}).status in (400, 422)


@pytest.mark.parametrize("name", ["x" * 64, "ä" * 64, "😀" * 64, "two words", "Grüße, „so“"])
def test_names_count_characters(call, name):
    made = call("POST", "/v1/peers", {"name": name}, "?dry_run=true")
    assert (made.status, made.json["name"]) == (201, name)


def test_pages(call, daemon):
    for i in range(7):
        assert daemon.call("POST", "/v1/peers", {"name": f"page {i}"}).status == 201
    want = [p["id"] for p in call("GET", "/v1/peers").json["items"]]
    assert len(want) >= 8
    for limit in (1, 3, 500):
        got, cursor = [], ""
        for _ in range(100):
            page = call("GET", "/v1/peers", query=f"?limit={limit}{cursor}")
            got += [p["id"] for p in page.json["items"]]
            assert len(page.json["items"]) <= limit
            if page.json["next_cursor"] is None:
                assert "Link" not in page.headers
                break
            assert f"cursor={page.json['next_cursor']}>; rel=\"next\"" in page.headers["Link"]
            cursor = f"&cursor={page.json['next_cursor']}"
        assert got == want
    for query in ("?limit=0", "?limit=501", "?limit=ten", "?cursor=%21", "?cursor=", "?limit"):
        assert call("GET", "/v1/peers", query=query).status == 400


def test_routes(call):
    made = call("POST", "/v1/routes", {"prefix": "10.20.0.0/16", "protocols": ["tcp", 47], "ports": ["443", "8000-8099"],
                                       "peers": ["one", "tag:home"], "description": "Büro"})
    assert made.status == 201
    route = made.json
    assert (route["via"], route["approved"], route["enabled"], route["snat"]) == ("router", True, True, "auto")
    assert (route["protocols"], route["ports"], route["peers"]) == (["tcp", 47], ["443", "8000-8099"], ["one", "tag:home"])
    assert route["state"] == "active"
    clash = call("POST", "/v1/routes", {"prefix": "10.20.0.0/16"})
    assert (clash.status, clash.json["existing_id"]) == (409, route["id"])
    assert call("PUT", "/v1/routes/{id}", {"prefix": "10.20.0.0/16"}, id="two").status == 409
    assert call("PATCH", "/v1/routes/{id}", {"prefix": "10.20.0.0/16"}, id="one").status == 409
    assert call("PATCH", "/v1/routes/{id}", {"enabled": False}, id=route["id"]).json["state"] == "disabled"
    assert call("PATCH", "/v1/routes/{id}", {"enabled": True, "approved": False}, id=route["id"]).json["state"] == "proposed"
    same = call("GET", "/v1/routes/{id}", id=route["id"])
    assert call("PUT", "/v1/routes/{id}", same.json, id=route["id"]).headers["ETag"] == same.headers["ETag"]
    wrong = call("POST", "/v1/routes", {"prefix": "10.0.0.1/8", "via": "nobody", "snat": "lots", "map_to": "10.1.0.1/16",
                                        "ports": ["9-8", "x"], "protocols": ["sctp"], "peers": ["nobody"]})
    assert {e["pointer"] for e in wrong.json["errors"]} == \
        {"/prefix", "/via", "/snat", "/map_to", "/ports/0", "/ports/1", "/protocols/0", "/peers/0"}
    assert call("PUT", "/v1/routes/{id}", {"prefix": "2001:db8::/32"}, id="six").status == 201
    assert len(call("GET", "/v1/routes").json["items"]) == 3
    for name in (route["id"], "six"):
        assert call("DELETE", "/v1/routes/{id}", id=name).status == 204


def test_what_netstack_mode_cannot_do_is_422(call):
    """It has sockets of its own: the peer's address never gets out."""
    for path in ("/v1/routes", "/v1/exit-node"):
        method, body = ("POST", {"prefix": "10.30.0.0/16"}) if path == "/v1/routes" else ("PUT", {})
        refused = call(method, path, {**body, "snat": "none"}, "?dry_run=true")
        assert (refused.status, [e["pointer"] for e in refused.json["errors"]]) == (422, ["/snat"])
        for snat in ("auto", "masquerade"):
            taken = call(method, path, {**body, "snat": snat}, "?dry_run=true")
            assert taken.status in (200, 201) and taken.json["snat"] == snat


def test_mapped_routes(call):
    made = call("PUT", "/v1/routes/{id}", {"prefix": "10.31.0.0/16", "map_to": "192.168.0.0/16"}, id="mapped")
    assert (made.status, made.json["map_to"]) == (201, "192.168.0.0/16")
    for other in ("192.168.0.0/24", "2001:db8::/16"):
        wrong = call("PATCH", "/v1/routes/{id}", {"map_to": other}, id="mapped")
        assert (wrong.status, [e["pointer"] for e in wrong.json["errors"]]) == (422, ["/map_to"])
    assert call("PATCH", "/v1/routes/{id}", {"map_to": None}, id="mapped").json["map_to"] is None
    assert call("DELETE", "/v1/routes/{id}", id="mapped").status == 204


def test_sites_behind_peers(call):
    call("PUT", "/v1/peers/{id}", {"name": "site", "public_key": KEYS[3]}, id="site")
    made = call("PUT", "/v1/routes/{id}", {"prefix": "10.32.0.0/16", "via": "site"}, id="behind")
    assert (made.status, made.json["via"]) == (201, "site")
    kept = call("DELETE", "/v1/peers/{id}", id="site")
    assert kept.status == 409 and "behind" in kept.body.decode()
    assert call("DELETE", "/v1/peers/{id}", query="?cascade=true", id="site").status == 204
    assert call("GET", "/v1/routes/{id}", id="behind").status == 404


def test_policy(call):
    first = call("GET", "/v1/policy")
    assert first.json == {"default": "allow", "rules": []}
    rules = [{"id": "ssh", "action": "allow", "peers": ["one", "tag:ops"], "destinations": ["10.99.0.0/24", "2001:db8::/32"],
              "protocols": ["tcp", 132], "ports": ["22", "8000-8099"], "comment": "Büro"}, {"action": "deny"}]
    put = call("PUT", "/v1/policy", {"default": "deny", "rules": rules})
    assert put.json["default"] == "deny" and put.json["rules"][0] == rules[0]
    assert put.json["rules"][1] == {"id": put.json["rules"][1]["id"], "action": "deny", "peers": "all", "destinations": [],
                                    "protocols": [], "ports": [], "comment": ""}
    again = call("GET", "/v1/policy")
    assert (again.json, again.headers["ETag"]) == (put.json, put.headers["ETag"])
    # What GET gave changes nothing.
    assert call("PUT", "/v1/policy", again.json, headers={"If-Match": again.headers["ETag"]}).headers["ETag"] == again.headers["ETag"]
    wrong = call("PUT", "/v1/policy", {"default": 1, "rules": [
        {"action": "drop", "destinations": ["10.0.0.1/8"]}, {"id": "a b", "action": "deny", "peers": ["nobody"], "ports": ["0"]},
        {"id": "twice", "action": "deny"}, {"id": "twice", "action": "deny", "comment": "a\nb"}, {}]})
    assert {e["pointer"] for e in wrong.json["errors"]} == \
        {"/default", "/rules/0/action", "/rules/0/destinations/0", "/rules/1/id", "/rules/1/peers/0", "/rules/1/ports/0",
         "/rules/3/id", "/rules/3/comment", "/rules/4/action"}
    assert call("PUT", "/v1/policy", {}).json == {"default": "allow", "rules": []}


def test_policies_have_a_limit(call):
    rules = [{"action": "deny"}] * 1025
    assert [e["pointer"] for e in call("PUT", "/v1/policy", {"rules": rules}).json["errors"]] == ["/rules"]
    most = call("PUT", "/v1/policy", {"rules": rules[1:]})
    assert len(most.json["rules"]) == 1024
    assert call("PUT", "/v1/policy", most.body).headers["ETag"] == most.headers["ETag"]
    assert call("PUT", "/v1/policy", {}).status == 200


def explain(call, **question):
    return call("POST", "/v1/explain", {"peer": "one", **question})


def test_explain(call):
    way = explain(call, destination="10.99.0.1", port=443).json
    assert (way["verdict"], way["mode"], way["via"], way["translated_destination"]) == ("forward", "netstack", "router", None)
    assert way["snat"] in ("auto", "masquerade") and way["steps"][-1]["verdict"] == "pass"
    assert "one" in [s["ref"] for s in way["steps"]]
    nowhere = explain(call, destination="10.98.0.1", port=443).json
    assert nowhere["verdict"] == "refuse" and nowhere["snat"] is None
    assert nowhere["steps"][-1]["verdict"] == "no_route"

    call("PUT", "/v1/policy", {"rules": [{"id": "no-web", "action": "deny", "protocols": ["tcp"], "ports": ["80"]}]})
    denied = explain(call, destination="10.99.0.1", protocol="tcp", port=80).json
    assert denied["verdict"] == "refuse" and denied["steps"][-1]["ref"] == "no-web"
    for question in ({"protocol": "udp", "port": 80}, {"port": 81}, {}):
        assert explain(call, destination="10.99.0.1", **question).json["verdict"] == "forward"
    call("PUT", "/v1/policy", {})

    call("PATCH", "/v1/routes/{id}", {"map_to": "172.16.0.0/16"}, id="one")
    assert explain(call, destination="10.99.0.1").json["translated_destination"] == "172.16.0.1"
    call("PATCH", "/v1/routes/{id}", {"map_to": None}, id="one")
    call("PATCH", "/v1/peers/{id}", {"enabled": False}, id="one")
    assert explain(call, destination="10.99.0.1").json["verdict"] == "drop"
    call("PATCH", "/v1/peers/{id}", {"enabled": True}, id="one")


@pytest.mark.parametrize("question,pointers", [
    ({"peer": "nobody", "destination": "10.0.0.1"}, {"/peer"}),
    ({"peer": "one", "destination": "10.0.0.1", "protocol": "tcp"}, {"/port"}),
    ({"peer": "one", "destination": "10.0.0.1", "protocol": "icmp", "port": 1}, {"/port"}),
    ({"peer": 1, "destination": "10.0.0.0/8", "protocol": "x", "port": 65536}, {"/peer", "/destination", "/protocol", "/port"}),
    ({}, {"/peer", "/destination"}),
])
def test_questions_without_sense(call, question, pointers):
    assert {e["pointer"] for e in call("POST", "/v1/explain", question).json["errors"]} == pointers


def test_flows(call):
    for query in ("", "?limit=500&state=open&protocol=udp&peer=one&destination=10.0.0.0/8", "?destination=2001:db8::1"):
        page = call("GET", "/v1/flows", query=query).json
        assert (page["items"], page["next_cursor"]) == ([], None)
    for query in ("?state=shut", "?protocol=sctp", "?protocol=256", "?peer=nobody", "?destination=10.0.0.1/8", "?limit=501",
                  "?cursor=x", "?source=10.0.0.1"):
        assert call("GET", "/v1/flows", query=query).status == 400
    for name in ("flow_1", "flow_0", "flow_", "flow_01", "flow_FFFF", "flow_123456789abcdef01"):
        assert call("DELETE", "/v1/flows/{id}", id=name).status == 404
        assert call("DELETE", "/v1/flows/{id}", query="?dry_run=true", id=name).status == 404


def test_tokens(call, daemon):
    made = call("POST", "/v1/tokens", {"name": "ci", "scopes": ["peers", "routes:read", "peers"], "expires_at": "2099-01-01T00:00:00Z"})
    token = made.json
    assert (made.status, made.headers["Location"]) == (201, f"/v1/tokens/{token['id']}")
    assert (token["name"], sorted(token["scopes"]), token["expires_at"]) == ("ci", ["peers", "routes:read"], "2099-01-01T00:00:00Z")
    shown = call("GET", "/v1/tokens/{id}", id=token["id"])
    assert shown.json == {k: v for k, v in token.items() if k != "secret"}
    assert shown.json in call("GET", "/v1/tokens").json["items"]
    for path in ("/v1/tokens", f"/v1/tokens/{token['id']}"):
        assert token["secret"].split("_")[2] not in daemon.call("GET", path).body.decode()

    rehearsed = call("POST", "/v1/tokens", body_for(("POST", "/v1/tokens")), "?dry_run=true")
    assert rehearsed.status == 201 and "secret" not in rehearsed.json
    assert call("GET", "/v1/tokens/{id}", id=rehearsed.json["id"]).status == 404
    wrong = call("POST", "/v1/tokens", {"name": "", "scopes": ["peers", "nonsense", 1], "expires_at": "2000-01-01T00:00:00Z"})
    assert {e["pointer"] for e in wrong.json["errors"]} == {"/name", "/scopes/1", "/scopes/2", "/expires_at"}
    for body in ({"name": "x", "scopes": []}, {"name": "x"}, {"name": "x", "scopes": "peers"},
                 {"name": "x", "scopes": ["peers"], "single_use": True, "expires_at": "2099-01-01T00:00:00Z"}):
        assert call("POST", "/v1/tokens", body).status == 422, body
    assert call("DELETE", "/v1/tokens/{id}", query="?dry_run=true", id=token["id"]).status == 204
    assert call("DELETE", "/v1/tokens/{id}", id=token["id"]).status == 204
    assert call("DELETE", "/v1/tokens/{id}", id=token["id"]).status == 404


def test_sessions(call, daemon):
    token = daemon.token("peers:read")
    bearer = {"Authorization": f"Bearer {token['secret']}"}
    assert "Set-Cookie" not in daemon.call("POST", "/v1/sessions?dry_run=true", {}, bearer, tcp=True).headers
    assert call("POST", "/v1/sessions", {}).status == 401
    made = call("POST", "/v1/sessions", {}, headers=bearer, tcp=True)
    session = made.json
    assert (session["token"], session["scopes"], session["remote_address"]) == (token["id"], ["peers:read"], "127.0.0.1")
    shown = call("GET", "/v1/sessions/{id}", id=session["id"])
    assert shown.json in call("GET", "/v1/sessions").json["items"]
    assert call("DELETE", "/v1/sessions/{id}", query="?dry_run=true", id=session["id"]).status == 204
    assert call("DELETE", "/v1/sessions/{id}", id=session["id"]).status == 204
    assert call("GET", "/v1/sessions/{id}", id=session["id"]).status == 404


def test_events(daemon):
    """What follows the head has no end: tests/contract/test_events.py reads it."""
    with daemon.connect() as s:
        s.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert s.recv(100).startswith(b"HTTP/1.1 200 ")
    spec.SEEN.add(("GET", "/v1/events", "200"))


def test_stats(call, daemon):
    with daemon.connect() as s:
        # After the second second there is a sample.
        s.sendall(b"GET /v1/events?types=stats HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heard = b""
        while heard.count(b"event: stats") < 2:
            heard += s.recv(4096)
    stats = call("GET", "/v1/stats").json
    assert stats["peer"] is None and stats["seconds"] and "drops" in stats["seconds"][-1]
    stats = call("GET", "/v1/stats", query="?peer=one").json
    assert (stats["peer"], stats["seconds"], stats["minutes"]) == ("one", [], [])
    assert call("GET", "/v1/stats", query="?peer=none").status == 404
    assert call("GET", "/v1/stats", query="?peer=").status == 400


def test_doctor(call):
    checks = call("GET", "/v1/doctor").json["checks"]
    assert checks and len({c["id"] for c in checks}) == len(checks)
    for check in checks:
        assert check["summary"] and (check["fix"] or check["status"] == "ok"), check


def test_exit_node(call):
    assert call("GET", "/v1/exit-node").json == {"enabled": False, "ipv4": True, "ipv6": True, "peers": "all",
                                                 "allow_lan": False, "snat": "auto"}
    assert call("PATCH", "/v1/exit-node", {"enabled": True, "peers": []}).json["peers"] == []
    assert call("PUT", "/v1/exit-node", {"ipv6": False}).json == {"enabled": False, "ipv4": True, "ipv6": False,
                                                                "peers": "all", "allow_lan": False, "snat": "auto"}
    assert call("PUT", "/v1/exit-node", {}).status == 200


def test_dataplane(call):
    plane = call("GET", "/v1/dataplane").json
    assert plane["actual"] == "netstack" and plane["capabilities"]["netstack"]["available"]
    assert call("PUT", "/v1/dataplane", {"desired": "netstack"}).json["desired"] == "netstack"
    refused = call("PUT", "/v1/dataplane", {"desired": "kernel"})
    assert refused.status == 409 and refused.json["reasons"]
    assert call("GET", "/v1/dataplane").json["desired"] == "netstack"
    rehearsed = call("PUT", "/v1/dataplane", {"desired": "auto"}, "?dry_run=true")
    assert rehearsed.json["impact"] == {"flows_cut": 0, "source_address_change": False, "protocols_lost": []}
    assert call("PUT", "/v1/dataplane", call("GET", "/v1/dataplane").json).status == 200


def test_unversioned_paths(call, daemon):
    for tcp in (False, True):
        assert call("GET", "/healthz", tcp=tcp).json == {"status": "ok"}
        assert call("GET", "/readyz", tcp=tcp).json == {"status": "ready", "faults": []}
        assert call("GET", "/openapi.yaml", tcp=tcp).body == open(f"{spec.ROOT}/openapi.yaml", "rb").read()
        assert "dashboard" in call("GET", "/", tcp=tcp).body.decode()
        for slug in spec.DOCUMENT["components"]["schemas"]["ProblemSlug"]["enum"]:
            assert slug in call("GET", "/problems/{id}", tcp=tcp, id=slug).body.decode()
        assert call("GET", "/problems/{id}", tcp=tcp, id="none").status == 404
    assert call("GET", "/v1/status").json["ready"] is True


def test_metrics(call):
    text = call("GET", "/metrics").body.decode()
    names = set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in names, "the lines of one metric belong together"
            names.add(name)
        elif not line.startswith("#"):
            assert re.sub("_(bucket|sum|count)$", "", re.split("[{ ]", line)[0]) in names, line
            float(line.rsplit(" ", 1)[1])
    assert {"culvert_dropped_packets_total", "culvert_peer_info", "culvert_flows_active", "culvert_health_faults", "culvert_http_requests_total",
            "process_resident_memory_bytes", "process_cpu_seconds_total"} <= names
    assert 'culvert_dropped_packets_total{reason="no_route"}' in text


def test_security_headers(daemon):
    for path, tcp in itertools.product(("/v1/node", "/", "/nowhere", "/healthz"), (False, True)):
        headers = daemon.call("GET", path, tcp=tcp).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert not [h for h in headers if h.lower().startswith("access-control")]


def test_head(daemon):
    reply = daemon.call("HEAD", "/v1/node")
    assert reply.status == 200 and reply.body == b"" and int(reply.headers["Content-Length"]) > 0


def test_the_socket_takes_what_curl_sends(daemon):
    """curl -d without a type says that it is a form."""
    done = subprocess.run(["curl", "-s", "--unix-socket", daemon.socket, "http://localhost/v1/routes", "-d",
                           '{"prefix":"10.21.0.0/16"}'], capture_output=True, check=True)
    assert json.loads(done.stdout)["prefix"] == "10.21.0.0/16"


def test_everything_documented_was_seen():
    documented = {(method, path, status) for (method, path), operation in spec.OPERATIONS.items()
                  for status in operation["responses"] if status not in NOT_BY_ASKING}
    assert sorted(documented - spec.SEEN - NOT_HERE) == []
