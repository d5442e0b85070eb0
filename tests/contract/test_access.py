# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what: tokens, sessions, scopes, browsers."""
import re
import time

import pytest

import spec

BELOW_V1 = sorted(o for o in spec.OPERATIONS if o[1].startswith("/v1/"))
SCOPED = [o for o in sorted(spec.OPERATIONS) if spec.OPERATIONS[o]["x-required-scope"] != "none"]
SCOPES = spec.DOCUMENT["components"]["schemas"]["Scope"]["enum"]
SECRETS = ("backup", "capture")


def includes(held, wanted):
    """What a scope gives, by the words of openapi.yaml."""
    if held == wanted or held == "all" or wanted == f"{held}:read":
        return True
    return held == "all:read" and wanted.endswith(":read") and wanted.split(":")[0] not in SECRETS


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def told(reply):
    """A problem without what differs between any two."""
    problem = reply.json
    del problem["instance"]
    return reply.status, problem, reply.headers["WWW-Authenticate"]


@pytest.fixture(scope="module")
def tokens(daemon):
    return {scope: daemon.token(scope)["secret"] for scope in SCOPES}


@pytest.mark.parametrize("operation", SCOPED, ids=" ".join)
@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_opens_its_operations(daemon, tokens, scope, operation):
    method, path = operation
    # A type that is not to be had is found out after the scope, and before anything is done.
    headers = {**bearer(tokens[scope]), "Accept": "image/none", "Content-Type": "application/json"}
    reply = daemon.call(method, path.format(id="none"), headers=headers, tcp=True)
    allowed = includes(scope, spec.OPERATIONS[operation]["x-required-scope"])
    assert (reply.status != 403) == allowed, (reply.status, reply.body)
    assert allowed or reply.json["type"] == "/problems/forbidden"


def test_tokens_work_on_both_listeners(daemon, tokens):
    for tcp in (False, True):
        assert daemon.call("GET", "/v1/peers", headers=bearer(tokens["peers:read"]), tcp=tcp).status == 200
        # Whoever connects by the socket, the token decides.
        assert daemon.call("GET", "/v1/routes", headers=bearer(tokens["peers:read"]), tcp=tcp).status == 403
        assert daemon.call("GET", "/v1/peers", headers=bearer("cvt_x"), tcp=tcp).status == 401
    assert daemon.call("GET", "/v1/peers", headers={"Authorization": f"bearer  {tokens['all']}"}, tcp=True).status == 200


def test_what_is_no_credential_is_401_always_alike(daemon):
    good = daemon.token("all")
    gone = daemon.token("all")
    assert daemon.call("DELETE", f"/v1/tokens/{gone['id']}").status == 204
    mark, name, secret, crc = good["secret"].split("_")
    other = daemon.token("all")["secret"].split("_")
    bad = ["", "x", gone["secret"], f"{mark}_{name}_{secret}_000000", f"{mark}_{other[1]}_{secret}_{crc}", good["secret"] + "0"]
    answers = [told(daemon.call("GET", "/v1/peers", tcp="127.0.0.2"))]
    answers += [told(daemon.call("GET", "/v1/nowhere", headers=bearer(text), tcp="127.0.0.2")) for text in bad]
    answers += [told(daemon.call("GET", "/v1/peers", headers={"Authorization": "Basic eDp5"}, tcp="127.0.0.2"))]
    assert answers[0][0] == 401 and answers[0][2].startswith("Bearer") and all(a == answers[0] for a in answers)


def test_a_token_ends_in_time(daemon):
    end = time.time() + 2
    token = daemon.token("peers:read", expires_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end + 0.999)))
    assert daemon.call("GET", "/v1/peers", headers=bearer(token["secret"]), tcp="127.0.0.3").status == 200
    deadline = time.time() + 20
    while daemon.call("GET", "/v1/peers", headers=bearer(token["secret"]), tcp="127.0.0.3").status == 200:
        assert time.time() < deadline
    assert time.time() >= end - 1


def test_nobody_gives_what_they_do_not_hold(daemon):
    maker = bearer(daemon.token("tokens", "peers:read", "routes")["secret"])
    for scopes, status in ((["peers:read"], 201), (["routes", "routes:read", "tokens:read"], 201), (["peers"], 403),
                           (["routes:approve"], 403), (["all"], 403), (["all:read"], 403), (["peers:read", "metrics:read"], 403)):
        made = daemon.call("POST", "/v1/tokens", {"name": "x", "scopes": scopes}, maker, tcp=True)
        assert made.status == status, (scopes, made.body)
    assert daemon.call("POST", "/v1/tokens", {"name": "x", "scopes": ["all:read"]},
                       bearer(daemon.token("all")["secret"]), tcp=True).status == 201


