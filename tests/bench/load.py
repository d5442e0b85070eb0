# SPDX-License-Identifier: GPL-2.0-or-later
"""What is sent through a router, and what of it was seen at the other end."""
import contextlib
import hashlib
import json
import os
import subprocess
import tempfile
import threading

from lab import wait_until

from clients import tool
from machine import Clock
from routers import TARGET

PORT = 7000
TRANSFER_BYTES = 256 << 20
BLOCK = 1 << 20
UDP_HEADERS = 28


class Failed(Exception):
    """A row that cannot be measured, and why."""


def output_of(process, timeout):
    """What a load program prints; Failed with its complaint where it fails."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as expired:
        process.kill()
        process.communicate()
        raise Failed(f"no result within {timeout:.0f} s") from expired
    if process.returncode != 0:
        text = err.decode(errors="replace") if isinstance(err, bytes) else err
        raise Failed(text.strip().splitlines()[-1] if text and text.strip() else f"exit {process.returncode}")
    return out


# TCP by iperf3. ---------------------------------------------------------------

@contextlib.contextmanager
def iperf_server(lab):
    server = lab.lan.start("iperf3", "-s", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: ":5201" in lab.lan.run("ss", "-ltn"), "iperf3 to listen")
        yield
    finally:
        server.kill()
        server.wait()


class Iperf:
    """One run from the client. Its report goes to a file: 64 streams' would fill a pipe."""

    def __init__(self, lab, streams, direction, seconds):
        self.report = tempfile.TemporaryFile("w+", encoding="utf-8")
        self.deadline_s = seconds + 20
        options = {"up": [], "down": ["-R"], "both": ["--bidir"]}[direction]
        self.process = lab.client.start("iperf3", "-J", "-c", TARGET, "-t", str(seconds), "-P", str(streams), *options,
                                        stdout=self.report, stderr=subprocess.DEVNULL)

    def running(self):
        return self.process.poll() is None

    def end(self):
        """The sums of the whole run: [(received, sent)], one for each direction."""
        try:
            self.process.wait(timeout=self.deadline_s)
            self.report.seek(0)
            answer = json.load(self.report)
        except (subprocess.TimeoutExpired, json.JSONDecodeError) as fault:
            raise Failed("iperf3 gave no result") from fault
        finally:
            self.process.kill()
            self.process.wait()
            self.report.close()
        if "error" in answer:
            raise Failed(f"iperf3: {answer['error']}")
        end = answer["end"]
        ways = [(end["sum_received"], end["sum_sent"])]
        if "sum_received_bidir_reverse" in end:
            ways.append((end["sum_received_bidir_reverse"], end["sum_sent_bidir_reverse"]))
        return ways


def tcp(router, streams, direction, seconds):
    with iperf_server(router.lab):
        clock = Clock(router)
        ways = Iperf(router.lab, streams, direction, seconds).end()
        figures = {"Gb/s": sum(received["bits_per_second"] for received, _ in ways) / 1e9}
        gigabytes = sum(received["bytes"] for received, _ in ways) / 1e9
        if gigabytes == 0:
            raise Failed("nothing arrived")
        if router.pids():
            figures["router CPU s/GB"] = clock.router() / gigabytes
        figures["machine CPU s/GB"] = clock.machine() / gigabytes
        figures["retransmits"] = sum(sent.get("retransmits", 0) for _, sent in ways)
    return figures


# TCP of our own, each byte hashed at both ends. ------------------------------

def send_hashed(connection, total, digests):
    digest, block, left = hashlib.sha256(), os.urandom(BLOCK), total
    while left > 0:
        piece = block[:min(left, BLOCK)]
        connection.sendall(piece)
        digest.update(piece)
        left -= len(piece)
    digests["sent"] = digest.hexdigest()
    connection.close()


def receive_hashed(connection):
    digest, buffer = hashlib.sha256(), bytearray(BLOCK)
    while (n := connection.recv_into(buffer)) > 0:
        digest.update(memoryview(buffer)[:n])
    return digest.hexdigest()


