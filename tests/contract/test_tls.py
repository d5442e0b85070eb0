# SPDX-License-Identifier: GPL-2.0-or-later
"""The API over TLS, and by which names it may be called."""
import os
import signal
import ssl
import subprocess
import time
import http.client

import pytest

from daemon import Daemon, CULVERT


def make_pair(folder, name):
    """A certificate for 127.0.0.1 that signs itself; its serial number tells it apart."""
    cert, key = os.path.join(folder, f"{name}.pem"), os.path.join(folder, f"{name}.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    "/CN=culvert", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    os.chmod(key, 0o644)
    return cert, key


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("tls"))
    os.chmod(folder, 0o755)
    for parent in (os.path.dirname(folder), os.path.dirname(os.path.dirname(folder))):
        os.chmod(parent, 0o755)
    pairs = [make_pair(folder, n) for n in ("one", "two")]
    use = [os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")]
    put(use, pairs[0])
    daemon = Daemon("--tls-cert", use[0], "--tls-key", use[1])
    yield daemon, use, pairs
    daemon.remove()


def put(use, pair):
    for target, source in zip(use, pair):
        with open(source, "rb") as f, open(target, "wb") as g:
            g.write(f.read())


def ask(daemon, cafile, path="/v1/peers", headers=None, method="GET", body=None):
    context = ssl.create_default_context(cafile=cafile)
    connection = http.client.HTTPSConnection("127.0.0.1", daemon.port, timeout=20, context=context)
    try:
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        reply.read()
        return reply
    finally:
        connection.close()


def shown(daemon):
    return ssl.get_server_certificate(("127.0.0.1", daemon.port))


def test_tls_is_verified_and_cookies_are_secure(served):
    daemon, _, pairs = served
    token = daemon.token("peers:read", single_use=True)
    assert token["sign_in_url"].startswith("https://")
    bearer = {"Authorization": f"Bearer {daemon.token('peers:read')['secret']}"}
    assert ask(daemon, pairs[0][0], headers=bearer).status == 200
    made = ask(daemon, pairs[0][0], "/v1/sessions", {**bearer, "Content-Type": "application/json"}, "POST", b"{}")
    assert made.status == 201 and "Secure" in made.headers["Set-Cookie"].split("; ")
    with pytest.raises(ssl.SSLError):
        ask(daemon, pairs[1][0], headers=bearer)
    env = {"CULVERT_TOKEN": bearer["Authorization"].split()[1]}
    url = f"https://127.0.0.1:{daemon.port}"
    assert daemon.client("--url", url, "--cacert", pairs[0][0], "peer", "list", env=env).returncode == 0
    assert daemon.client("--url", url, "peer", "list", env=env).returncode == 1
    with pytest.raises((http.client.HTTPException, OSError)):
        daemon.call("GET", "/healthz", tcp=True)


def test_hup_takes_a_new_pair_and_keeps_the_old_one_when_it_is_bad(served):
    daemon, use, pairs = served
    old = shown(daemon)
    put(use, (pairs[1][0], pairs[0][1]))
    daemon.process.send_signal(signal.SIGHUP)
    wait(lambda: "the key is not that of the certificate" in daemon.logged())
    assert shown(daemon) == old
    put(use, pairs[1])
    daemon.process.send_signal(signal.SIGHUP)
    wait(lambda: shown(daemon) != old)
    assert ask(daemon, pairs[1][0], "/healthz").status == 200


def wait(done):
    deadline = time.time() + 20
    while not done():
        assert time.time() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("words,why", [
    (["--tls-cert", "/nowhere"], "go together"), (["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "/nowhere"),
    (["--tls-cert", "/etc/passwd", "--tls-key", "/etc/passwd"], "certificate cannot be read"),
    (["--http", "0.0.0.0:8080"], "unprotected"), (["--http", "[::]:8080"], "unprotected"),
])
def test_what_cannot_be_protected_does_not_start(tmp_path, words, why):
    run = subprocess.run([CULVERT, "run", "--state-dir", str(tmp_path / "s"), *words], capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode == 2 and why in run.stderr, run


def test_the_endpoint_is_a_name_of_this_host(daemon):
    bearer = {"Authorization": f"Bearer {daemon.token('peers:read')['secret']}"}
    name = {"Host": "vpn.example.net:8443"}
    assert daemon.call("GET", "/v1/peers", headers={**bearer, **name}, tcp=True).status == 403
    daemon.call("PATCH", "/v1/node", {"endpoint": "vpn.example.net:51820"})
    assert daemon.call("GET", "/v1/peers", headers={**bearer, **name}, tcp=True).status == 200
    assert daemon.call("GET", "/v1/peers", headers={**bearer, **name, "Origin": "http://vpn.example.net:8443"}, tcp=True).status == 200
    # A page of another scheme is a foreign page.
    assert daemon.call("GET", "/v1/peers", headers={**bearer, **name, "Origin": "https://vpn.example.net:8443"}, tcp=True).status == 403
    assert daemon.call("GET", "/v1/peers", headers={**bearer, "Host": "evil.example.net"}, tcp=True).status == 403
