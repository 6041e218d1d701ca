#!/usr/bin/env bash
# Makes one file, target/irreplens-gpu, that runs the conformance suite and the benchmark on a machine with a GPU: copy it
# there and start it. It needs a driver and glibc, no CUDA toolkit and no Rust. Given the name of such a machine
# (`.ci/gpu.sh HOST`), it is copied and started over ssh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
program=$(cargo test --release --features cuda --test device --no-run --message-format=json |
    python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "device":
        print(message["executable"])')
out="$target/irreplens-gpu"
strip -o "$target/device-suite" "$program"
# A shell script with the program after its last line.
cat > "$out" <<'EOF'
#!/bin/sh
# The conformance suite of irreplens on device 0, then its benchmark; arguments go to the test program instead.
set -e
program=$(mktemp)
trap 'rm -f "$program"' EXIT
sed '1,/^exit 0$/d' "$0" > "$program"
chmod +x "$program"
export IRREPLENS_REQUIRE_DEVICE=1
if [ $# -gt 0 ]; then
    "$program" "$@"
else
    "$program"
    "$program" benchmark --ignored --nocapture --test-threads 1 | grep '^{'
fi
exit 0
EOF
cat "$target/device-suite" >> "$out"
rm "$target/device-suite"
chmod +x "$out"
echo "$out: $(du -k "$out" | cut -f1) kB"
if [ $# -gt 0 ]; then
    scp -q "$out" "$1:irreplens-gpu"
    ssh "$1" ./irreplens-gpu
fi
