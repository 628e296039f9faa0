//! The catalogue of bad input, docs/catalogue.md: each row is a test, on tokio and on smol, and the page says what the rows say.
//!
//! `BOWLINE_WRITE=1 cargo test -p bowline-tests --test socket_catalogue` writes the page anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

mod bad_clients;
mod bad_servers;
mod rows;

use bowline::Runtime;
use bowline_tests::sockets::{on_smol, on_tokio};
use libtest_mimic::{Arguments, Trial};
use rows::{Gets, Input, Row, sections};
use std::fmt::Write as _;
use std::process::ExitCode;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/catalogue.md");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("the_page_says_what_the_rows_say", compare)];
    for row in sections().into_iter().flat_map(|(_, rows)| rows) {
        let row = std::sync::Arc::new(row);
        let again = std::sync::Arc::clone(&row);
        trials.push(Trial::test(format!("tokio::{}", row.name), move || {
            on_tokio(async |runtime| check(runtime, &row).await);
            Ok(())
        }));
        trials.push(Trial::test(format!("smol::{}", again.name), move || {
            on_smol(async |runtime| check(runtime, &again).await);
            Ok(())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn compare() -> Result<(), libtest_mimic::Failed> {
    let page = page();
    if std::env::var_os("BOWLINE_WRITE").is_some() {
        std::fs::write(PAGE, &page)?;
    }
    if std::fs::read_to_string(PAGE).unwrap_or_default() == page {
        return Ok(());
    }
    Err("docs/catalogue.md is not what the rows say; write it anew: BOWLINE_WRITE=1 cargo test -p bowline-tests --test socket_catalogue"
        .into())
}

fn page() -> String {
    let mut page = "# What bad input gets\n\nEach row is a test, on tokio and on smol: `cargo test -p bowline-tests --test socket_catalogue NAME`. After each the session \
         goes on, or can\nbe resumed where the connection was closed, if nothing else is said; and other sessions are served as if nothing had happened. `SESSION` \
         stands for\na session with resumption, after the begin of which two messages were sent to the client; it has acknowledged the first. The page is written from the\n\
         rows in `tests/tests/socket_catalogue/rows.rs`.\n"
        .to_owned();
    for (title, rows) in sections() {
        write!(page, "\n## {title}\n\n| test | input | what it gets | rule |\n|---|---|---|---|\n").unwrap();
        for Row { name, shown, gets, rule, .. } in rows {
            writeln!(page, "| `{name}` | {} | {} | {rule} |", shown.replace('|', "\\|"), told(gets)).unwrap();
        }
    }
    page
}

fn told(gets: Gets) -> String {
    match gets {
        Gets::Error(id, code, "") => format!("error {code}, `id` {id}"),
        Gets::Error(id, code, says) => format!("error {code}, `id` {id}: \"… {says} …\""),
        Gets::ErrorInBatch(id, code, says) => format!("{}, in a batch", told(Gets::Error(id, code, says))),
        Gets::Nothing => "no answer".into(),
        Gets::Served(_) => "its answer".into(),
        Gets::Closed(code, "") => format!("Close {code}"),
        Gets::Closed(code, reason) => format!("Close {code} \"{reason}\""),
        Gets::SessionClosed(code, reason) => format!("{}; the session is gone", told(Gets::Closed(code, reason))),
        Gets::Mismatch => "error 40007, `data.type` RESUME_MISMATCH, then Close 1002 \"Resumption mismatch\"; the session is gone".into(),
        Gets::Ended => "the end of the connection".into(),
        Gets::Status(status) => format!("status {status}"),
        Gets::Refused("") => "an error of `connect`".into(),
        Gets::Refused(says) => format!("an error of `connect`: \"… {says} …\""),
        Gets::Connected => "the client connects all the same".into(),
        Gets::CallFails(says) => format!("an error of the call: \"… {says} …\""),
        Gets::Renewed => "the client goes on with a new session; the call in flight ends as interrupted".into(),
        Gets::Reconnected(code) => format!("Close {code}, and the client comes back to its session"),
        Gets::ReconnectedSilently => "the client comes back to its session".into(),
        Gets::Refuted(id, code) => format!("{}; the client goes on", told(Gets::Error(id, code, ""))),
        Gets::PassedOver => "nothing: the client goes on".into(),
    }
}

async fn check(runtime: impl Runtime, row: &Row) {
    match &row.input {
        Input::Client(input) => bad_clients::check(&runtime, input, row.gets).await,
        Input::Server(input) => bad_servers::check(&runtime, input, row.gets).await,
    }
}
