# SPDX-License-Identifier: GPL-2.0-or-later
"""Crashes, restarts and stops of the real processes."""
import os
import random
import signal
import socket
import subprocess
import threading

import pytest
from lab import Culvert, Lab, run, wait_until


def test_engine_comes_back_and_greets_peers(own):
    before = own.culvert.pids()
    os.kill(before["engine"], signal.SIGKILL)
    wait_until(lambda: own.culvert.pids().get("engine", before["engine"]) != before["engine"], "a new engine", 5)
    assert own.culvert.pids()["control"] == before["control"]
    wait_until(lambda: own.ping("10.20.0.2", wait_s=1) == 1, "traffic again")
    assert own.api.ok("GET", "/v1/peers")["items"][0]["name"] == "laptop"


def test_control_comes_back_and_flows_go_on(own):
    client, server = own.pair()
    before = own.culvert.pids()
    os.kill(before["control"], signal.SIGKILL)
    wait_until(lambda: own.culvert.pids().get("control", before["control"]) != before["control"], "a new control", 5)
    client.sendall(b"still here")
    assert server.recv(100) == b"still here"
    assert own.culvert.pids()["engine"] == before["engine"]

    def answers():
        try:
            return own.api.ok("GET", "/v1/routes")["items"]
        except OSError:
            return None
    assert len(wait_until(answers, "the API again")) == 2
    own.api.ok("POST", "/v1/peers", {"name": "after the crash"})


def test_death_of_the_supervisor_ends_all(own):
    pids = own.culvert.pids()
    os.kill(pids["supervisor"], signal.SIGKILL)
    wait_until(lambda: not any(os.path.exists(f"/proc/{pids[n]}") for n in ("control", "engine")), "both to end", 5)
    own.culvert.process.wait()
    own.culvert.start()
    wait_until(lambda: own.ping("10.20.0.2", wait_s=1) == 1, "traffic again", 40)


def test_five_crashes_stop_everything(own):
    process = own.culvert.process
    seen = set()
    for _ in range(5):
        def fresh():
            return process.poll() is not None or own.culvert.pids().get("engine", 0) not in seen | {0}
        wait_until(fresh, "a new engine")
        if process.poll() is not None:
            break
        engine = own.culvert.pids()["engine"]
        seen.add(engine)
        os.kill(engine, signal.SIGKILL)
    wait_until(lambda: process.poll() is not None, "the supervisor to give up")
    assert process.returncode == 1
    assert "5" in own.culvert.logged() and "stop" in own.culvert.logged()


def test_sigterm_leaves_nothing(own):
    pids = own.culvert.pids()
    assert own.culvert.stop() == 0
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids.values())
    assert not os.path.exists(own.culvert.socket)


def test_second_daemon_on_the_same_state(own):
    second = subprocess.run(own.router.command(
        "setpriv", f"--reuid={own.culvert.user}", f"--regid={own.culvert.user}", "--clear-groups", "build/culvert",
        "run", "--state-dir", own.culvert.state, "--no-http", "--wg-port", "51999"),
        capture_output=True, text=True, timeout=20)
    assert second.returncode == 3
    assert "another culvert is running on it" in second.stderr
    assert own.ping("10.20.0.2") == 1


def test_children_hold_no_privileges(own):
    for name in ("control", "engine"):
        pid = own.culvert.pids()[name]
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            status = {line.partition(":")[0]: line.partition(":")[2].strip() for line in file}
        assert status["NoNewPrivs"] == "1"
        assert int(status["CapEff"], 16) == 0 == int(status["CapPrm"], 16)
        with open(f"/proc/{pid}/limits", encoding="utf-8") as file:
            core = next(line for line in file if line.startswith("Max core file size"))
        assert core.split()[4:6] == ["0", "0"]


def test_started_as_root_children_are_not_root():
    lab = Lab()
    daemon = Culvert(lab.router, ["--wg-port", "51999", "--mode", "netstack"], user=0)
    try:
        daemon.start()
        for name in ("control", "engine"):
            with open(f"/proc/{daemon.pids()[name]}/status", encoding="utf-8") as file:
                status = file.read()
            assert "Uid:\t0" not in status and "\nCapEff:\t0000000000000000" in status
        daemon.api.ok("POST", "/v1/peers", {"name": "as root"})
        assert daemon.stop() == 0
    finally:
        daemon.close()
        lab.close()


def listening(lab, port):
    return lab.router.run("ss", "-Hlun", f"sport = :{port}").split()


@pytest.mark.parametrize("mode", ["netstack", "kernel"])
def test_root_has_ports_below_1024(mode):
    lab = Lab()
    daemon = Culvert(lab.router, ["--wg-port", "443", "--mode", mode], user=0)
    try:
        daemon.start()
        assert listening(lab, 443)
        os.kill(daemon.pids()["engine"], signal.SIGKILL)
        wait_until(lambda: listening(lab, 443), "the next engine on the same port")
        wait_until(lambda: daemon.api.call("GET", "/readyz")[0] == 200, "the daemon to be ready")
        daemon.api.ok("PATCH", "/v1/node", {"listen_port": 51999})
        assert not listening(lab, 443)
        daemon.api.ok("PATCH", "/v1/node", {"listen_port": 500})
        assert listening(lab, 500)
        with lab.router.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("0.0.0.0", 53))
            status, problem, _ = daemon.api.call("PATCH", "/v1/node", {"listen_port": 53})
        assert status == 422 and problem["errors"][0]["pointer"] == "/listen_port"
        assert listening(lab, 500)
    finally:
        daemon.close()
        lab.close()


def test_others_are_told_which_ports_they_have():
    lab = Lab()
    try:
        status, problem, _ = lab.api.call("PATCH", "/v1/node", {"listen_port": 443})
        assert status == 422
        assert problem["errors"][0]["pointer"] == "/listen_port"
        assert problem["errors"][0]["code"] == "privileged_port"
        assert "ip_unprivileged_port_start" in problem["errors"][0]["detail"]
        assert lab.api.ok("GET", "/v1/node")["listen_port"] == 51820
    finally:
        lab.close()


def test_every_acknowledged_write_survives_50_kills():
    lab = Lab(routes=())
    try:
        acknowledged = []
        chance = random.Random(7)
        for kill in range(50):
            stop = threading.Event()

            def write(round_number=kill):
                n = 0
                while not stop.is_set():
                    name = f"peer {round_number} {n}"
                    n += 1
                    try:
                        status, answer, _ = lab.api.call("POST", "/v1/peers", {"name": name})
                    except OSError:
                        return
                    except Exception:  # a connection that died half-way
                        return
                    if status == 201:
                        acknowledged.append(answer["id"])
            writer = threading.Thread(target=write)
            writer.start()
            threading.Event().wait(chance.uniform(0.01, 0.12))
            pids = [lab.culvert.process.pid, *lab.culvert.pids().values()]
            for pid in set(pids):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            lab.culvert.process.wait()
            stop.set()
            writer.join()
            lab.culvert.start()
        assert len(acknowledged) > 50, "the writer wrote nothing"
        for identity in acknowledged:
            status, _, _ = lab.api.call("GET", f"/v1/peers/{identity}")
            assert status == 200, f"{identity} was acknowledged and is gone"
        lab.culvert.stop()
        assert run("sqlite3", os.path.join(lab.culvert.state, "culvert.db"), "pragma integrity_check").strip() == "ok"
    finally:
        lab.close()
