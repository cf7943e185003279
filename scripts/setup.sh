#!/bin/bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Installs what the Makefile's targets miss, and nothing else: Debian packages by apt-get, Python packages into a private
# virtual environment. Safe to run again at any time; it does nothing when all is there.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

packages() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    die "expected Debian 12, found no dpkg and apt-get; install the equivalents of scripts/debian-packages.txt by hand"
  local wanted missing=() name root=()
  mapfile -t wanted < <(grep -vE '^(#|$)' "$here/debian-packages.txt")
  for name in "${wanted[@]}"; do installed "$name" || missing+=("$name"); done
  [ ${#missing[@]} -gt 0 ] || return 0

  say "installing ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      die "expected root or sudo; as root, run: apt-get update && apt-get install ${missing[*]}"
    root=(sudo env DEBIAN_FRONTEND=noninteractive)
  else
    root=(env DEBIAN_FRONTEND=noninteractive)
  fi
  "${root[@]}" apt-get update -q
  for name in "${missing[@]}"; do
    grep -qE "^  Candidate: [0-9]" <<<"$(apt-cache policy "$name")" ||
      die "package $name is not to be had here; expected Debian 12 with the suites bookworm and bookworm-security"
  done
  "${root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
}

# venv DIR REQUIREMENTS: every package is pinned and named, so nothing is resolved and nothing else comes along. What was
# installed is remembered inside the environment, and goes when that goes.
venv() {
  local dir=$1 requirements=$2
  local done="$dir/installed-$(basename "$requirements")"
  ! cmp -s "$requirements" "$done" || return 0
  if ! "$dir/bin/python" -c 'import sys' 2>/dev/null; then
    rm -rf "$dir"
    python3 -m venv "$dir"
  fi
  say "installing $requirements into $dir"
  "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile -r "$requirements" </dev/null
  cp "$requirements" "$done"
}

case ${1-} in
  packages) packages ;;
  venv) venv "${2:?expected a folder}" "${3:?expected a requirements file}" ;;
  *) die "expected 'packages' or 'venv DIR REQUIREMENTS', got '${1-}'" ;;
esac
