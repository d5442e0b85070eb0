# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows: what is measured of each router, by name. BENCHMARKS.md says what each means."""
import base64
import dataclasses
import functools
import json
import os
import statistics
import struct
import subprocess
import time
from typing import Callable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from lab import UnixConnection

import load
from clients import tool
from load import Failed
from machine import Clock, SystemCalls, memory_kib
from routers import CulvertRouter

QUICK = os.environ.get("QUICK") == "1"
SECONDS = 1 if QUICK else 2
PEERS = 1000
FLOWS = 2000 if QUICK else 10000
WRITES = 10 if QUICK else 20
LISTINGS = 2 if QUICK else 5
BEAT_US = 100
SOURCES = "198.18.0.0"  # the benchmark network of RFC 2544


@dataclasses.dataclass
class Row:
    """measure(router): {figure: value}; empty where the row says nothing about that router."""

    name: str
    measure: Callable
    in_quick: bool = True
    rounds_max: int = 99


# Start and memory, on a router that did nothing yet. ------------------------

def start(router):
    return {"ms": router.start_s * 1000} if router.start_s else {}


def idle(router):
    return {"MiB": memory_kib(router.pids()) / 1024} if router.pids() else {}


def held_flows(router):
    """Memory of idle flows; with Culvert also what listing them costs the packets that pass meanwhile."""
    if not router.pids():
        return {}
    before = memory_kib(router.pids())
    with load.held(router, FLOWS):
        now = memory_kib(router.pids())
        figures = {"KiB per flow": (now - before) / FLOWS, "MiB in all": now / 1024}
        if isinstance(router, CulvertRouter):
            figures |= listing(router)
    return figures


def active_flows(router):
    """Memory that 64 busy streams take beside what is held anyway."""
    if not router.pids():
        return {}
    before = memory_kib(router.pids())
    with load.iperf_server(router.lab):
        run = load.Iperf(router.lab, 64, "down", SECONDS)
        samples = []
        while run.running():
            samples.append(memory_kib(router.pids()))
            time.sleep(0.1)
        run.end()
    return {"KiB per flow": (max(samples) - before) / 64}


# Writes and listings, and how long packets wait for them. --------------------

class Pauses:
    """A steady beat of packets through the router; windows of time are compared by the worst delay in them."""

    def __init__(self, router, seconds):
        self.way = load.udp_way(router.lab, "up")
        self.process = load.run_tool(["probe", "beat"], self.way.__enter__(), BEAT_US, seconds)
        self.seconds = seconds
        self.busy, self.calm = [], []

    def event(self, do):
        """Does it after a calm time of the same length."""
        begun = time.monotonic_ns()
        do()
        length = time.monotonic_ns() - begun
        self.busy.append((begun, begun + length))
        time.sleep(max(length / 1e9, 0.02) + 0.02)
        self.calm.append((time.monotonic_ns() - length, time.monotonic_ns()))

    def worst(self):
        """Median over the windows of the worst delay, ms: (busy, calm)."""
        out = load.output_of(self.process, self.seconds + 20)
        self.way.__exit__(None, None, None)
        beats = list(struct.iter_unpack("qq", out))
        if not beats:
            raise Failed("no packet of the beat was sent")
        found = []
        for windows in (self.busy, self.calm):
            worst = []
            for begin, end in windows:
                delays = [delay for at, delay in beats if begin <= at <= end + 2_000_000]
                worst += [max(delays)] if delays else []
            if not worst:
                raise Failed("the beat ended before the events")
            found.append(statistics.median(worst) / 1e6)
        return found


def paused(router, do, times, each_s):
    pauses = Pauses(router, max(1, round(times * each_s + 1)))
    time.sleep(0.3)
    for _ in range(times):
        pauses.event(do)
    busy, calm = pauses.worst()
    return {"worst delay meanwhile, ms": busy, "worst delay else, ms": calm, "added, ms": max(busy - calm, 0.0)}


def listing(router):
    connection = UnixConnection(router.lab.culvert.socket)

    def walk():
        seen, cursor = 0, ""
        while cursor is not None:
            connection.request("GET", f"/v1/flows?limit=500{cursor}")
            answer = json_of(connection.getresponse())
            seen += len(answer["items"])
            cursor = f"&cursor={answer['next_cursor']}" if answer["next_cursor"] else None
        if seen < FLOWS:
            raise Failed(f"{seen} of {FLOWS} flows listed")

    begun = time.monotonic()
    walk()
    took = time.monotonic() - begun
    figures = paused(router, walk, LISTINGS, 2 * took + 0.1)
    connection.close()
    return {"listing, ms": took * 1000, **{f"listing, {name}": value for name, value in figures.items()}}


def json_of(answer):

    body = answer.read()
    if answer.status >= 300:
        raise Failed(f"{answer.status} {body[:200]!r}")
    return json.loads(body)


