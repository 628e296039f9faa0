#!/usr/bin/env bash
# Installs the packages if they are missing or outdated, then runs the tests. Arguments go to `node --test`.
set -euo pipefail
[[ -z ${BOWLINE:-} ]] || export BOWLINE=$(realpath -m "$BOWLINE")
# The browser of the tests that run in a page.
export CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
cd "$(dirname "${BASH_SOURCE[0]}")"

installed=node_modules/.package-lock.json
if [[ ! -e $installed || package-lock.json -nt $installed ]]; then
  npm ci --no-audit --no-fund
fi

# The packages keep timers for seconds after their last call, hence the forced exit of each finished file.
exec node --test --test-force-exit --test-timeout=180000 --test-concurrency=2 "$@"
