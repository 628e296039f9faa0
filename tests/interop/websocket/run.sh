#!/usr/bin/env bash
# The conformance cases of RFC 6455 (kosoku, from PyPI) against `examples/echo.rs` of the codec: once as a server, once as a client.
# Cases 12 and 13 are about compression, which it does not offer. Fails unless every other case ends as it should.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

kosoku=kosoku==0.1.0
target=$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
work=$target/websocket-conformance
python=$work/venv/bin/python3
if ! "$python" -m pip show -q "${kosoku%%=*}" 2>/dev/null; then
  python3 -m venv --clear "$work/venv"
  "$python" -m pip install -q --disable-pip-version-check "$kosoku"
fi
cargo build --quiet --release -p bowline-websocket --example echo
echo=$target/release/examples/echo

running=()
trap '((${#running[@]} == 0)) || kill "${running[@]}" 2>/dev/null || true' EXIT

# Waits until a program that has just been started says where it listens.
address_in() {
  local file=$1 process=$2 address
  while true; do
    address=$(grep -oE '127\.0\.0\.1:[0-9]+' "$file" | head -n 1) && break
    kill -0 "$process" 2>/dev/null || { cat "$file" >&2; return 1; }
    sleep 0.05
  done
  echo "$address"
}

# Counts how the cases of a report have ended, and fails if one has not as it should.
judge() {
  "$python" - "$1" "$2" <<'PYTHON'
import collections, json, sys

role, report = sys.argv[1:]
with open(f"{report}/index.json") as file:
    (cases,) = json.load(file).values()
good = {"OK", "NON-STRICT", "INFORMATIONAL"}
ends = collections.Counter(case["behavior"] for case in cases.values())
closes = collections.Counter(case["behaviorClose"] for case in cases.values())
print(f"{role}: {len(cases)} cases, {dict(ends)}; closed: {dict(closes)}")
bad = sorted(name for name, case in cases.items() if not {case["behavior"], case["behaviorClose"]} <= good)
# How the program ended is no matter; whether it got to its end is.
if bad or len(cases) < 300:
    sys.exit(f"{role}: not as they should be: {', '.join(bad) or 'there are too few cases'}")
PYTHON
}

rm -rf "$work/server" "$work/client"
skip=(-x '12.*' -x '13.*')

"$echo" serve >"$work/echo.log" 2>"$work/echo.err" &
running+=($!)
address=$(address_in "$work/echo.log" "${running[0]}")
"$work/venv/bin/kosoku" -m fuzzingclient -o "$work/server" -p 2 "${skip[@]}" "$address" || true
judge "as a server" "$work/server"

"$work/venv/bin/kosoku" -m fuzzingserver -o "$work/client" "${skip[@]}" 127.0.0.1:0 2>"$work/kosoku.log" &
running+=($!)
address=$(address_in "$work/kosoku.log" "${running[1]}")
"$echo" ask "$address"
wait "${running[1]}" || true
judge "as a client" "$work/client"
