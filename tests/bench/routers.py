# SPDX-License-Identifier: GPL-2.0-or-later
"""The routers that are compared, each in a laboratory of its own: namespaces, router, one client.

The topology is that of tests/netns/lab.py, and so is Culvert. Its rivals forward by the kernel with masquerade.
"""
import tempfile
import time

from lab import Lab, WireGuard, run, wait_until

from clients import WIREGUARD_GO

TARGET = "10.20.0.2"
OFFLOADS = ("tso", "gso", "gro", "tx-udp-segmentation")


class Router:
    """A context: on entry all stands and packets pass; start_s is what the router itself took to start."""

    name = ""
    mode = "netstack"
    endpoint = "192.0.2.1:51820"
    public_key = None
    start_s = None

    def __init__(self, client_class, offloads=True):
        self.client_class = client_class
        # Room for a thousand peers.
        self.lab = Lab(self.mode, options=("--node-address", "100.64.0.1/16"), start=False)
        self.client = None
        try:
            if not offloads:
                self.no_offloads()
            # A thousand connections a second, each of which leaves a port in TIME_WAIT.
            self.lab.client.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535")
            self.begin()
            wait_until(lambda: self.lab.ping(TARGET, wait_s=1) == 1, f"{self.name} to forward", 15)
        except BaseException:
            self.lab.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lab.close()

    def begin(self):
        raise NotImplementedError

    def pids(self):
        return []

    def add_peers(self, keys):
        """Adds peers of these public keys, each with an address of its own."""
        raise NotImplementedError

    def no_offloads(self):
        lab = self.lab
        for space, device in ((lab.client, "wan0"), (lab.router, "wan1"), (lab.lan, "lan0"), (lab.router, "lan1")):
            space.run("ethtool", "-K", device, *(word for name in OFFLOADS for word in (name, "off")))

    def start_client(self, text):
        self.client = self.client_class(self.lab.client, text)
        self.lab.clients.append(self.client)

    def kernel_forwards(self):
        self.lab.router.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        self.lab.router.run("nft", "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100; }; "
                                   "add rule ip nat post oifname lan1 masquerade")


class CulvertRouter(Router):
    def begin(self):
        begun = time.monotonic()
        self.lab.start()
        self.start_s = time.monotonic() - begun
        made = self.lab.api.ok("POST", "/v1/peers", {"name": "bench"})
        self.public_key = self.lab.api.ok("GET", "/v1/node")["public_key"]
        self.start_client(made["client_config"])

    def pids(self):
        return list(self.lab.culvert.pids().values())

    def add_peers(self, keys):
        _, document, headers = self.lab.api.call("GET", "/v1/config")
        document["peers"] += [{"id": f"bench{i}", "name": f"peer {i}", "public_key": key} for i, key in enumerate(keys)]
        status, answer, _ = self.lab.api.call("PUT", "/v1/config", document, {"If-Match": headers["ETag"]})
        assert status < 300, f"{status} {str(answer)[:200]}"


class CulvertKernel(CulvertRouter):
    name = "culvert kernel"
    mode = "kernel"


class CulvertNetstack(CulvertRouter):
    name = "culvert netstack"
    mode = "netstack"


class WireGuardGo(Router):
    name = "wireguard-go"
    endpoint = "192.0.2.1:51821"
    device = None

    def begin(self):
        router_key, client_key = run("wg", "genkey").strip(), run("wg", "genkey").strip()
        self.public_key, client_public = (run("wg", "pubkey", input=k).strip() for k in (router_key, client_key))
        begun = time.monotonic()
        self.device = WireGuard(self.lab.router, f"[Interface]\nPrivateKey = {router_key}\nListenPort = 51821\n"
                                                 f"Address = 10.99.0.1/16\n[Peer]\nPublicKey = {client_public}\n"
                                                 "AllowedIPs = 10.99.0.2/32\n", WIREGUARD_GO)
        self.start_s = time.monotonic() - begun
        self.lab.clients.append(self.device)
        self.kernel_forwards()
        self.start_client(f"[Interface]\nPrivateKey = {client_key}\nAddress = 10.99.0.2/16\n"
                          f"[Peer]\nPublicKey = {self.public_key}\n"
                          f"AllowedIPs = 10.99.0.0/16, 10.20.0.0/16\nEndpoint = {self.endpoint}\n")

    def pids(self):
        return [self.device.process.pid]

    def add_peers(self, keys):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            for i, key in enumerate(keys):
                file.write(f"[Peer]\nPublicKey = {key}\nAllowedIPs = 10.99.{1 + i // 250}.{1 + i % 250}/32\n")
            file.flush()
            self.lab.router.run("wg", "addconf", self.device.name, file.name)


class Plain(Router):
    """No tunnel: what the wires, the kernel and the load itself can do."""

    name = "plain forwarding"

    def begin(self):
        self.kernel_forwards()
        self.lab.client.run("ip", "route", "add", "10.20.0.0/16", "via", "192.0.2.1")


ROUTERS = (CulvertKernel, CulvertNetstack, WireGuardGo, Plain)
