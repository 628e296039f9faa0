#!/usr/bin/env python3
"""Breaks the core on purpose, one way at a time, and lets the simulation find it.

    tests/sabotage.py [--schedules N] [--check] [NAME ...]

Each line of its output names what was broken and the seed that caught it. It works on a copy and exits with 1 if anything goes unnoticed. With --check, each way is
tried only as far as that it is there to be broken and still compiles.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What is built of the copy stays in the copy; that a function is not called any more is no news.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "CARGO_TARGET_DIR"} | {"RUSTFLAGS": "-Awarnings"}
OUTBOX, SERVER, CLIENT = (f"core/src/endpoint/{name}.rs" for name in ("outbox", "server", "client"))
RECEIVE, INBOX, ENDPOINT, OWED = (f"core/src/endpoint/{name}.rs" for name in ("receive", "inbox", "mod", "owed"))

# What `transmit` writes next, and the same with the messages that no transport has had yet ahead of those that are to be written again.
NEXT = """let next = if self.withholding { self.find_unmarked() } else { Some(self.replayed) };
        if !self.held
            && let Some(next) = next
            && let Some((&entry, text)) = self.log.get(next)
        {
            let len = text.len();
            entry.write(text, out, session);
            if next.index() < self.unsent.index() {
                self.replayed = self.replayed.behind(len);
                return written(out, None);
            }
            self.numbered += 1;
            let first_of = match entry.kind {
                Kind::Call(call) => Some((call, self.numbered)),
                Kind::Notification | Kind::Answer | Kind::Refusal => None,
            };
            if self.keep == Keep::All || (self.keep == Keep::Calls && first_of.is_some()) {
                self.unsent = self.unsent.behind(len);
                self.replayed = self.unsent;"""
NEWEST_FIRST = """let next = if self.withholding { self.find_unmarked() } else if self.unsent.index() < self.log.len() { Some(self.unsent) } else { Some(self.replayed) };
        if !self.held
            && let Some(next) = next
            && let Some((&entry, text)) = self.log.get(next)
        {
            let len = text.len();
            entry.write(text, out, session);
            if next.index() < self.unsent.index() {
                self.replayed = self.replayed.behind(len);
                return written(out, None);
            }
            self.numbered += 1;
            let first_of = match entry.kind {
                Kind::Call(call) => Some((call, self.numbered)),
                Kind::Notification | Kind::Answer | Kind::Refusal => None,
            };
            if self.keep == Keep::All || (self.keep == Keep::Calls && first_of.is_some()) {
                let sent = self.unsent;
                self.unsent = self.unsent.behind(len);
                self.replayed = if sent == self.replayed { self.unsent } else { self.replayed };"""

# name: (file, what stands there, what stands there instead)
SABOTAGES = {
    "an acknowledgement is skipped": (OUTBOX, "while self.unsent.index() as u64 > missing {", "while self.unsent.index() as u64 > missing + 1 {"),
    "a message is counted twice": (INBOX, "self.received += 1;", "self.received += 1 + u64::from(self.received == 20);"),
    "a ping is counted": (RECEIVE, "Frame::Single(Message::Request(call)) if is_session_method(&call.method) => self", "Frame::Single(Message::Request(call)) if is_session_method(&call.method) && { self.inbox.count(0); true } => self"),
    "new messages go out before the replay": (OUTBOX, NEXT, NEWEST_FIRST),
    "nothing is replayed": (OUTBOX, "self.replayed = Place::default();\n        for _ in self.acknowledged()..received {", "self.replayed = self.unsent;\n        for _ in received..received {"),
    "what came but is not acknowledged is replayed": (OUTBOX, "for _ in self.acknowledged()..received {", "for _ in received..received {"),
    "what was sent is forgotten at a cut": (OUTBOX, "self.control_bytes = 0;\n        self.replayed = Place::default();", "self.control_bytes = 0;\n        self.drop_sent();"),
    "messages are sent before connect is answered": (SERVER, "self.outbox.hold();\n        }\n        self.withhold(now);", "}\n        self.withhold(now);"),
    "an answer acknowledges one message too many": (RECEIVE, "self.outbox.acknowledge(number).is_err()", "self.outbox.acknowledge(number + u64::from(number < self.outbox.numbered())).is_err()"),
    "an overtaken connect is obeyed": (SERVER, "offers && matches!(call.id", "false && offers && matches!(call.id"),
    "answers survive into the next session": (OUTBOX, "self.numbered = 0;\n        self.forget_answers();", "self.numbered = 0;"),
    "requests of a lost session are answered in the next": (CLIENT, "self.owed.disown(self.role.limits());", ""),
    "acknowledgements wait behind requests": (ENDPOINT, "|| (self.waits()", "|| (false && self.waits()"),
    "there is no reserve for answers": (ENDPOINT, "&& (self.outbox.has_written_all() ||", "&& false && (self.outbox.has_written_all() ||"),
    "a side with too much acknowledges all of it": (INBOX, "if excess.messages == 0 && excess.bytes == 0 {", "if excess.messages < usize::MAX {"),
    "what a lost session has left keeps its room": (OWED, "while (self.debts.len() > limits.in_flight ||", "while false && (self.debts.len() > limits.in_flight ||"),
    "the grace timer is not stopped": (SERVER, "self.timers.clear(Timer::Grace);", ""),
    "the wrong end of the sent messages is dropped": (OUTBOX, "self.remove(Place::default()) {", "self.remove(self.log.find(Place::default(), { let (last, mut at) = (self.unsent.index(), 0); move |_| { at += 1; at == last } }).map(|(place, ..)| place).unwrap_or_default()) {"),
}


def simulate(copy, schedules):
    """Builds and runs the simulation in `copy`; returns the first failing seed, or None."""
    build = ["cargo", "build", "--release", "--quiet", "-p", "bowline-tests", "--features", "simulate", "--bin", "simulate"]
    subprocess.run(build, cwd=copy, env=ENVIRONMENT, check=True)
    run = subprocess.run([copy / "target/release/simulate", "--schedules", str(schedules)], capture_output=True, text=True)
    seed = re.search(r"failed first: seed (\d+): (.*)", run.stderr)
    if run.returncode == 0:
        return None
    return f"seed {seed[1]}: {seed[2]}" if seed else run.stderr.strip().splitlines()[-1]


def compile_only(copy):
    """Whether what `simulate` builds still compiles in `copy`."""
    return subprocess.run(["cargo", "check", "--quiet", "-p", "bowline-tests", "--features", "simulate", "--bin", "simulate"], cwd=copy, env=ENVIRONMENT).returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=200_000)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder)
        # The core and its tests on virtual time, without the runtimes.
        subprocess.run([ROOT / "fuzz/slim", copy], check=True)
        for name, (file, there, instead) in SABOTAGES.items():
            if arguments.names and name not in arguments.names:
                continue
            whole = (ROOT / file).read_text()
            if whole.count(there) != 1:
                sys.exit(f"{name}: what is to be broken is not in {file} exactly once")
            (copy / file).write_text(whole.replace(there, instead))
            if arguments.check:
                if not compile_only(copy):
                    sys.exit(f"{name}: what is broken that way does not compile")
            else:
                caught = simulate(copy, arguments.schedules)
                print(f"{name}: {caught or 'NOT CAUGHT'}", flush=True)
                if caught is None:
                    missed.append(name)
            (copy / file).write_text(whole)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
