//! The conformance kit: what a [`Runtime`] has to keep, so that sessions hold on it. The author of an adapter runs it against theirs.
//!
//! ```
//! use bowline_tests::conformance::{self, ThreadRuntime};
//!
//! # if true { return; } // It is run by the kit's own tests.
//! let report = conformance::run(&ThreadRuntime);
//! assert!(report.is_clean(), "{report}");
//! ```
//!
//! Or as one test for each scenario, in a file of `tests/`:
//!
//! ```
//! use bowline_tests::conformance::ThreadRuntime;
//!
//! bowline_tests::conformance_tests!(ThreadRuntime);
//! # fn main() {}
//! ```
//!
//! A runtime that can only be used inside of something says so: here a tokio that all the tests share.
//!
//! ```
//! use bowline_tokio::TokioRuntime;
//! use std::sync::LazyLock;
//!
//! static TOKIO: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
//!
//! bowline_tests::conformance_tests!(TokioRuntime::new(), inside TOKIO.enter());
//! # fn main() {}
//! ```
//!
//! The first half of the [`scenarios`] asks what the trait promises: tasks, timers, sockets. The second half runs servers and clients on it,
//! over a network that breaks. A scenario runs in the caller's thread, which may wait; everything it starts runs on the runtime. One that takes
//! longer than [`PATIENCE`] has failed; the clock for that is not the runtime's.

mod contract;
mod sessions;
mod threads;

pub use threads::{ThreadListener, ThreadRuntime, ThreadTimer};

use crate::sockets::{PATIENCE, within};
use bowline::Runtime;
use futures_executor::block_on;
use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::time::Duration;

/// How a scenario ends: an error says what is wrong with the runtime.
pub type Outcome = Result<(), Box<dyn Error>>;

type Body<R> = fn(R) -> Pin<Box<dyn Future<Output = Outcome>>>;

/// One thing that a runtime has to keep.
pub struct Scenario<R> {
    name: &'static str,
    promise: &'static str,
    body: Body<R>,
}

impl<R: Runtime> Scenario<R> {
    /// Its name, as that of its test.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it asks of the runtime, in a sentence.
    #[must_use]
    pub fn promise(&self) -> &'static str {
        self.promise
    }

    /// Runs it in this thread.
    ///
    /// # Errors
    ///
    /// What is wrong with the runtime: a text for people.
    pub fn run(&self, runtime: &R, patience: Duration) -> Result<(), String> {
        let running = AssertUnwindSafe(|| block_on(within(patience, (self.body)(runtime.clone()))));
        match catch_unwind(running) {
            Ok(Some(outcome)) => outcome.map_err(|error| error.to_string()),
            Ok(None) => Err(format!("it hangs: not done after {patience:?}")),
            Err(panic) => Err(format!("it panics: {}", message(&*panic))),
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a text")
}

/// What came of all scenarios. Printed, it is a list.
#[derive(Clone, Debug)]
pub struct Report {
    lines: Vec<(&'static str, &'static str, Result<(), String>)>,
}

impl Report {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The names of the scenarios that failed, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.lines.iter().filter_map(|(name, _, outcome)| Some((*name, outcome.as_ref().err()?.as_str())))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, promise, outcome) in &self.lines {
            match outcome {
                Ok(()) => writeln!(f, "kept    {name}")?,
                Err(why) => writeln!(f, "BROKEN  {name}: {promise}\n        {why}")?,
            }
        }
        write!(f, "{} of {} promises kept", self.lines.iter().filter(|line| line.2.is_ok()).count(), self.lines.len())
    }
}

/// Runs every scenario, one after the other.
pub fn run<R: Runtime>(runtime: &R) -> Report {
    let lines = scenarios().into_iter().map(|scenario: Scenario<R>| (scenario.name, scenario.promise, scenario.run(runtime, PATIENCE)));
    Report { lines: lines.collect() }
}

/// Runs the scenario of this name, as [`conformance_tests!`](crate::conformance_tests) does.
///
/// # Panics
///
/// If there is none, or `runtime` does not keep what it asks.
#[expect(clippy::panic, reason = "in a test a panic is the failure")]
pub fn check<R: Runtime>(runtime: &R, name: &str) {
    let scenario = scenarios::<R>().into_iter().find(|scenario| scenario.name == name);
    let scenario = scenario.expect("a scenario of this name");
    if let Err(why) = scenario.run(runtime, PATIENCE) {
        panic!("{}: {why}", scenario.promise);
    }
}

