# SPDX-License-Identifier: GPL-2.0-or-later
"""What Culvert wants to reach, held against what was measured."""
import machine
from results import STEPS, STEPS_OF
from rows import FLOWS, PEERS
from table import number

KERNEL, NETSTACK, RIVAL, PLAIN = "culvert kernel", "culvert netstack", "wireguard-go", "plain forwarding"
GO, LEAN, RESOURCES = "wireguard-go client", "lean client", "resources"


class Target:
    """value(results): a number, or None where it was not measured. least: the number is to be at least limit."""

    def __init__(self, text, value, limit, least=True, unit=""):
        self.text, self.value, self.limit, self.least, self.unit = text, value, limit, least, unit

    def judge(self, results):
        value = self.value(results)
        verdict = "not measured"
        if value is not None:
            verdict = "holds" if (value >= self.limit if self.least else value <= self.limit) else "missed"
        return {"target": self.text, "wanted": f"{'≥' if self.least else '≤'} {self.limit:,}{self.unit}",
                "measured": "–" if value is None else number(value) + self.unit, "value": value, "verdict": verdict}


def ratio(series, line, a, b):
    def value(results):
        top, bottom = (results.median(series, line, router) for router in (a, b))
        return top / bottom if top is not None and bottom else None
    return value


def difference(series, line, a, b):
    def value(results):
        more, less = (results.median(series, line, router) for router in (a, b))
        return more - less if more is not None and less is not None else None
    return value


def median(series, line, router):
    return lambda results: results.median(series, line, router)


def throughput():
    for series, limits in ((GO, {"up": 2.0, "down": 1.8}), (LEAN, {"up": 2.0, "down": 1.8})):
        for way, limit in limits.items():
            yield Target(f"kernel mode ÷ wireguard-go, 4 streams {way} ({series})",
                         ratio(series, f"TCP 4 streams {way}, Gb/s", KERNEL, RIVAL), limit)
    for streams in ("1 stream", "4 streams"):
        for way in ("up", "down"):
            yield Target(f"netstack ÷ kernel mode, {streams} {way} ({LEAN})",
                         ratio(LEAN, f"TCP {streams} {way}, Gb/s", NETSTACK, KERNEL), 0.85)
    for way in ("up", "down"):
        yield Target(f"kernel mode ÷ wireguard-go, offloads off, 4 streams {way} ({LEAN})",
                     ratio(f"{LEAN}, offloads off", f"TCP 4 streams {way}, Gb/s", KERNEL, RIVAL), 1.5)


def cost():
    for way, verb, limit, seconds in (("up", "decrypting", 0.45, 1.2), ("down", "encrypting", 0.5, 1.5)):
        line = f"TCP 4 streams {way}, router CPU s/GB"
        yield Target(f"router CPU per GB ÷ wireguard-go's, kernel mode, {verb}", ratio(LEAN, line, KERNEL, RIVAL),
                     limit, least=False)
        if machine.avx512():
            yield Target(f"router CPU per GB, kernel mode, {verb}", median(LEAN, line, KERNEL), seconds, least=False,
                         unit=" s")


def packets():
    for size in (1400, 64):
        for kind in ("", " in runs"):
            for way in ("up", "down"):
                yield Target(f"UDP {size} B{kind} {way}, kernel mode ÷ wireguard-go",
                             ratio(LEAN, f"UDP {size} B{kind} {way}, kpps", KERNEL, RIVAL), 1.5)


def waiting():
    for router in (KERNEL, NETSTACK):
        yield Target(f"round trip added over plain forwarding, p50 idle, {router}",
                     difference(LEAN, "UDP round trip idle, p50, µs", router, PLAIN), 100, least=False, unit=" µs")
    yield Target("ping added over plain forwarding, p50 idle, culvert netstack",
                 difference(LEAN, "ping idle, p50, µs", NETSTACK, PLAIN), 150, least=False, unit=" µs")
    yield Target("TCP connects per second, 64 at a time, netstack ÷ kernel mode",
                 ratio(LEAN, "TCP connects, 64 at a time, /s", NETSTACK, KERNEL), 0.7)
    for router in (KERNEL, NETSTACK):
        for what, row in (("an API write", "API writes, "), (f"listing {FLOWS:,} flows",
                                                             f"{FLOWS:,} idle flows, listing, ")):
            yield Target(f"{what} adds to the worst delay, {router}", median(RESOURCES, f"{row}added, ms", router), 1,
                         least=False, unit=" ms")


def memory():
    row = f"{FLOWS:,} idle flows"
    yield Target("memory per idle TCP flow, netstack", median(RESOURCES, f"{row}, KiB per flow", NETSTACK), 4,
                 least=False, unit=" KiB")
    yield Target(f"{FLOWS:,} held flows in all, netstack", median(RESOURCES, f"{row}, MiB in all", NETSTACK), 60,
                 least=False, unit=" MiB")
    for router in (KERNEL, NETSTACK):
        yield Target(f"memory idle, three processes, {router}", median(RESOURCES, "memory idle, MiB", router), 30,
                     least=False, unit=" MiB")
    for router in (KERNEL, NETSTACK):
        yield Target(f"handshakes answered per second of router CPU, {router}",
                     median(RESOURCES, f"{PEERS:,} peers, handshakes, /s of router CPU", router), 6000)


def flat():
    """A whole packet that is decrypted and written to the TUN, beside the look-ups that it needs."""
    def cost(results, *lookups):
        parts = [results.median(STEPS, f"{step}, ns", STEPS_OF)
                 for step in ("open, 1400 bytes", "view_parse, TCP", "view_verify, 1400 bytes", "coalesce, a packet of 45",
                              *lookups)]
        return None if None in parts else sum(parts)

    def growth(few, many):
        def value(results):
            more, less = cost(results, *many), cost(results, *few)
            return more / less if more and less else None
        return value

    few, many = (tuple(f"{step}, {n} peers" for step in ("allowed-ips", "filter_judge")) for n in (10, 10000))
    yield Target("cost per packet, 10,000 peers ÷ 10", growth(few, many), 1.1, least=False)
    yield Target("cost per packet, 100,000 flows ÷ 10", growth(("flow_find, 10 flows",), ("flow_find, 100000 flows",)), 1.1,
                 least=False)


def judge(results):
    return [target.judge(results) for part in (throughput, cost, packets, waiting, memory, flat) for target in part()]