def transfer(router, direction, total=TRANSFER_BYTES):
    """Fails where the bytes that arrive are not those that were sent."""
    near, far = router.lab.pair()
    source, sink = (near, far) if direction == "up" else (far, near)
    source.settimeout(30)
    digests = {}
    thread = threading.Thread(target=send_hashed, args=(source, total, digests))
    thread.start()
    try:
        with sink:
            received = receive_hashed(sink)
    finally:
        source.close()
        thread.join()
    if received != digests.get("sent"):
        raise Failed("the bytes that arrived are not those that were sent")


# UDP. ------------------------------------------------------------------------

@contextlib.contextmanager
def udp_way(lab, direction):
    """(sending socket, receiving socket): down is answered through the hole that a first packet made."""
    with lab.udp(TARGET) as far, lab.udp_client(TARGET, far.getsockname()[1]) as near:
        near.send(b"open")
        _, source = far.recvfrom(100)
        far.connect(source)
        yield (near, far) if direction == "up" else (far, near)


def run_tool(name, sockets, *arguments, **kwargs):
    descriptors = [s.fileno() for s in sockets]
    for s in sockets:
        s.setblocking(True)
    return subprocess.Popen([tool(name[0]), *name[1:], *map(str, descriptors), *map(str, arguments)],
                            pass_fds=descriptors, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)


def udp(router, size, run, direction, seconds):
    """size: of the IP packet; the tunnel carries at most 1,420 bytes whole."""
    with udp_way(router.lab, direction) as ways:
        clock = Clock(router)
        out = output_of(run_tool(["udp_load"], ways, size - UDP_HEADERS, run, seconds), seconds + 20)
        sent, received, in_time, took = (float(word) for word in out.split())
        if received == 0:
            raise Failed("nothing arrived")
        figures = {"kpps": in_time / took / 1e3, "lost, %": 100 * (sent - received) / sent}
        if router.pids():
            figures["router CPU µs/packet"] = clock.router() / received * 1e6
    return figures


def round_trips(router, seconds):
    with udp_way(router.lab, "up") as (near, far):
        out = output_of(run_tool(["probe", "turn"], (near, far), seconds), seconds + 20)
    _, lost, median, late = (int(word) for word in out.split())
    return {"p50, µs": median / 1e3, "p99, µs": late / 1e3, "lost": lost}


def pings(router, count):
    text = router.lab.client.run("ping", "-n", "-i", "0.004", "-c", str(count), TARGET)
    times = sorted(float(line.split("time=")[1].split()[0]) * 1000 for line in text.splitlines() if "time=" in line)
    if not times:
        raise Failed("no answer")
    return {"p50, µs": times[len(times) // 2], "p99, µs": times[int(len(times) * 0.99)]}


# Connections. ----------------------------------------------------------------

@contextlib.contextmanager
def connect_server(lab):
    server = lab.lan.start(tool("connects"), "serve", f"{TARGET}:{PORT}", stdout=subprocess.PIPE, text=True)
    try:
        if server.stdout.readline() != "ready\n":
            raise Failed("the server does not listen")
        yield
    finally:
        server.kill()
        server.communicate()


def connects(router, at_a_time, seconds):
    with connect_server(router.lab):
        client = router.lab.client.start(tool("connects"), "rate", f"{TARGET}:{PORT}", str(at_a_time), str(seconds),
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        connected, failed, took = (float(word) for word in output_of(client, seconds + 20).split())
    return {"/s": connected / took, "failed": failed}


@contextlib.contextmanager
def held(router, count):
    """So many connections, open and idle."""
    with connect_server(router.lab):
        client = router.lab.client.start(tool("connects"), "hold", f"{TARGET}:{PORT}", str(count),
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            line = client.stdout.readline().split()
            if not line or int(line[0]) != count:
                raise Failed(f"{line[0] if line else 'none'} of {count} connected")
            yield
        finally:
            client.kill()
            client.communicate()