def api_writes(router):
    if not isinstance(router, CulvertRouter):
        return {}
    connection = UnixConnection(router.lab.culvert.socket)
    peer = router.lab.api.ok("GET", "/v1/peers")["items"][0]["id"]
    counter = iter(range(1 << 30))

    def write():
        body = f'{{"persistent_keepalive_s": {60 + next(counter) % 2}}}'
        connection.request("PATCH", f"/v1/peers/{peer}", body, {"Content-Type": "application/merge-patch+json"})
        json_of(connection.getresponse())

    begun, n = time.monotonic(), 0
    while time.monotonic() - begun < SECONDS:
        write()
        n += 1
    rate = n / (time.monotonic() - begun)
    figures = paused(router, write, WRITES, 0.1)
    connection.close()
    return {"/s": rate, **figures}


# Handshakes. -----------------------------------------------------------------

def key_pairs(n):
    """[(private, public)] as base64."""
    raw = (serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
    keys = [X25519PrivateKey.generate() for _ in range(n)]
    return [(base64.b64encode(key.private_bytes(*raw)).decode(),
             base64.b64encode(key.public_key().public_bytes(raw[0], serialization.PublicFormat.Raw)).decode())
            for key in keys]


def handshakes(router):
    """Memory of a thousand peers, and how many handshakes of theirs are answered."""
    if not router.pids():
        return {}
    pairs = key_pairs(PEERS)
    before = memory_kib(router.pids())
    router.add_peers([public for _, public in pairs])
    figures = {"KiB per peer": (memory_kib(router.pids()) - before) / PEERS}

    lab = router.lab
    lab.client.run("ip", "route", "add", "local", f"{SOURCES}/16", "dev", "lo")
    lab.router.run("ip", "route", "add", f"{SOURCES}/16", "via", "192.0.2.2")
    process = lab.client.start(tool("handshakes"), router.public_key, router.endpoint, SOURCES, str(SECONDS),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdin.write("".join(f"{private}\n" for private, _ in pairs))
    process.stdin.close()
    process.stdin = None
    process.stdout.readline()
    clock = Clock(router)
    answers, cookies, lost, took = (float(word) for word in load.output_of(process, 30).split())
    if answers == 0:
        raise Failed(f"none was answered ({cookies:.0f} cookies)")
    return {**figures, "/s": answers / took, "/s of router CPU": answers / clock.router(), "unanswered": lost,
            "KiB per peer with a session": (memory_kib(router.pids()) - before) / PEERS}


# Under load. -----------------------------------------------------------------

def latency_loaded(router):
    with load.iperf_server(router.lab):
        run = load.Iperf(router.lab, 4, "up", 2)
        time.sleep(0.3)
        try:
            return load.round_trips(router, 1)
        finally:
            run.end()


def system_calls(router, direction):
    if not router.pids():
        return {}
    with load.iperf_server(router.lab):
        calls = SystemCalls(router.pids())
        ways = load.Iperf(router.lab, 4, direction, 1).end()
        count = calls.count()
    return {f"per GB ({calls.tool})": count / (sum(received["bytes"] for received, _ in ways) / 1e9)}


def checked(router, direction):
    load.transfer(router, direction, 64 << 20 if QUICK else load.TRANSFER_BYTES)
    return {"sha256 differs": 0}


def tcp(streams, direction, in_quick=True, rounds_max=99):
    way = {"up": "up", "down": "down", "both": "both ways at once"}[direction]
    return Row(f"TCP {streams} stream{'s' if streams > 1 else ''} {way}",
               functools.partial(load.tcp, streams=streams, direction=direction, seconds=SECONDS), in_quick,
               rounds_max)


def udp(size, run, direction, in_quick=True):
    kind = " in runs" if run > 1 else ""
    return Row(f"UDP {size} B{kind} {direction}",
               functools.partial(load.udp, size=size, run=run, direction=direction, seconds=1), in_quick, 2 if run > 1 else 99)


TCP = [tcp(1, "up"), tcp(1, "down"), tcp(4, "up"), tcp(4, "down")]
TCP_MORE = [tcp(4, "both", False, 2), tcp(64, "up", False, 2), tcp(64, "down", False, 2)]
UDP = [udp(size, run, direction, run == 1)
       for size in (1400, 64) for run in (1, 64) for direction in ("up", "down")]
CHECKED = [Row(f"bytes checked, TCP {way}", functools.partial(checked, direction=way), way == "up", 1)
           for way in ("up", "down")]
LATENCY = [Row("UDP round trip idle", functools.partial(load.round_trips, seconds=1)),
           Row("ping idle", functools.partial(load.pings, count=100 if QUICK else 250)),
           Row("UDP round trip under load", latency_loaded, False, 2)]
CONNECTS = [Row(f"TCP connects, {n} at a time", functools.partial(load.connects, at_a_time=n, seconds=1), n > 1)
            for n in (1, 64)]
RESOURCES = [Row("start", start), Row("memory idle", idle), Row(f"{FLOWS:,} idle flows", held_flows),
             Row("64 active flows", active_flows, False, 1), Row("API writes", api_writes),
             Row("system calls, TCP up", functools.partial(system_calls, direction="up"), False, 1),
             Row("system calls, TCP down", functools.partial(system_calls, direction="down"), False, 1),
             Row(f"{PEERS:,} peers, handshakes", handshakes, False, 1)]
