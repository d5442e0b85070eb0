#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""container.py FOLDER KIND COMMAND...: runs COMMAND in a container made of the host's own /usr, by crun.

It has CAP_NET_ADMIN and nothing else, this process's network, FOLDER as the one place to write, and
/dev/net/tun where KIND has "tun". /proc/sys is read-only as container engines make it, unless KIND has "sysctl".
"""
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAPABILITIES = ["CAP_NET_ADMIN"]


def bind(path, *options):
    return {"destination": path, "source": path, "type": "bind", "options": ["rbind", *options]}


def configuration(folder, kind, command):
    return {
        "ociVersion": "1.0.0",
        "root": {"path": "rootfs"},
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": command,
            "env": [f"{name}={value}" for name, value in os.environ.items()],
            "cwd": folder,
            "capabilities": {which: CAPABILITIES for which in ("bounding", "effective", "permitted")},
            "noNewPrivileges": True,
        },
        "mounts": [
            {"destination": "/proc", "source": "proc", "type": "proc"},
            {"destination": "/dev", "source": "tmpfs", "type": "tmpfs", "options": ["mode=755"]},
            {"destination": "/sys", "source": "sysfs", "type": "sysfs", "options": ["ro"]},
            *(bind(path, "ro") for path in ("/usr", "/etc", os.path.join(ROOT, "build"))),
            bind(folder),
        ],
        "linux": {
            # Without a network namespace of its own it has the one that it is started in.
            "namespaces": [{"type": name} for name in ("pid", "mount", "ipc", "uts")],
            "devices": [{"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 0o666}]
                       if "tun" in kind else [],
            "readonlyPaths": [] if "sysctl" in kind else ["/proc/sys"],
        },
    }


def main(folder, kind, *command):
    bundle = os.path.join(folder, "bundle")
    os.makedirs(os.path.join(bundle, "rootfs"), exist_ok=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        link = os.path.join(bundle, "rootfs", name)
        if not os.path.lexists(link):
            os.symlink(f"usr/{name}", link)
    with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as file:
        json.dump(configuration(folder, kind, list(command)), file)
    # "ip netns exec" has mounted a /sys without what crun looks for, in a mount namespace of our own.
    subprocess.run(["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"], check=True)
    os.execvp("crun", ["crun", "--root", os.path.join(folder, "crun"), "--cgroup-manager=disabled", "run",
                       "--bundle", bundle, os.path.basename(folder)])


if __name__ == "__main__":
    main(*sys.argv[1:])
