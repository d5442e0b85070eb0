#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs the Debian packages named as arguments that are missing; asks for sudo only when one is.
set -eu

missing=
for package in "$@"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
		missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "installing packages:$missing"
as_root=
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "these packages are missing, and there is no sudo; as root: apt-get install$missing" >&2
		exit 1
	}
	as_root=sudo
fi
# The tests start firewalld in namespaces of their own; it must not begin to guard the machine itself.
case $missing in
*firewalld*) $as_root mkdir -p /etc/systemd/system && $as_root ln -sfn /dev/null /etc/systemd/system/firewalld.service ;;
esac
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
