# SPDX-License-Identifier: GPL-2.0-or-later
"""What /v1/explain says is what packets get, for random policies, in both modes."""
import contextlib
import random

from lab import wait_until

POLICIES = 1000  # in each mode
QUESTIONS = 12
PORTS = range(4000, 4008)
ADDRESSES = {"10.20.0.2": "10.20.0.0/16", "10.20.0.3": "10.20.0.3/32", "fd20::2": "fd20::/64"}


def random_rule(chance, peer):
    rule = {"action": chance.choice(["allow", "deny"]), "peers": chance.choice(["all", [peer], [], ["tag:ops"]])}
    if chance.random() < 0.6:
        rule["destinations"] = chance.sample(["10.20.0.2/32", "10.20.0.0/24", "fd20::2/128", "0.0.0.0/0", "::/0"],
                                             chance.randint(1, 2))
    if chance.random() < 0.6:
        rule["protocols"] = chance.sample(["tcp", "udp"], chance.randint(1, 2))
        first = chance.choice(PORTS)
        rule["ports"] = [f"{first}-{first + chance.randint(0, 4)}"]
    return rule


def random_policy(chance, lab):
    rules = [random_rule(chance, lab.laptop.peer["id"]) for _ in range(chance.randint(0, 5))]
    lab.api.ok("PUT", "/v1/policy", {"default": chance.choice(["allow", "deny"]), "rules": rules})
    route = {"enabled": chance.random() < 0.9, "peers": chance.choice(["all", "all", [lab.laptop.peer["id"]], []]),
             "protocols": chance.choice([[], [], ["udp"], ["tcp"]]),
             "ports": chance.choice([[], [], ["4000-4003"], ["4005"]])}
    lab.api.ok("PATCH", f"/v1/routes/{chance.choice(lab.routes)['id']}", route)


def drain(sockets):
    """Everything that the services have received: {(address, payload)}."""
    found = set()
    for address, service in sockets:
        with contextlib.suppress(BlockingIOError):
            while True:
                found.add((address, service.recv(100)))
    return found


def test_explain_is_what_packets_get(lab):
    chance = random.Random(20)
    lab.lan.run("ip", "address", "add", "10.20.0.3/16", "dev", "lan0")
    verdicts = set()
    with contextlib.ExitStack() as stack:
        services, clients = [], {}
        for address in ADDRESSES:
            for port in PORTS:
                service = stack.enter_context(lab.udp(address, port))
                service.setblocking(False)
                services.append((f"{address} {port}", service))
        for number in range(POLICIES):
            random_policy(chance, lab)
            told = {}
            for i in range(QUESTIONS):
                address, port = chance.choice(list(ADDRESSES)), chance.choice(PORTS)
                question = {"peer": lab.laptop.peer["id"], "protocol": "udp", "destination": address, "port": port}
                answer = lab.api.ok("POST", "/v1/explain", question)
                verdicts.add(answer["verdict"])
                payload = b"%d %d" % (number, i)
                told[f"{address} {port}", payload] = answer
                client = stack.enter_context(lab.udp_client(address, port))
                clients.setdefault(number, []).append(client)
                client.send(payload)
            expected = {key for key, answer in told.items() if answer["verdict"] == "forward"}
            got = set()

            def arrived(expected=expected, got=got):
                got.update(drain(services))
                return expected <= got
            wait_until(arrived, f"what explain said would arrive: {expected}")
            # The router's own answer comes after everything that was sent before it.
            assert lab.ping(lab.router_addresses()[0]) == 1
            got.update(drain(services))
            assert got == expected, [told[key] for key in got ^ expected]
            for client in clients.pop(number):
                client.close()
    assert verdicts == {"forward", "refuse"}
    for route in lab.routes:
        lab.api.ok("PATCH", f"/v1/routes/{route['id']}",
                   {"enabled": True, "peers": "all", "protocols": [], "ports": []})
    lab.api.ok("PUT", "/v1/policy", {"default": "allow", "rules": []})
