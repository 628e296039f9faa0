#!/bin/sh
# Runs Kurento's Java client against Bowline's server, or builds and runs Kurento's Java server.
#
#   run.sh [maven arguments]   the client suite against the program in BOWLINE
#                              (default: target/release/bowline of this repository)
#   run.sh original [maven…]   the same suite against Kurento's own server
#   run.sh build               only the server: target/demo-server.jar
#   run.sh serve [flags]       run that server; the flags of `bowline serve`
set -eu
cd "$(dirname "$0")"

# A server that is killed leaves its folders behind.
mkdir -p target/tmp
JAVA_FLAGS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.io.tmpdir=target/tmp"

maven() {
  mvn --batch-mode --no-transfer-progress "$@"
}

build() {
  maven --quiet -DskipTests package
}

case "${1:-}" in
  build)
    build
    ;;
  serve)
    shift
    # shellcheck disable=SC2086
    exec java $JAVA_FLAGS -jar target/demo-server.jar serve "$@"
    ;;
  original)
    shift
    build
    PEER=original PEER_COMMAND="java $JAVA_FLAGS -jar target/demo-server.jar" maven test "$@"
    ;;
  *)
    maven test "$@"
    ;;
esac
