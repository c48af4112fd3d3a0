#!/usr/bin/env bash
# The official `openai` client, in two majors and in environments of its own, against a server on this machine.
#   scripts/conformance.sh [PYTHON]      PYTHON has ponder[serve] installed (.venv/bin/python unless given)
# Environments are made in ${PONDER_CLIENTS:-/tmp/ponder-clients} and kept there for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${1:-.venv/bin/python}
clients=${PONDER_CLIENTS:-/tmp/ponder-clients}
port=${PONDER_PORT:-8199}
data=$(mktemp -d)
for major in 2 3; do
    if [ ! -x "$clients/$major/bin/python" ]; then
        "$python" -m venv "$clients/$major"
        "$clients/$major/bin/pip" install -q "openai>=$major,<$((major + 1))"
    fi
done
"$python" -m ponder serve tiny --port "$port" --data "$data" >"$data/log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$data"' EXIT
for _ in $(seq 120); do
    curl -fs "http://127.0.0.1:$port/health/ready" >/dev/null && break
    sleep 1
done
for major in 2 3; do
    "$clients/$major/bin/python" scripts/conformance_client.py "http://127.0.0.1:$port/v1"
done
