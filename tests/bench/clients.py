# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands at the client's end of the tunnel: wireguard-go, or a client that costs little."""
import os
import subprocess

from lab import ROOT, WireGuard

WIREGUARD_GO = os.environ.get("WIREGUARD_GO", "wireguard-go")


def tool(name):
    return os.path.join(ROOT, "build/release/bench", name)


class GoClient(WireGuard):
    def __init__(self, namespace, text):
        super().__init__(namespace, text, WIREGUARD_GO)


class LeanClient(WireGuard):
    """tests/bench/lean_client.c: leaves most of the machine to the router."""

    def __init__(self, namespace, text):
        super().__init__(namespace, text, tool("lean_client"))

    def launch(self, text, program):
        process = self.namespace.start(program, self.name, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        peer = self.sections["Peer"]
        process.stdin.write(f"{self.sections['Interface']['PrivateKey']} {peer['PublicKey']} {peer['Endpoint']}\n")
        process.stdin.close()
        line = process.stdout.readline()
        process.stdout.close()
        assert line == "ready\n", "lean_client did not start"
        return process
