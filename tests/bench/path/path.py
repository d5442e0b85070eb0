# SPDX-License-Identifier: GPL-2.0-or-later
"""One TCP stream over bad paths: netstack mode beside kernel mode, where Linux's CUBIC is at both ends.

The topology is that of tests/netns/lab.py, once for each mode, with path.c between the client and
the router's outer UDP. For every path the modes take turns. Rows: PATHS="loss 100_ms" runs those whose
name has one of the words (_ for a space). Writes build/bench-path.json.
"""
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../netns"))
from lab import Lab, WireGuard, run, wait_until  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = int(os.environ.get("SECONDS_EACH", "6"))
OMIT = 2
TARGET = 0.85
EMULATOR = "build/bench/path"

# Name: round trip ms, Mb/s (0: no bottleneck), ms of queue, share lost. "first": slow start counts too.
PATHS = {
    "20 ms, 100 Mb/s, queue 5 ms": (20, 100, 5, 0),
    "20 ms, 100 Mb/s, queue 20 ms": (20, 100, 20, 0),
    "20 ms, 300 Mb/s, queue 5 ms": (20, 300, 5, 0),
    "20 ms, 300 Mb/s, queue 20 ms": (20, 300, 20, 0),
    "100 ms, 100 Mb/s, queue 5 ms": (100, 100, 5, 0),
    "100 ms, 300 Mb/s, queue 20 ms": (100, 300, 20, 0),
    "20 ms, 300 Mb/s, queue 20 ms, first": (20, 300, 20, 0),
    "100 ms, 100 Mb/s, queue 20 ms, first": (100, 100, 20, 0),
    "20 ms, loss 0.1 %": (20, 0, 0, 0.001),
    "20 ms, loss 1 %": (20, 0, 0, 0.01),
    "100 ms, loss 0.1 %": (100, 0, 0, 0.001),
    "100 ms, loss 1 %": (100, 0, 0, 0.01),
    "100 ms, window": (100, 0, 0, 0),
}


class Site:
    """A laboratory in one mode, its client behind whatever path is laid."""

    def __init__(self, mode):
        self.mode = mode
        self.port = 52000
        self.lab = Lab(mode)
        try:
            made = self.lab.api.ok("POST", "/v1/peers", {"name": "bench"})
            self.client = WireGuard(self.lab.client, made["client_config"], os.environ["WIREGUARD_GO"])
            self.lab.clients.append(self.client)
            # Enough for 100 ms at several Gb/s: the path is to be the limit, not the ends.
            for space in (self.lab.client, self.lab.lan):
                space.run("sysctl", "-qw", "net.ipv4.tcp_rmem=4096 131072 134217728",
                          "net.ipv4.tcp_wmem=4096 65536 134217728",
                          "net.ipv4.tcp_no_metrics_save=1")
            self.server = self.lab.lan.start("iperf3", "-s", stdout=subprocess.DEVNULL)
            wait_until(lambda: ":5201" in self.lab.lan.run("ss", "-ltn"), "iperf3 to listen")
        except BaseException:
            self.lab.close()
            raise

    def measure(self, shape, seed, down, first):
        """Mb/s that arrived."""
        rtt, rate, queue, loss = shape
        self.port += 1
        emulator = self.lab.client.start(EMULATOR, "127.0.0.1", str(self.port), "192.0.2.1", "51820", str(rtt),
                                         str(rate), str(queue), str(loss), str(seed), stdout=subprocess.PIPE, text=True)
        try:
            emulator.stdout.readline()
            self.lab.client.run("wg", "set", self.client.name, "peer", self.client.sections["Peer"]["PublicKey"],
                                "endpoint", f"127.0.0.1:{self.port}")
            wait_until(lambda: self.lab.ping("10.20.0.2", wait_s=1) == 1, "the path to carry", 60)
            text = run(*self.lab.client.command("iperf3", "-J", "-c", "10.20.0.2",
                                                *(["-t", "3"] if first else ["-t", str(SECONDS), "-O", str(OMIT)]),
                                                "-C", "cubic", *(["-R"] if down else [])), check=False)
            # The end of a stream goes over the path too.
            wait_until(lambda: not self.lab.lan.run("ss", "-Htn", "state", "established", "sport = 5201").strip(),
                       "iperf3 to be free", 60)
        finally:
            emulator.terminate()
            emulator.wait()
        answer = json.loads(text)
        if "error" in answer:
            raise RuntimeError(f"{self.mode}: iperf3: {answer['error']}")
        return answer["end"]["sum_received"]["bits_per_second"] / 1e6

    def close(self):
        self.server.kill()
        self.server.wait()
        self.lab.close()


def chosen():
    words = os.environ.get("PATHS", "").split()
    return {name: shape for name, shape in PATHS.items() if not words or any(word.replace("_", " ") in name for word in words)}


def main():
    os.makedirs("build/bench", exist_ok=True)
    run("cc", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-o", EMULATOR, "tests/bench/path/path.c")
    sites = []
    rows = []
    print("| path | way | kernel, Mb/s | netstack, Mb/s | netstack ÷ kernel | |\n|---|---|---|---|---|---|")
    try:
        sites += [Site("kernel")]
        sites += [Site("netstack")]
        for name, shape in chosen().items():
            for down in (True, False):
                got = {site.mode: [] for site in sites}
                for seed in range(1, ROUNDS + 1):
                    for site in sites:
                        got[site.mode].append(site.measure(shape, seed, down, "first" in name))
                kernel, netstack = (statistics.median(got[mode]) for mode in ("kernel", "netstack"))
                ratio = netstack / kernel
                cells = [f"{statistics.median(v):.1f} ({min(v):.1f}–{max(v):.1f})" for v in got.values()]
                print(f"| {name} | {'down' if down else 'up'} | {cells[0]} | {cells[1]} | {ratio:.2f} | "
                      f"{'' if ratio >= TARGET else f'under {TARGET}'} |", flush=True)
                rows.append({"path": name, "way": "down" if down else "up", "mbit_s": got, "ratio": ratio,
                             "target": TARGET})
    finally:
        for site in sites:
            site.close()
    with open("build/bench-path.json", "w", encoding="utf-8") as out:
        json.dump({"rounds": ROUNDS, "seconds": SECONDS, "rows": rows}, out, indent=1)


main()
