#!/usr/bin/env bash
# Installs the packages if they are missing or outdated, then runs the tests. Arguments go to `node --test`.
set -euo pipefail
[[ -z ${BOWLINE:-} ]] || export BOWLINE=$(realpath -m "$BOWLINE")
cd "$(dirname "${BASH_SOURCE[0]}")"

installed=node_modules/.package-lock.json
if [[ ! -e $installed || package-lock.json -nt $installed ]]; then
  npm ci --no-audit --no-fund
fi

# The packages keep timers for seconds after their last call, hence the forced exit of each finished file.
exec node --test --test-force-exit --test-timeout=30000 --test-concurrency=2 "$@"