def test_guessing_is_slowed_and_others_are_not(daemon):
    good = bearer(daemon.token("peers:read")["secret"])
    statuses = [daemon.call("GET", "/v1/peers", headers=bearer("guess"), tcp="127.0.0.4").status for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    refused = daemon.call("GET", "/v1/peers", headers=bearer("guess"), tcp="127.0.0.4")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert daemon.call("GET", "/v1/peers", headers=good, tcp="127.0.0.4").status == 200
    assert daemon.call("GET", "/v1/peers", tcp="127.0.0.4").status == 401
    assert daemon.call("GET", "/v1/peers", headers=bearer("guess"), tcp="127.0.0.5").status == 401


def test_signing_in_and_out(daemon):
    token = daemon.token("peers", "peers:read")
    made = daemon.call("POST", "/v1/sessions", {}, bearer(token["secret"]), tcp=True)
    assert made.status == 201
    cookie = made.headers["Set-Cookie"]
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"):
        assert attribute in cookie.split("; ")
    assert "Secure" not in cookie
    session = {"Cookie": "theme=dark; " + cookie.split(";")[0]}
    assert daemon.call("GET", "/v1/peers", headers=session, tcp=True).status == 200
    assert daemon.call("GET", "/v1/tokens", headers=session, tcp=True).status == 403
    # It may look at itself and end itself, without the scope for others.
    assert daemon.call("GET", "/v1/sessions/current", headers=session, tcp=True).json["id"] == made.json["id"]
    writing = {**session, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/json"}
    assert daemon.call("DELETE", "/v1/sessions/other", headers=writing, tcp=True).status == 403
    ended = daemon.call("DELETE", "/v1/sessions/current", headers=writing, tcp=True)
    assert ended.status == 204 and "Max-Age=0" in ended.headers["Set-Cookie"]
    assert daemon.call("GET", "/v1/peers", headers=session, tcp=True).status == 401
    # A session ends with its token, and begets no other.
    again = daemon.call("POST", "/v1/sessions", {}, bearer(token["secret"]), tcp=True)
    session = {"Cookie": again.headers["Set-Cookie"].split(";")[0], "Sec-Fetch-Site": "same-origin"}
    assert daemon.call("POST", "/v1/sessions", {}, session, tcp=True).status == 401
    assert daemon.call("DELETE", f"/v1/tokens/{token['id']}").status == 204
    assert daemon.call("GET", "/v1/peers", headers=session, tcp=True).status == 401


def test_a_link_signs_in_once(daemon):
    token = daemon.token("peers:read", single_use=True)
    assert token["sign_in_url"] == f"http://127.0.0.1:{daemon.port}/#signin={token['secret']}"
    end = time.mktime(time.strptime(token["expires_at"].split(".")[0].rstrip("Z"), "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert 590 <= end - time.time() <= 600
    assert daemon.call("GET", "/v1/peers", headers=bearer(token["secret"]), tcp=True).status == 401
    assert daemon.call("POST", "/v1/sessions", {"x": 1}, bearer(token["secret"]), tcp=True).status == 422
    made = daemon.call("POST", "/v1/sessions", {}, bearer(token["secret"]), tcp=True)
    assert made.status == 201 and made.json["token"] is None
    assert daemon.call("POST", "/v1/sessions", {}, bearer(token["secret"]), tcp=True).status == 401
    session = {"Cookie": made.headers["Set-Cookie"].split(";")[0]}
    assert daemon.call("GET", "/v1/peers", headers=session, tcp=True).status == 200


def test_the_command_line(daemon):
    made = daemon.client("token", "create", "ci", "--scope", "peers:read", "--scope", "routes:read", "--expires", "30d")
    secret = made.stdout.strip()
    assert made.returncode == 0 and re.fullmatch(r"cvt_\w+", secret), made
    listed = daemon.client("token", "list").stdout
    assert "peers:read, routes:read" in listed and "in 29 d" in listed or "in 30 d" in listed
    url = f"http://127.0.0.1:{daemon.port}"
    assert daemon.client("--url", url, "peer", "list", env={"CULVERT_TOKEN": secret}).returncode == 0
    assert daemon.client("--url", url, "token", "list", env={"CULVERT_TOKEN": secret}).returncode == 1
    assert daemon.client("token", "create", "x", "--scope", "nonsense").returncode == 1
    link = daemon.client("token", "create", "me", "--dashboard").stdout.strip()
    assert re.fullmatch(re.escape(url) + r"/#signin=cvt_\w+", link)
    assert daemon.client("token", "revoke", "ci").returncode == 0
    assert daemon.client("--url", url, "peer", "list", env={"CULVERT_TOKEN": secret}).returncode == 1


@pytest.mark.parametrize("headers,status", [
    ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Origin": "http://localhost", "Host": "localhost"}, 200),
    ({"Sec-Fetch-Site": "same-site"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Sec-Fetch-Site": "none"}, 403), ({}, 403),
    ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "no-cors"}, 403),
    ({"Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"}, 415),
])
def test_pages_of_others_cannot_use_a_session(daemon, headers, status):
    made = daemon.call("POST", "/v1/sessions", {}, bearer(daemon.token("exit_node")["secret"]), tcp=True)
    session = {"Cookie": made.headers["Set-Cookie"].split(";")[0], "Content-Type": "application/json"}
    before = daemon.call("GET", "/v1/exit-node").json
    reply = daemon.call("PATCH", "/v1/exit-node", {"allow_lan": not before["allow_lan"]}, {**session, **headers}, tcp=True)
    assert reply.status == status, reply.body
    assert (daemon.call("GET", "/v1/exit-node").json != before) == (status == 200)


def test_secrets_are_nowhere_on_disk(daemon):
    import os
    token = daemon.token("all")
    made = daemon.call("POST", "/v1/sessions", {}, bearer(token["secret"]), tcp=True)
    secrets = [token["secret"].split("_")[2], made.headers["Set-Cookie"].split("_")[3]]
    assert all(len(s) == 43 for s in secrets)
    for name in os.listdir(daemon.state):
        path = os.path.join(daemon.state, name)
        if os.path.isfile(path):
            content = open(path, "rb").read()
            assert not any(s.encode() in content for s in secrets), name
    assert not any(s in daemon.logged() for s in secrets)


def entries(daemon, n, **headers):
    return daemon.call("GET", f"/v1/audit?limit={n}", headers=headers).json["items"]


def test_the_audit_says_who_did_what(daemon):
    token = daemon.token("peers")
    before = daemon.call("GET", "/v1/status").json["revision"]
    made = daemon.call("POST", "/v1/peers", {"name": "audited"}, bearer(token["secret"]), tcp=True).json
    row = entries(daemon, 1)[0]
    assert (row["who"], row["from"]) == (f"token:{token['id']}", "127.0.0.1")
    assert (row["method"], row["object"], row["result"]) == ("POST", f"/v1/peers/{made['id']}", 201)
    assert (row["before_revision"], row["after_revision"]) == (before, before + 1)

    # What failed, what was refused, and by whom; but no reading, and no rehearsal.
    daemon.call("POST", "/v1/peers", {"name": "audited"}, bearer(token["secret"]), tcp=True)
    daemon.call("GET", "/v1/routes?limit=1", headers=bearer(token["secret"]), tcp=True)
    daemon.call("GET", "/v1/peers", headers=bearer("wrong"), tcp="127.0.0.6")
    daemon.call("GET", "/v1/peers", headers=bearer(token["secret"]), tcp=True)
    daemon.call("DELETE", f"/v1/peers/{made['id']}?dry_run=true", headers=bearer(token["secret"]), tcp=True)
    daemon.call("DELETE", f"/v1/peers/{made['id']}")
    rows = [(r["who"].split(":")[0], r["from"], r["method"], r["object"], r["result"]) for r in entries(daemon, 4)]
    assert rows == [("uid", "socket", "DELETE", f"/v1/peers/{made['id']}", 204), ("nobody", "127.0.0.6", "GET", "/v1/peers", 401),
                    ("token", "127.0.0.1", "GET", "/v1/routes", 403), ("token", "127.0.0.1", "POST", "/v1/peers", 409)]


def test_the_audit_pages_miss_and_repeat_nothing(daemon, call):
    for i in range(7):
        daemon.call("DELETE", f"/v1/peers/none{i}")
    want = [r["id"] for r in entries(daemon, 7)]
    assert len(set(want)) == 7
    got, cursor = [], ""
    while len(got) < 7:
        page = call("GET", "/v1/audit", query=f"?limit=2{cursor}")
        got += [r["id"] for r in page.json["items"]]
        cursor = f"&cursor={page.json['next_cursor']}"
        daemon.call("DELETE", "/v1/peers/meanwhile")
    assert got[:7] == want
    assert call("GET", "/v1/audit", query="?cursor=cGVlcl8x").status == 400


def test_tokens_know_their_last_use(daemon):
    token = daemon.token("peers:read")
    daemon.call("GET", "/v1/peers", headers=bearer(token["secret"]), tcp=True)
    listed = {t["id"]: t for t in daemon.call("GET", "/v1/tokens").json["items"]}
    assert listed[token["id"]]["last_used_at"] >= token["created_at"]
