#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Gets lwIP 2.1.3 as a Debian source package into the folder given, verified twice: by apt's
# signatures and by the checksum below. The host's apt configuration is read, never changed.
set -eu

version=2.1.3+dfsg1-2
suite=bookworm
orig_sha256=0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24

target=$1
work=$target.fetch
rm -rf "$work" "$target"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
cd "$work"

# The mirror that this host uses for Debian itself.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
	awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
[ -n "$mirror" ] || {
	echo "apt knows no Debian mirror: run apt-get update once" >&2
	exit 1
}
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >sources.list

private="-o Dir::Etc::SourceList=$PWD/sources.list -o Dir::Etc::SourceParts=/dev/null
	-o Dir::State::Lists=$PWD/lists -o Dir::Cache=$PWD/cache -o APT::Sandbox::User=$(id -un)"
# shellcheck disable=SC2086 # options are words
apt-get $private -qq update
# shellcheck disable=SC2086
apt-get $private -qq --download-only source "lwip=$version"

tarball=$(ls lwip_*.orig.tar.*)
echo "$orig_sha256  $tarball" | sha256sum --check --quiet
mkdir unpacked
tar -C unpacked --strip-components=1 -xf "$tarball"
cd - >/dev/null
mv "$work/unpacked" "$target"
rm -rf "$work"