/// Makes the list of scenarios, and the macro with a test for each: one cannot be forgotten in the other.
macro_rules! list {
    ($d:tt $($module:ident { $($name:ident: $promise:literal,)+ })+) => {
        /// Every scenario, in order: what stands first explains failures of what follows.
        #[must_use]
        pub fn scenarios<R: Runtime>() -> Vec<Scenario<R>> {
            vec![$($(
                Scenario { name: stringify!($name), promise: $promise, body: |runtime| Box::pin($module::$name(runtime)) },
            )+)+]
        }

        /// Makes a test of each scenario of the [conformance kit](crate::conformance): of an expression that gives a runtime, and, if it needs
        /// one, of another for what is held meanwhile.
        #[macro_export]
        macro_rules! conformance_tests {
            ($d runtime:expr $d(, inside $d guard:expr)? $d(,)?) => {
                $($(
                    #[test]
                    fn $name() {
                        $d(let _inside = $d guard;)?
                        $crate::conformance::check(&$d runtime, stringify!($name));
                    }
                )+)+
            };
        }
    };
}

list! { $
    contract {
        tasks_run_though_nobody_waits_for_them: "a spawned task runs to its end, and may spawn others",
        a_task_that_waits_holds_up_no_other: "tasks that are not ready cost the others nothing",
        a_timer_fires_at_its_time_and_not_before: "a timer becomes ready once its time has come",
        a_timer_whose_time_has_passed_is_ready: "a timer for the past is ready at once",
        a_timer_that_has_fired_stays_ready_until_it_is_set: "a timer is ready until it is set again, and can be set again",
        a_timer_can_be_set_to_earlier_and_to_later: "a timer that waits can be set anew, to an earlier time and to a later one",
        a_timer_wakes_whoever_polled_it_last: "a timer may go from task to task",
        a_timer_wakes_however_much_its_task_has_done_before: "a task that has done as much as it may at once still sets its timer",
        a_timer_may_be_set_to_a_time_that_never_comes: "a timer for a time in decades is no error",
        thousands_of_timers_fire: "timers do not disturb each other",
        port_0_takes_a_free_port_and_says_which: "`bind` with port 0 takes a free port, and says which",
        a_port_in_use_is_an_error: "`bind` fails if the address is taken",
        bytes_arrive_whole_and_in_order_both_ways_at_once: "a stream carries every byte once, in order, both ways at the same time",
        a_stream_that_is_closed_ends_in_one_direction: "`poll_close` tells the peer, and what the peer still sends arrives",
        a_stream_that_is_dropped_ends: "a dropped stream ends for its peer",
        a_peer_that_does_not_read_makes_the_writer_wait: "what nobody reads is not taken without bound",
        accepting_loses_no_connection_when_it_is_dropped: "`accept` may be dropped before it is ready, and loses no connection",
        many_connections_are_opened_at_once: "connections are opened and accepted at the same time",
        the_address_of_a_peer_is_its_own: "`accept` says where a TCP connection comes from",
        a_connection_to_nobody_fails: "`connect` fails where nobody listens, and for a name that nobody has",
        a_name_has_addresses: "`resolve` takes names",
        an_ipv6_address_stands_without_brackets: "`connect` takes an IPv6 address without brackets",
        a_unix_socket_is_adopted_or_refused: "`adopt_unix` serves the socket, or says `Unsupported`",
    }
    sessions {
        calls_and_notifications_go_both_ways: "a server and a client talk",
        long_messages_go_both_ways: "messages longer than any buffer arrive",
        nothing_is_lost_repeated_or_reordered_over_cuts: "sessions survive a network that cuts connections at any byte",
        two_sides_that_are_full_serve_each_other: "two sides that call each other, more often at once than either takes, are both served, over cuts too",
        a_network_that_says_nothing_is_found: "the heartbeat notices a connection that carries nothing any more",
        a_call_that_is_not_answered_times_out: "the time limit of a call ends it",
        a_server_that_does_not_answer_times_out: "the time limit of a connection attempt ends it",
        a_session_ends_when_its_client_stays_away: "a session without its client ends after the reconnection timeout",
        a_client_that_is_dropped_closes: "the last handle dropped closes the client, and its connection",
        a_server_that_is_shut_down_ends: "shutdown ends the server, its connections and its listening socket",
    }
}
