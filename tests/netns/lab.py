# SPDX-License-Identifier: GPL-2.0-or-later
"""The laboratory: namespaces, a real WireGuard client, the real daemon.

    client                      router                       lan
    wireguard-go  192.0.2.2 --- 192.0.2.1  culvert
                  2001:db8:1::2 ::1        10.20.0.1   ----- 10.20.0.2
    (100.64.x.y inside the tunnel)         fd20::1           fd20::2

In netstack mode Culvert runs as an ordinary user without any capability, in kernel mode as root. Sockets are made inside a
namespace from this one process (Namespace.enter), so that tests are plain Python.
"""
import contextlib
import ctypes
import http.client
import json
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CULVERT = os.environ.get("CULVERT", os.path.join(ROOT, "build/culvert"))
WORKERS = os.environ.get("CULVERT_WORKERS")  # of each engine; else what is usual
USER = 61234  # an ordinary user that owns nothing else
CLONE_NEWNET = 0x40000000
DEADLINE_S = 20

libc = ctypes.CDLL(None, use_errno=True)


def wait_until(condition, what, deadline_s=DEADLINE_S, seen=lambda: ""):
    """Waits for condition() to be true and returns it; else says what was awaited, and what was seen."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s} s in vain for: {what} {seen()}")
        pause.wait(0.02)


def run(*args, check=True, **kwargs):
    done = subprocess.run(args, capture_output=True, text=True, timeout=60, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Namespace:
    """A network namespace of our own, gone with close()."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")
        # Addresses are usable at once: no waiting for duplicate detection.
        self.run("sysctl", "-qw", "net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0")

    def command(self, *args):
        return ["ip", "netns", "exec", self.name, *args]

    def run(self, *args, **kwargs):
        return run(*self.command(*args), **kwargs)

    def start(self, *args, **kwargs):
        return subprocess.Popen(self.command(*args), **kwargs)

    @contextlib.contextmanager
    def enter(self):
        """Sockets made inside belong to this namespace."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        other = os.open(f"/run/netns/{self.name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(other, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            yield
        finally:
            libc.setns(own, CLONE_NEWNET)
            os.close(own)
            os.close(other)

    def socket(self, family, kind, protocol=0):
        with self.enter():
            return socket.socket(family, kind, protocol)

    def close(self):
        pids = run("ip", "netns", "pids", self.name, check=False).split()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run("ip", "netns", "del", self.name, check=False)


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    """The admin API on a unix socket."""

    def __init__(self, path):
        self.path = path

    def call(self, method, target, body=None, headers=None):
        """Returns (status, decoded body or text, headers)."""
        connection = UnixConnection(self.path)
        try:
            data = None if body is None else json.dumps(body)
            sent = {"Content-Type": "application/json"} if data else {}
            connection.request(method, target, data, {**sent, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read().decode()
            kind = answer.getheader("Content-Type", "")
            return answer.status, json.loads(text) if "json" in kind and text else text, answer.headers
        finally:
            connection.close()

    def ok(self, method, target, body=None):
        status, answer, _ = self.call(method, target, body)
        assert status < 300, f"{method} {target}: {status} {answer}"
        return answer


class Culvert:
    """The daemon, as an ordinary user in a namespace."""

    def __init__(self, namespace, options=(), endpoint="192.0.2.1", user=USER, wrapper=(), environment=None):
        self.namespace = namespace
        self.folder = tempfile.mkdtemp(prefix="culvert-test-")
        os.chown(self.folder, user, user)
        os.chmod(self.folder, 0o755)
        self.state = os.path.join(self.folder, "state")
        self.socket = os.path.join(self.state, "api.sock")
        workers = ["--workers", WORKERS] if WORKERS and "--workers" not in options else []
        self.options = ["--endpoint", endpoint, "--no-http", *workers, *options]
        self.user = user
        self.wrapper = list(wrapper)
        self.environment = {**os.environ, **(environment or {})}
        self.api = Api(self.socket)
        self.log = os.path.join(self.folder, "log")
        self.process = None

    def start(self, wait=True):
        command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--inh-caps=-all",
                   *self.wrapper, CULVERT, "run", "--state-dir", self.state, *self.options]
        with open(self.log, "ab") as log:
            self.process = self.namespace.start(*command, stdout=subprocess.PIPE, stderr=log, text=True,
                                                cwd=self.folder, env=self.environment)
        if wait:
            self.ready_line = self.wait_ready()
        return self

    def wait_ready(self):
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE_S)
        line = self.process.stdout.readline() if ready else ""
        if "culvert ready" not in line:
            raise AssertionError(f"no ready line but {line!r}; the log says:\n{self.logged()}")
        return line

    def logged(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()[-6000:]

    def pids(self):
        """{"supervisor": pid, "control": pid, "engine": pid}: children by their title."""
        found = {}
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", encoding="utf-8") as cmdline:
                    title = cmdline.read().strip("\0 ")
                found[title.removeprefix("culvert: ") if title.startswith("culvert: ") else "supervisor"] = pid
        return found

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=DEADLINE_S)
        status = self.process.returncode if self.process else None
        if self.process:
            self.process.stdout.close()
        self.process = None
        return status

    def close(self):
        if self.process:
            self.stop(signal.SIGKILL)
        run("rm", "-rf", self.folder)


def descendants(pid):
    children = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="utf-8") as listing:
                for child in listing.read().split():
                    children += [int(child), *descendants(int(child))]
    return children


class WireGuard:
    """A stock client: wireguard-go set up by wg from wg-quick text."""

    count = 0

    def __init__(self, namespace, text, program="wireguard-go", routed=True):
        WireGuard.count += 1
        self.namespace = namespace
        self.name = f"cv{os.getpid() % 100000}n{WireGuard.count}"
        self.sections = parse_config(text)
        self.process = self.launch(text, program)
        interface = self.sections["Interface"]
        self.addresses = [a.split("/")[0] for a in interface["Address"].replace(" ", "").split(",")]
        for address in interface["Address"].replace(" ", "").split(","):
            namespace.run("ip", "address", "add", address, "dev", self.name)
        namespace.run("ip", "link", "set", self.name, "mtu", interface.get("MTU", "1420"), "up")
        if routed:
            for prefix in self.sections["Peer"]["AllowedIPs"].replace(" ", "").split(","):
                self.route(prefix)

    def launch(self, text, program):
        """Starts the program, which makes the device, and tells it its keys; returns the process."""
        process = self.namespace.start(program, "-f", self.name, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL,
                                       env={**os.environ, "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD": "1"})
        wait_until(lambda: os.path.exists(f"/var/run/wireguard/{self.name}.sock"), "the client's control socket")
        stripped = "".join(line + "\n" for line in text.splitlines()
                           if not line.split("=")[0].strip() in ("Address", "DNS", "MTU"))
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(stripped)
            file.flush()
            self.namespace.run("wg", "setconf", self.name, file.name)
        return process

    def route(self, prefix):
        self.namespace.run("ip", "route", "replace", prefix, "dev", self.name)

    def allow_all(self):
        """The client sends whatever is routed into it: what is refused, Culvert refuses."""
        self.namespace.run("wg", "set", self.name, "peer", self.sections["Peer"]["PublicKey"],
                           "allowed-ips", "0.0.0.0/0,::/0")

    def show(self, what):
        return self.namespace.run("wg", "show", self.name, what).split()

    def handshake_at(self):
        return int(self.show("latest-handshakes")[1])

    def close(self):
        self.process.kill()
        self.process.wait()


def parse_config(text):
    sections, current = {}, None
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), {})
        elif "=" in line:
            key, value = line.split("=", 1)
            current[key.strip()] = value.strip()
    return sections


class Lab:
    """The three namespaces of the picture above, a Culvert (running, unless start is False) and one client."""

    count = 0

    def __init__(self, mode="netstack", options=(), routes=("10.20.0.0/16", "fd20::/64"),
                 ping_group="0 2147483647", wrapper=(), environment=None, start=True):
        self.mode = mode
        self.prefixes = routes
        Lab.count += 1
        tag = f"cvt{os.getpid() % 100000}n{Lab.count}"
        self.clients = []
        self.spaces = []
        try:
            self.client, self.router, self.lan = (self.add_space(f"{tag}-{n}") for n in ("client", "router", "lan"))
            self.link(self.client, self.router, "wan", "192.0.2.2/24", "192.0.2.1/24", "2001:db8:1::2/64",
                      "2001:db8:1::1/64")
            self.link(self.lan, self.router, "lan", "10.20.0.2/16", "10.20.0.1/16", "fd20::2/64", "fd20::1/64")
            self.router.run("sysctl", "-qw", f"net.ipv4.ping_group_range={ping_group}")
            self.culvert = Culvert(self.router, ["--mode", mode, *options], user=USER if mode == "netstack" else 0,
                                   wrapper=wrapper, environment=environment)
            self.api = self.culvert.api
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.start_culvert(self.culvert)
        self.routes = [self.api.ok("POST", "/v1/routes", {"prefix": p}) for p in self.prefixes]

    def start_culvert(self, culvert):
        culvert.start()

    def add_space(self, name):
        space = Namespace(name)
        self.spaces.append(space)
        return space

    def link(self, inner, router, name, inner4, router4, inner6, router6):
        run("ip", "link", "add", f"{name}0", "netns", inner.name, "type", "veth", "peer", "name", f"{name}1",
            "netns", router.name)
        for space, device, v4, v6 in ((inner, f"{name}0", inner4, inner6), (router, f"{name}1", router4, router6)):
            space.run("ip", "address", "add", v4, "dev", device)
            space.run("ip", "address", "add", v6, "dev", device, "nodad")
            space.run("ip", "link", "set", device, "up")

    def add_client(self, name, routed=True, **fields):
        """A new peer with a stock client; routed: the namespace's traffic goes through it."""
        made = self.api.ok("POST", "/v1/peers", {"name": name, **fields})
        client = self.start_client(self.client, made["client_config"], routed)
        client.peer = made
        return client

    def add_far_client(self, name, number, **fields):
        """A new peer in a namespace of its own (.space), 192.0.number.2 outside; routes nothing by itself."""
        space = self.add_space(f"{self.client.name}-{name}")
        net4, net6 = f"192.0.{number}", f"2001:db8:{number}:"
        self.link(space, self.router, name, f"{net4}.2/24", f"{net4}.1/24", f"{net6}:2/64", f"{net6}:1/64")
        made = self.api.ok("POST", "/v1/peers", {"name": name, **fields})
        client = self.start_client(space, made["client_config"].replace("= 192.0.2.1:", f"= {net4}.1:"))
        client.peer, client.space = made, space
        client.allow_all()
        assert self.ping(self.router_addresses()[0], namespace=space) == 1
        return client

    def remove_far_client(self, client):
        self.api.ok("DELETE", f"/v1/peers/{client.peer['id']}")
        self.clients.remove(client)
        client.close()
        self.spaces.remove(client.space)
        client.space.close()

    def start_client(self, namespace, text, routed=True):
        client = WireGuard(namespace, text, routed=routed)
        self.clients.append(client)
        return client

    def router_addresses(self):
        return [a.split("/")[0] for a in self.api.ok("GET", "/v1/node")["addresses"]]

    def drops(self):
        """{reason: count} from the metrics."""
        text = self.api.ok("GET", "/metrics")
        return {line.split('"')[1]: int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines()
                if line.startswith("culvert_dropped_packets_total{")}

    def close(self):
        for client in self.clients:
            client.close()
        if hasattr(self, "culvert"):
            self.culvert.close()
        for space in self.spaces:
            space.close()

    # Plain sockets on both sides. ------------------------------------------------

    def listen(self, address="10.20.0.2", port=0, backlog=512, namespace=None):
        server = (namespace or self.lan).socket(family_of(address), socket.SOCK_STREAM)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(backlog)
        server.settimeout(DEADLINE_S)
        return server

    def connect(self, address, port, namespace=None, timeout=DEADLINE_S):
        client = (namespace or self.client).socket(family_of(address), socket.SOCK_STREAM)
        client.settimeout(timeout)
        client.connect((address, port))
        return client

    def pair(self, address="10.20.0.2"):
        """A connection through the tunnel: (client socket, the server's end)."""
        with self.listen(address) as server:
            client = self.connect(address, server.getsockname()[1])
            accepted, _ = server.accept()
            accepted.settimeout(DEADLINE_S)
            return client, accepted

    def udp(self, address="10.20.0.2", port=0, namespace=None):
        server = (namespace or self.lan).socket(family_of(address), socket.SOCK_DGRAM)
        server.bind((address, port))
        server.settimeout(DEADLINE_S)
        return server

    def udp_client(self, address, port, namespace=None):
        client = (namespace or self.client).socket(family_of(address), socket.SOCK_DGRAM)
        client.settimeout(DEADLINE_S)
        client.connect((address, port))
        return client

    def ping(self, address, count=1, size=56, wait_s=5, namespace=None):
        """Number of echo requests that were answered, each with its own payload and once."""
        family = family_of(address)
        protocol, request, reply = (58, 128, 129) if family == socket.AF_INET6 else (1, 8, 0)
        # An answer that comes late is not taken for one of the next call's.
        identity, payloads, answered = int.from_bytes(os.urandom(2), "big"), {}, set()
        with (namespace or self.client).socket(family, socket.SOCK_RAW, protocol) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            raw.connect((address, 0))
            for sequence in range(1, count + 1):
                payloads[sequence] = os.urandom(size)
                head = struct.pack("!BBHHH", request, 0, 0, identity, sequence)
                # The kernel fills in the checksum of ICMPv6 alone.
                total = checksum(head + payloads[sequence]) if protocol == 1 else 0
                raw.send(head[:2] + total.to_bytes(2, "big") + head[4:] + payloads[sequence])
            end = time.monotonic() + wait_s
            while len(answered) < count and (left := end - time.monotonic()) > 0:
                if not select.select([raw], [], [], left)[0]:
                    break
                try:
                    packet = raw.recv(65535)
                except OSError:  # an ICMP error about one of them
                    continue
                packet = packet[20:] if protocol == 1 else packet
                kind, _, _, got, sequence = struct.unpack("!BBHHH", packet[:8])
                if kind == reply and got == identity:
                    assert packet[8:] == payloads[sequence], "the answer has another payload"
                    assert sequence not in answered, f"echo request {sequence} was answered twice"
                    answered.add(sequence)
        return len(answered)


def checksum(data):
    total = sum(int.from_bytes(data[i:i + 2].ljust(2, b"\0"), "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff
