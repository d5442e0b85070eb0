# SPDX-License-Identifier: GPL-2.0-or-later
"""The real daemon as an ordinary user in a folder of its own, and plain HTTP to it."""
import http.client
import json
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CULVERT = os.environ.get("CULVERT", os.path.join(ROOT, "build/culvert"))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.type = response.headers.get_content_type() if "Content-Type" in response.headers else None

    @property
    def json(self):
        return json.loads(self.body)


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ordinary_user():
    """The words in front of a command that make root an ordinary user; none for others."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


class Daemon:
    def __init__(self, *options):
        self.folder = tempfile.mkdtemp(prefix="culvert-contract-")
        os.chmod(self.folder, 0o755)
        self.binary = os.path.join(self.folder, "culvert")
        # A copy: the tree may lie where an ordinary user cannot go.
        shutil.copy(os.path.realpath(CULVERT), self.binary)
        self.state = os.path.join(self.folder, "state")
        os.mkdir(self.state, 0o700)
        if os.geteuid() == 0:
            shutil.chown(self.state, "nobody")
        self.socket = os.path.join(self.state, "api.sock")
        self.port = free_port(socket.SOCK_STREAM)
        self.wg_port = free_port(socket.SOCK_DGRAM)
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8")
        self.options = options
        self.start()

    def start(self):
        """Starts it, also again after its end."""
        self.process = subprocess.Popen(
            [*ordinary_user(), self.binary, "run", "--state-dir", self.state, "--http", f"127.0.0.1:{self.port}",
             "--wg-port", str(self.wg_port), *self.options],
            stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, text=True, cwd="/", start_new_session=True)
        self.wait_ready()

    def kill(self):
        """All three processes, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def wait_ready(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        line = self.process.stdout.readline() if ready else ""
        if not line.startswith("culvert ready:"):
            self.close()
            raise RuntimeError(f"the daemon did not start: {line!r}\n{self.logged()}")

    def logged(self):
        with open(self.log.name, encoding="utf-8") as f:
            return f.read()

    def call(self, method, path, body=None, headers=None, tcp=False):
        """One request. body: bytes as they are, anything else as JSON. tcp: True, or the address to come from."""
        source = (tcp, 0) if isinstance(tcp, str) else None
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20, source_address=source) \
            if tcp else UnixConnection(self.socket)
        headers = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def token(self, *scopes, **members):
        """A new token, with its secret."""
        made = self.call("POST", "/v1/tokens", {"name": "test", "scopes": scopes, **members})
        assert made.status == 201, made.body
        return made.json

    def connect(self, tcp=False):
        if tcp:
            return socket.create_connection(("127.0.0.1", self.port), timeout=20)
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(20)
        s.connect(self.socket)
        return s

    def client(self, *words, env=None):
        """The command line client, as the user who runs the tests."""
        return subprocess.run([self.binary, "--api-socket", self.socket, *words], capture_output=True, text=True,
                              timeout=60, check=False, env={**os.environ, **(env or {})})

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()

    def restart(self):
        self.close()
        self.start()

    def remove(self):
        self.close()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
