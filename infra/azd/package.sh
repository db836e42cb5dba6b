#!/bin/sh
# Puts the deployment package of an app into target/package: from a release if COMMERCE_JOURNEYS_RELEASE is the URL of its
# files, otherwise built from this source, which takes Rust and Python 3.
set -eu
cd "$(dirname "$0")/../.."
app=$1

if [ -n "${COMMERCE_JOURNEYS_RELEASE:-}" ]; then
    mkdir -p target/package
    cd target/package
    for file in "$app.zip" SHA256SUMS; do
        curl --fail --silent --show-error --location --output "$file" "$COMMERCE_JOURNEYS_RELEASE/$file"
    done
    if command -v sha256sum >/dev/null; then check="sha256sum --check --status"; else check="shasum -a 256 --check --status"; fi
    grep "  $app.zip\$" SHA256SUMS | $check - || { echo "$app.zip does not have the checksum of the release" >&2; exit 1; }
    exit 0
fi

if [ ! -d target/zig ] && ! command -v cargo-zigbuild >/dev/null; then
    python3 -m venv target/zig
    target/zig/bin/pip install --quiet --requirement xtask/requirements.txt
fi
cargo xtask package --app "$app"
