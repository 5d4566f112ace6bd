#!/usr/bin/env bash
# Install the Debian packages of these names whose program is not there: system_packages.sh PROGRAM ...
set -euo pipefail
missing=()
for program in "$@"; do
    command -v "$program" > /dev/null || missing+=("$program")
done
[ ${#missing[@]} -eq 0 ] && exit 0
root=()
[ "$(id -u)" -eq 0 ] || root=(sudo)
"${root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
