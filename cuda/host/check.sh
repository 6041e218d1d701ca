#!/usr/bin/env bash
# Runs the kernels of cuda/*.cu, built by the host compiler with sanitizers, on the launches recorded in a folder.
#     cuda/host/check.sh TRACE_DIR
set -euo pipefail
for tool in python3 nm objcopy; do
    command -v "$tool" >/dev/null || { echo "check.sh: $tool is needed" >&2; exit 1; }
done
exec python3 "$(dirname "${BASH_SOURCE[0]}")/harness.py" "$@"
