# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP as hostile clients speak it, against the real daemon."""
import os
import select
import subprocess
import time

import pytest

from daemon import Daemon, UnixConnection

HIDDEN = b"DELETE /v1/peers/kept HTTP/1.1\r\nHost: x\r\n\r\n"
KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="


def converse(connection, data):
    """Sends, and reads until the other end closes."""
    with connection:
        connection.sendall(data)
        got = b""
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                return got
            if not piece:
                return got
            got += piece


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
@pytest.mark.parametrize("head", [
    b"Content-Length: 0\r\nContent-Length: 44\r\n",
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    b"Transfer-Encoding: xchunked\r\n",
    b"Transfer-Encoding: chunked, identity\r\n",
    b"Host: y\r\n",
    b"Content-Length : 44\r\n",
    b"Content-Length:\r\n 44\r\n",
    b"X-A: b\r\n c\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 0x10\r\n",
])
def test_doubtful_heads_run_nothing(daemon, head, tcp):
    daemon.call("PUT", "/v1/peers/kept", {"name": "kept", "public_key": KEY})
    request = b"POST /v1/peers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" + head + b"\r\n" + HIDDEN
    reply = converse(daemon.connect(tcp), request)
    assert reply.startswith(b"HTTP/1.1 400 ") and b"204" not in reply
    assert daemon.call("GET", "/v1/peers/kept").status == 200


def test_a_slow_sender_is_cut_off(daemon):
    """A byte now and then does not hold a connection open."""
    begin = time.monotonic()
    with daemon.connect() as s:
        s.sendall(b"GET /v1/node HTTP/1.1\r\nHost: ")
        closed = False
        while not closed and time.monotonic() < begin + 30:
            readable, _, _ = select.select([s], [], [], 0.5)
            if readable:
                closed = s.recv(1000) == b""
            else:
                try:
                    s.send(b"x")
                except OSError:
                    closed = True
    assert closed


def test_a_full_tcp_side_leaves_the_socket_free(daemon):
    held = [daemon.connect(tcp=True) for _ in range(40)]
    for s in held:
        s.sendall(b"GET / HTTP/1.1\r\n")
    for _ in range(20):
        assert daemon.call("GET", "/v1/node").status == 200
    for s in held:
        s.close()


def test_connections_are_kept(daemon):
    connection = UnixConnection(daemon.socket)
    for status, path in ((200, "/v1/node"), (404, "/nowhere"), (200, "/healthz")):
        connection.request("GET", path)
        first = connection.sock
        response = connection.getresponse()
        response.read()
        assert response.status == status and connection.sock is first
    # A refused body does not end it either.
    connection.request("POST", "/v1/peers?no=1", b"{}")
    response = connection.getresponse()
    response.read()
    assert response.status == 400 and connection.sock is first
    connection.close()


def test_vanishing_clients_do_no_harm(daemon):
    for cut in (1, 20, 60, 100):
        with daemon.connect() as s:
            s.sendall((b"POST /v1/peers HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n" + b"{" * 20)[:cut])
    assert daemon.call("GET", "/healthz").status == 200


@pytest.mark.parametrize("headers", [
    {"Host": "evil.example"}, {"Host": "localhost.evil.example"}, {"Host": "[::1]"}, {"Host": "127.0.0.1:x"},
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Mode": "no-cors"},
])
def test_browsers_of_others_are_refused(daemon, headers):
    for path in ("/v1/peers", "/v1/node"):
        assert daemon.call("GET", path, headers=headers, tcp=True).status == 403
    reply = daemon.call("POST", "/v1/peers", {"name": "evil"}, headers=headers, tcp=True)
    assert reply.status == 403
    assert "evil" not in daemon.call("GET", "/v1/peers").body.decode()


@pytest.mark.skipif(os.geteuid() != 0, reason="missing: root, to become another user")
def test_strangers_on_the_socket_only_read():
    place = "/tmp/culvert-contract-%d.sock" % os.getpid()
    daemon = Daemon("--api-socket", place)
    daemon.socket = place

    def as_stranger(*words):
        done = subprocess.run(["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "curl", "-s", "-o", "/dev/null",
                               "-w", "%{http_code}", "--unix-socket", place, *words], capture_output=True, text=True, check=True)
        return int(done.stdout)

    try:
        assert daemon.call("PUT", "/v1/peers/kept", {"name": "kept", "public_key": KEY}).status == 201
        for path in ("/v1/node", "/v1/peers", "/v1/peers/kept", "/v1/routes", "/v1/exit-node", "/v1/dataplane", "/v1/status",
                     "/v1/policy", "/v1/flows", "/v1/doctor", "/metrics", "/healthz"):
            assert as_stranger(f"http://localhost{path}") == 200, path
        assert as_stranger("http://localhost/v1/explain", "-d", '{"peer":"kept","destination":"10.0.0.1"}') == 200
        assert as_stranger("http://localhost/v1/policy", "-X", "PUT", "-d", "{}") == 403
        assert as_stranger("http://localhost/v1/flows/flow_1", "-X", "DELETE") == 403
        assert as_stranger("http://localhost/v1/peers/kept/config") == 403
        assert as_stranger("http://localhost/v1/peers", "-d", '{"name":"x"}') == 403
        assert as_stranger("http://localhost/v1/peers/kept", "-X", "DELETE") == 403
        assert as_stranger("http://localhost/v1/exit-node", "-X", "PATCH", "-d", '{"enabled":true}') == 403
    finally:
        daemon.remove()


def test_metrics_may_be_opened():
    daemon = Daemon("--metrics-open")
    try:
        assert daemon.call("GET", "/metrics", tcp=True).status == 200
        assert daemon.call("GET", "/v1/node", tcp=True).status == 401
    finally:
        daemon.remove()


def test_secrets_stay_out_of_the_log():
    daemon = Daemon("--log-level", "debug")
    try:
        made = daemon.call("POST", "/v1/peers", {"name": "laptop", "preshared_key": KEY}).json
        daemon.call("GET", f"/v1/peers/{made['id']}/config")
        daemon.call("POST", "/v1/peers", {"name": "other", "preshared_key": KEY + "x"})
        daemon.close()
        assert made["private_key"] not in daemon.logged() and KEY not in daemon.logged()
    finally:
        daemon.remove()


def test_no_write_of_many_writers_is_lost(daemon):
    connections = [UnixConnection(daemon.socket) for _ in range(10)]
    for i, connection in enumerate(connections):
        connection.request("POST", "/v1/peers", b'{"name":"writer %d"}' % i)
    for connection in connections:
        response = connection.getresponse()
        response.read()
        assert response.status == 201
        connection.close()
    names = [p["name"] for p in daemon.call("GET", "/v1/peers?limit=500").json["items"]]
    assert {f"writer {i}" for i in range(10)} <= set(names)


def test_any_host_will_do_on_the_socket(daemon):
    """No browser can come from there."""
    assert daemon.call("GET", "/v1/node", headers={"Host": "whatever.example"}).status == 200
