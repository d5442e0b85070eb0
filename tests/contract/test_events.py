# SPDX-License-Identifier: GPL-2.0-or-later
"""Following events: nothing is lost or told twice, and nobody who reads slowly is waited for."""
import contextlib
import http.client
import json
import signal
import threading

import pytest

import spec
from daemon import Daemon, UnixConnection


class Follower:
    """One stream, its events taken apart."""

    def __init__(self, daemon, query="", lines=False, last=None):
        self.connection = UnixConnection(daemon.socket)
        headers = {"Accept": "application/x-ndjson" if lines else "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = last
        self.connection.request("GET", "/v1/events" + query, headers=headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        self.lines = lines
        self.last = last

    def next(self):
        """The next event, checked against openapi.yaml. None: the stream has ended."""
        fields = {}
        for line in self.response:
            line = line.decode().rstrip("\n")
            if self.lines and line:
                return self.checked(json.loads(line))
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
            if "id" in fields and not line:
                self.last = fields["id"]
            if "data" in fields and not line:
                event = json.loads(fields["data"])
                assert (event["id"], event["type"]) == (fields["id"], fields["event"])
                return self.checked(event)
            if not line:
                fields = {}
        return None

    def checked(self, event):
        assert not spec.errors({"$ref": "#/components/schemas/Event"}, event), event
        self.last = event["id"]
        return event

    def until(self, kind):
        while (event := self.next())["type"] != kind:
            pass
        return event

    def close(self):
        self.response.close()
        self.connection.close()


@pytest.fixture
def follow(daemon):
    with contextlib.ExitStack() as stack:
        def start(*words, **names):
            follower = Follower(daemon, *words, **names)
            stack.callback(follower.close)
            return follower
        yield start


def number(event):
    return int(event["id"].split("-")[1])


@pytest.mark.parametrize("lines", [False, True])
def test_writes_are_told_after_they_are_so(daemon, follow, lines):
    stream = follow(lines=lines)
    made = daemon.call("POST", "/v1/peers", {"name": f"told-{lines}"}).json
    event = stream.next()
    assert event["type"] == "peer.created"
    assert event["data"] == {"id": made["id"], "name": f"told-{lines}",
                             "revision": int(daemon.call("GET", "/v1/peers").json["revision"])}
    daemon.call("PATCH", f"/v1/peers/{made['id']}", {"enabled": False})
    daemon.call("PATCH", f"/v1/peers/{made['id']}", {"enabled": False})
    daemon.call("DELETE", f"/v1/peers/{made['id']}?dry_run=true")
    daemon.call("DELETE", f"/v1/peers/{made['id']}")
    assert [stream.next()["type"] for _ in range(3)] == ["peer.updated", "peer.disabled", "peer.deleted"]


def test_every_noun_has_its_events(daemon, follow):
    stream = follow()
    daemon.call("PUT", "/v1/routes/told", {"prefix": "10.50.0.0/16"})
    daemon.call("DELETE", "/v1/routes/told")
    daemon.call("PATCH", "/v1/exit-node", {"enabled": True})
    daemon.call("PATCH", "/v1/exit-node", {"enabled": False})
    daemon.call("PUT", "/v1/policy", {"default": "deny"})
    daemon.call("PATCH", "/v1/node", {"name": "told"})
    daemon.call("PUT", "/v1/dataplane", {"desired": "netstack"})
    assert [stream.next()["type"] for _ in range(10)] == [
        "route.created", "route.approved", "route.deleted", "exit_node.updated", "exit_node.enabled", "exit_node.updated",
        "exit_node.disabled", "policy.updated", "node.updated", "dataplane.updated"]


def test_types(daemon, follow):
    stream = follow("?types=route.*,policy.updated")
    daemon.call("PUT", "/v1/policy", {"default": "allow"})
    daemon.call("POST", "/v1/peers", {"name": "untold"})
    daemon.call("PUT", "/v1/routes/typed", {"prefix": "10.51.0.0/16"})
    assert [stream.next()["type"] for _ in range(2)] == ["policy.updated", "route.created"]


def test_coming_back_loses_and_repeats_nothing(daemon):
    """Writes go on while the follower comes and goes."""
    done = threading.Event()
    names = []

    def write():
        while not done.is_set():
            names.append(f"peer-{len(names)}")
            assert daemon.call("POST", "/v1/peers", {"name": names[-1]}).status == 201
            daemon.call("DELETE", f"/v1/peers/{daemon.call('GET', '/v1/peers?limit=500').json['items'][-1]['id']}")

    first = Follower(daemon)
    writer = threading.Thread(target=write)
    writer.start()
    heard, last = [], None
    try:
        for visit in range(40):
            stream = first if visit == 0 else Follower(daemon, last=last)
            for _ in range(visit % 7 if visit else 1):
                heard.append(stream.next())
            last = stream.last
            stream.close()
    finally:
        done.set()
        writer.join()
    stream = Follower(daemon, last=last)
    while heard[-1]["type"] != "peer.deleted" or [e["data"]["name"] for e in heard if e["type"] == "peer.created"] != names:
        heard.append(stream.next())
    stream.close()
    assert all(e["type"] != "resync" for e in heard)
    assert [number(e) for e in heard] == list(range(number(heard[0]), number(heard[0]) + len(heard)))


@pytest.mark.parametrize("last", ["0-1", "nonsense", "-1", "ffffffffffffffff-0"])
def test_unknown_places_are_told(daemon, follow, last):
    stream = follow(last=last)
    assert stream.next()["type"] == "resync"
    daemon.call("PATCH", "/v1/node", {"name": f"after-{last}"})
    assert stream.next()["type"] == "node.updated"


def test_silence_ends_with_a_heartbeat(daemon):
    with daemon.connect() as s:
        s.sendall(b"GET /v1/events?types=policy.* HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heard = b""
        while b": heartbeat\n" not in heard:
            part = s.recv(4096)
            assert part
            heard += part


def test_half_of_the_connections_are_for_others(daemon):
    with contextlib.ExitStack() as stack:
        for _ in range(32):
            stack.callback(Follower(daemon).close)
        reply = daemon.call("GET", "/v1/events")
        spec.check("GET", "/v1/events", reply)
        assert reply.status == 503
        assert daemon.call("GET", "/v1/node").status == 200
    # All of them have hung up: their places are free.
    Follower(daemon).close()


def test_a_slow_reader_is_cut(daemon):
    # One change makes two events; the fast reader follows one kind.
    made = daemon.call("POST", "/v1/peers", {"name": "on-and-off"}).json
    with daemon.connect() as slow:
        slow.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.recv(10)
        stream = Follower(daemon, "?types=peer.updated")
        for i in range(2600):
            reply = daemon.call("PATCH", f"/v1/peers/{made['id']}", {"enabled": bool(i % 2)})
            assert stream.next()["data"]["revision"] == reply.json.get("revision", int(reply.headers["ETag"][2:-1]))
        got = 0
        with contextlib.suppress(ConnectionResetError):
            while part := slow.recv(65536):
                got += len(part)
        assert got < 512 * 1024
        stream.close()


@pytest.mark.parametrize("way", ["token", "session"])
def test_streams_end_with_their_credential(daemon, way):
    token = daemon.token("config:read")
    headers = {"Authorization": f"Bearer {token['secret']}"}
    if way == "session":
        made = daemon.call("POST", "/v1/sessions", {}, headers, tcp=True)
        headers = {"Cookie": made.headers["Set-Cookie"].split(";")[0]}
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=20)
    connection.request("GET", "/v1/events", headers=headers)
    response = connection.getresponse()
    assert response.status == 200
    assert daemon.call("DELETE", f"/v1/tokens/{token['id']}").status == 204
    with contextlib.suppress(http.client.IncompleteRead):
        response.read()
    connection.close()


def test_streams_end_with_the_daemon():
    daemon = Daemon()
    try:
        streams = [Follower(daemon, lines=lines) for lines in (False, True)]
        daemon.process.send_signal(signal.SIGTERM)
        assert [s.next() for s in streams] == [None, None]
        assert daemon.process.wait(30) == 0
    finally:
        daemon.remove()


def test_seconds_are_told(follow):
    stream = follow("?types=stats")
    first, second = stream.next(), stream.next()
    assert first["type"] == second["type"] == "stats"
    assert first["time"] < second["time"]
    assert set(first["data"]) == {"receive_bytes", "transmit_bytes", "receive_packets", "transmit_packets", "flows", "drops"}


def test_a_configuration_tells_of_each_object(daemon, follow):
    stream = follow("?types=peer.*,route.*,config.*")
    document = daemon.call("GET", "/v1/config").json
    document["routes"] = [{"id": "whole", "prefix": "10.70.0.0/16"}]
    reply = daemon.call("PUT", "/v1/config", document, {"If-Match": "*"})
    assert reply.status == 200, reply.body
    told = [stream.next()]
    while told[-1]["type"] != "config.applied":
        told.append(stream.next())
    assert ("route.created", "whole") in [(e["type"], e["data"].get("id")) for e in told]
    assert len({e["data"]["revision"] for e in told}) == 1
