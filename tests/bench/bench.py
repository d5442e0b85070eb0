# SPDX-License-Identifier: GPL-2.0-or-later
"""Throughput, latency and memory of the router, beside its rival in the same run.

The topology is that of tests/netns/lab.py. Routers take turns in every round; the table
holds medians with the spread. Writes build/bench.json.
"""
import contextlib
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../netns"))
from lab import Lab, WireGuard, run, wait_until  # noqa: E402

QUICK = os.environ.get("QUICK") == "1"
ROUNDS = 1 if QUICK else 3
SECONDS = 3 if QUICK else 5
PROGRAM = os.environ["WIREGUARD_GO"]
TICKS = os.sysconf("SC_CLK_TCK")


class CulvertRouter:
    mode = "netstack"
    name = "culvert netstack"

    def __enter__(self):
        self.lab = Lab(self.mode)
        made = self.lab.api.ok("POST", "/v1/peers", {"name": "bench"})
        self.client = WireGuard(self.lab.client, made["client_config"], PROGRAM)
        self.lab.clients.append(self.client)
        return self

    def pids(self):
        return list(self.lab.culvert.pids().values())

    def __exit__(self, *_):
        self.lab.close()


class CulvertKernelRouter(CulvertRouter):
    mode = "kernel"
    name = "culvert kernel"


class WireGuardGoRouter:
    name = "wireguard-go + kernel forwarding"

    def __enter__(self):
        self.lab = Lab()
        self.lab.culvert.stop()
        router_key, client_key = run("wg", "genkey").strip(), run("wg", "genkey").strip()
        public = {k: run("wg", "pubkey", input=k).strip() for k in (router_key, client_key)}
        router = self.lab.router
        self.router = WireGuard(router, f"[Interface]\nPrivateKey = {router_key}\nListenPort = 51821\n"
                                        f"Address = 10.99.0.1/24\n[Peer]\nPublicKey = {public[client_key]}\n"
                                        "AllowedIPs = 10.99.0.2/32\n", PROGRAM)
        self.client = WireGuard(self.lab.client, f"[Interface]\nPrivateKey = {client_key}\nAddress = 10.99.0.2/24\n"
                                                 f"[Peer]\nPublicKey = {public[router_key]}\n"
                                                 "AllowedIPs = 10.99.0.0/24, 10.20.0.0/16\nEndpoint = 192.0.2.1:51821\n",
                                PROGRAM)
        self.lab.clients += [self.router, self.client]
        router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        router.run("nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
                          "add rule ip nat post oifname lan1 masquerade")
        return self

    def pids(self):
        return [self.router.process.pid]

    def __exit__(self, *_):
        self.lab.close()


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident_mib(pids):
    """Memory that is the processes' own or their share of what they share (PSS)."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as rollup:
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total / 1024


def iperf(router, streams, down):
    before = cpu_seconds(router.pids())
    text = run(*router.lab.client.command("iperf3", "-J", "-c", "10.20.0.2", "-t", str(SECONDS), "-O", "1",
                                          "-P", str(streams), *(["-R"] if down else [])), check=False)
    answer = json.loads(text)
    if "error" in answer:
        return None, None
    received = answer["end"]["sum_received"]
    gigabytes = received["bytes"] / 1e9 * (SECONDS + 1) / SECONDS
    return received["bits_per_second"] / 1e9, (cpu_seconds(router.pids()) - before) / gigabytes


def ping_us(router):
    text = router.lab.client.run("ping", "-n", "-i", "0.005", "-c", "400", "10.20.0.2")
    times = sorted(float(line.split("time=")[1].split()[0]) * 1000 for line in text.splitlines() if "time=" in line)
    return times[len(times) // 2], times[int(len(times) * 0.99)]


def measure(router):
    row = {}
    lab = router.lab
    wait_until(lambda: lab.ping("10.20.0.2", wait_s=1) == 1, f"{router.name} to forward", 60)
    row["memory idle, MiB"] = resident_mib(router.pids())
    row["ping p50, us"], row["ping p99, us"] = ping_us(router)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(lab.listen(backlog=2048))
        for _ in range(1000):
            stack.enter_context(lab.connect("10.20.0.2", server.getsockname()[1]))
            stack.enter_context(server.accept()[0])
        row["memory with 1,000 flows, MiB"] = resident_mib(router.pids())
    server = lab.lan.start("iperf3", "-s", stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: ":5201" in lab.lan.run("ss", "-ltn"), "iperf3 to listen")
        for streams in (1, 4):
            for down in (False, True):
                label = f"{streams} stream{'s' if streams > 1 else ''} {'down' if down else 'up'}"
                row[f"{label}, Gb/s"], row[f"{label}, CPU s/GB"] = iperf(router, streams, down)
    finally:
        server.kill()
        server.wait()
    return row


def table(results):
    names = list(results)
    keys = list(results[names[0]][0])
    ratios = [f"{name} ÷ {names[-1]}" for name in names[:-1]]
    lines = ["| | " + " | ".join(names + ratios) + " |", "|---" * (len(names) + len(ratios) + 1) + "|"]
    summary = {}
    for key in keys:
        cells, medians = [], []
        for name in names:
            values = [row[key] for row in results[name] if row[key] is not None]
            medians.append(statistics.median(values) if values else float("nan"))
            spread = f" ({min(values):.2f}–{max(values):.2f})" if len(values) > 1 else ""
            cells.append(f"{medians[-1]:.2f}{spread}" if values else "failed")
        summary[key] = dict(zip(names, medians))
        cells += [f"{median / medians[-1]:.2f}" for median in medians[:-1]]
        lines.append(f"| {key} | " + " | ".join(cells) + " |")
    return "\n".join(lines), summary


def main():
    kinds = (CulvertKernelRouter, CulvertRouter, WireGuardGoRouter)
    results = {kind.name: [] for kind in kinds}
    for number in range(ROUNDS):
        for kind in kinds:
            print(f"round {number + 1}: {kind.name}", flush=True)
            with kind() as router:
                results[kind.name].append(measure(router))
    text, summary = table(results)
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        cpuinfo = info.read()
    model = next(line.split(": ")[1].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    machine = (f"{os.cpu_count()} cores of {model}, {'AVX-512 IFMA' if 'avx512ifma' in cpuinfo else 'AVX2 at most'}, "
               f"Linux {os.uname().release}; client and rival: wireguard-go {os.environ['WIREGUARD_GO_VERSION']}")
    print(f"\n{machine}\n\n{text}")
    os.makedirs("build", exist_ok=True)
    with open("build/bench.json", "w", encoding="utf-8") as out:
        json.dump({"machine": machine, "rounds": ROUNDS, "medians": summary, "all": results}, out, indent=1)


main()
