# SPDX-License-Identifier: GPL-2.0-or-later
"""Several worker processes: every peer is served by its own, and nobody notices which."""
import contextlib
import hashlib
import os
import signal
import threading

import pytest
from conftest import MODES
from lab import DEADLINE_S, Lab, wait_until

WORKERS = 3
SITES = [f"172.31.{n}.5" for n in range(WORKERS)]  # behind each client
BULK = 8 << 20


@pytest.fixture(scope="module", params=MODES)
def team(request):
    """A client of each worker, in .members, with a site behind it that the others may reach."""
    made = Lab(request.param, options=("--workers", str(WORKERS)))
    try:
        made.members = [made.add_far_client(f"m{n}", 10 + n) for n in range(WORKERS)]
        for n, member in enumerate(made.members):
            member.space.run("ip", "address", "add", f"{SITES[n]}/32", "dev", "lo")
            member.route("10.20.0.0/16")
            member.route("172.31.0.0/16")
            for other in (a for a in made.members if a is not member):
                member.route(f"{other.addresses[0]}/32")
            made.api.ok("POST", "/v1/routes", {"prefix": f"{SITES[n]}/32", "via": member.peer["id"]})
        yield made
    finally:
        made.close()


def metric(lab, name):
    return next(int(line.split()[1]) for line in lab.api.ok("GET", "/metrics").splitlines()
                if line.startswith(f"{name} "))


def all_answer(lab):
    return all(lab.ping("10.20.0.2", namespace=member.space, wait_s=1) == 1 for member in lab.members)


def workers_of(lab):
    return {name: pid for name, pid in lab.culvert.pids().items() if name.startswith("engine")}


@contextlib.contextmanager
def connection(lab, address, member, namespace=None):
    """(the member's socket, the service's) through the tunnel."""
    with lab.listen(address, namespace=namespace) as server:
        client = lab.connect(address, server.getsockname()[1], namespace=member.space)
        accepted, _ = server.accept()
    with client, accepted:
        accepted.settimeout(DEADLINE_S)
        yield client, accepted


def assert_carries(sender, receiver, size=BULK):
    data = os.urandom(size)
    thread = threading.Thread(target=sender.sendall, args=(data,))
    thread.start()
    got, digest = 0, hashlib.sha256()
    while got < size:
        piece = receiver.recv(1 << 16)
        assert piece, f"ended after {got} of {size} bytes"
        got += len(piece)
        digest.update(piece)
    thread.join()
    assert digest.digest() == hashlib.sha256(data).digest()


def test_each_worker_runs_without_privileges(team):
    workers = workers_of(team)
    assert sorted(workers) == ["engine", "engine1", "engine2"]
    for pid in workers.values():
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            status = {line.partition(":")[0]: line.partition(":")[2].strip() for line in file}
        assert status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) == 0 == int(status["CapPrm"], 16)


def test_clients_of_each_worker_reach_the_lan(team):
    for n, member in enumerate(team.members):
        assert team.ping("10.20.0.2", count=3, namespace=member.space) == 3
        with connection(team, "10.20.0.2", member) as (mine, service):
            assert_carries(mine, service)
            assert_carries(service, mine)
        with team.udp() as server, team.udp_client("10.20.0.2", server.getsockname()[1], member.space) as mine:
            mine.send(b"out")
            data, source = server.recvfrom(100)
            server.sendto(data + b" and back", source)
            assert mine.recv(100) == b"out and back"
        shown = team.api.ok("GET", f"/v1/peers/{member.peer['id']}")["status"]
        assert shown["online"] and shown["endpoint"].startswith(f"192.0.{10 + n}.2:")


def test_clients_of_different_workers_reach_each_other(team):
    for n, member in enumerate(team.members):
        other = (n + 1) % WORKERS
        with connection(team, SITES[other], member, namespace=team.members[other].space) as (mine, service):
            assert_carries(mine, service)
            assert_carries(service, mine)
        assert team.ping(SITES[other], count=3, namespace=member.space) == 3
    assert metric(team, "culvert_handed_over_total") > 0


def test_the_lan_begins_flows_to_clients_of_each_worker_in_kernel_mode_alone(team):
    team.lan.run("ip", "route", "replace", "172.31.0.0/16", "via", "10.20.0.1")
    if team.mode == "netstack":
        with pytest.raises(OSError):
            team.connect(SITES[1], 80, namespace=team.lan)
        return
    for n, member in enumerate(team.members):
        with team.listen(SITES[n], namespace=member.space) as server, \
                team.connect(SITES[n], server.getsockname()[1], namespace=team.lan) as mine:
            service, _ = server.accept()
            service.settimeout(DEADLINE_S)
            with service:
                assert_carries(mine, service)
                assert_carries(service, mine)


