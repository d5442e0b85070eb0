# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run costs the machine: processor time, memory, system calls; and the machine in words."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

from lab import wait_until

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rsplit(") ", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def machine_seconds():
    """All that was not idle, whoever did it, but for what the hypervisor took."""
    with open("/proc/stat", encoding="utf-8") as stat:
        user, nice, system, _, _, irq, softirq, *_ = (int(word) for word in stat.readline().split()[1:])
    return (user + nice + system + irq + softirq) / TICKS


class Clock:
    """Processor seconds of a router's processes, and of the machine, since it was made."""

    def __init__(self, router):
        self.pids = router.pids()
        self.begun = (cpu_seconds(self.pids), machine_seconds())

    def router(self):
        return cpu_seconds(self.pids) - self.begun[0]

    def machine(self):
        return machine_seconds() - self.begun[1]


def memory_kib(pids):
    """Memory that is the processes' own, or their share of what they share (PSS)."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as rollup:
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total


class SystemCalls:
    """Counts the system calls of processes: by perf's tracepoint where that works, else by strace, which slows them."""

    def __init__(self, pids):
        self.output = tempfile.NamedTemporaryFile("r", encoding="utf-8")
        self.pids = pids
        self.tool, command = self.choose()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.attached, f"{self.tool} to attach")

    def choose(self):
        pids = ",".join(map(str, self.pids))
        event = "raw_syscalls:sys_enter"
        if shutil.which("perf") and subprocess.run(["perf", "stat", "-e", event, "true"], capture_output=True,
                                                   check=False).returncode == 0:
            return "perf", ["perf", "stat", "-x", ",", "-e", event, "-p", pids, "-o", self.output.name]
        if shutil.which("strace"):
            return "strace", ["strace", "-c", "-f", "-o", self.output.name,
                              *(word for pid in self.pids for word in ("-p", str(pid)))]
        raise RuntimeError("needs perf or strace")

    def attached(self):
        assert self.process.poll() is None, f"{self.tool} ended"
        if self.tool == "strace":
            return all(traced_by(pid) for pid in self.pids)
        with contextlib.suppress(FileNotFoundError):
            descriptors = f"/proc/{self.process.pid}/fd"
            return any("perf_event" in os.readlink(f"{descriptors}/{fd}") for fd in os.listdir(descriptors))
        return False

    def count(self):
        """Ends the counting."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=10)
        text = self.output.read()
        self.output.close()
        if self.tool == "perf":
            return sum(int(line.split(",")[0]) for line in text.splitlines() if "sys_enter" in line)
        total = next(line.split() for line in text.splitlines() if line.endswith(" total"))
        return int(total[3])


def traced_by(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("TracerPid:"))


def avx512():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return "avx512ifma" in info.read()


def words():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next(line.split(": ")[1].strip() for line in info if line.startswith("model name"))
    return (f"{os.cpu_count()} cores of {model}, {'AVX-512 IFMA' if avx512() else 'AVX2 at most'}, "
            f"Linux {os.uname().release}; client and rival: wireguard-go {os.environ['WIREGUARD_GO_VERSION']}")