def test_flows_of_all_workers_are_listed_in_pages_and_cut(team):
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(connection(team, "10.20.0.2", member))
                 for member in team.members for _ in range(3)]
        mine = {f"{team.members[i // 3].addresses[0]}:{pair[0].getsockname()[1]}" for i, pair in enumerate(pairs)}
        for limit in (1, 2, 4, 100):
            seen, target = {}, f"/v1/flows?protocol=tcp&limit={limit}"
            while target:
                page = team.api.ok("GET", target)
                for flow in page["items"]:
                    assert flow["id"] not in seen
                    seen[flow["id"]] = flow["source"]
                cursor = page["next_cursor"]
                target = cursor and f"/v1/flows?protocol=tcp&limit={limit}&cursor={cursor}"
            assert mine <= set(seen.values())
        wait_until(lambda: team.api.ok("GET", "/v1/status")["flows"]["tcp"] >= len(mine), "all to be counted")

        for flow in [id for id, source in seen.items() if source in mine]:
            team.api.ok("DELETE", f"/v1/flows/{flow}")
            assert team.api.call("DELETE", f"/v1/flows/{flow}")[0] == 404
        for pair in pairs:
            for end in pair:
                end.settimeout(DEADLINE_S)
                with pytest.raises(ConnectionResetError):
                    end.recv(10)


def test_a_change_is_in_force_in_every_worker(team):
    route = team.routes[0]["id"]
    team.api.ok("PATCH", f"/v1/routes/{route}", {"enabled": False})
    try:
        for member in team.members:
            assert team.ping("10.20.0.2", namespace=member.space, wait_s=0.3) == 0
    finally:
        team.api.ok("PATCH", f"/v1/routes/{route}", {"enabled": True})
    for member in team.members:
        assert team.ping("10.20.0.2", namespace=member.space) == 1


def test_a_client_that_moves_stays_with_its_worker(team):
    for n, member in enumerate(team.members):
        with connection(team, "10.20.0.2", member) as (mine, service):
            before = member.handshake_at()
            member.space.run("wg", "set", member.name, "listen-port", str(40000 + n))
            assert_carries(mine, service, 1 << 20)
            assert_carries(service, mine, 1 << 20)
            assert member.handshake_at() == before
            target = f"/v1/peers/{member.peer['id']}"
            wait_until(lambda t=target, p=40000 + n: team.api.ok("GET", t)["status"]["endpoint"].endswith(f":{p}"),
                       "the new endpoint")


def test_another_port_is_opened_by_all(team):
    port = team.api.ok("GET", "/v1/node")["listen_port"]
    for wanted in (port + 1, port):
        team.api.ok("PATCH", "/v1/node", {"listen_port": wanted})
        for member in team.members:
            address = member.show("endpoints")[1].rpartition(":")[0]
            key = member.sections["Peer"]["PublicKey"]
            member.space.run("wg", "set", member.name, "peer", key, "endpoint", f"{address}:{wanted}")
        wait_until(lambda: all_answer(team), f"traffic on port {wanted}")


def test_modes_are_switched_in_all_workers(team):
    if team.mode == "netstack":  # of an ordinary user
        assert team.api.call("PUT", "/v1/dataplane", {"desired": "kernel"})[0] == 409
    for mode in ("netstack", team.mode):
        team.api.ok("PUT", "/v1/dataplane", {"desired": mode})
        for member in team.members:
            with connection(team, "10.20.0.2", member) as (mine, service):
                assert_carries(mine, service, 1 << 20)
                assert_carries(service, mine, 1 << 20)


@pytest.mark.parametrize("victim", ["engine", "engine1", "engine2"])
def test_the_death_of_any_worker_starts_all_anew(team, victim):
    before, control = workers_of(team), team.culvert.pids()["control"]
    os.kill(before[victim], signal.SIGKILL)

    def anew():
        now = workers_of(team)
        return set(now) == set(before) and not set(now.values()) & set(before.values())
    wait_until(anew, "new workers", seen=lambda: f"{before} {workers_of(team)}")
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in before.values()), "the old ones to be gone")
    wait_until(lambda: all_answer(team), "traffic again")
    assert team.culvert.pids()["control"] == control


def test_sigterm_leaves_no_worker(team):
    pids = team.culvert.pids()
    assert len(pids) == WORKERS + 2
    assert team.culvert.stop() == 0
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids.values())
    team.culvert.start()
    wait_until(lambda: all_answer(team), "traffic again", 40)


def test_pings_by_the_program_find_back_to_their_worker():
    lab = Lab(ping_group="1 0", options=("--workers", "2"))
    try:
        members = [lab.add_far_client(f"m{n}", 10 + n) for n in range(2)]
        works = lab.api.ok("GET", "/v1/dataplane")["capabilities"]["netstack"]["icmp"] == "exec"
        for member in members:
            member.route("10.20.0.0/16")
            assert lab.ping("10.20.0.2", count=3, namespace=member.space) == 3 * works
    finally:
        lab.close()


@pytest.mark.parametrize("wish", ["0", "9", "two", "1.5", ""])
def test_a_number_of_workers_that_cannot_be_is_refused(wish):
    lab = Lab(start=False, options=("--workers", wish))
    try:
        lab.culvert.start(wait=False)
        assert lab.culvert.process.wait(DEADLINE_S) == 2
        assert "--workers" in lab.culvert.logged() and "between 1 and 8" in lab.culvert.logged()
    finally:
        lab.close()
