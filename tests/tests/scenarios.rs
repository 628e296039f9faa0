//! Every scenario on virtual time in one program: the mutation tests build it for each mutant, so it must be quick to link (docs/fuzzing.md).

#[path = "another_sender.rs"]
mod another_sender;
#[path = "bad_input.rs"]
mod bad_input;
#[path = "bad_servers.rs"]
mod bad_servers;
#[path = "both_sides.rs"]
mod both_sides;
#[path = "bounds.rs"]
mod bounds;
#[path = "calls.rs"]
mod calls;
#[path = "client_calls.rs"]
mod client_calls;
#[path = "client_close.rs"]
mod client_close;
#[path = "client_heartbeat.rs"]
mod client_heartbeat;
#[path = "client_life.rs"]
mod client_life;
#[path = "dialects.rs"]
mod dialects;
#[path = "duplicates.rs"]
mod duplicates;
#[path = "findings.rs"]
mod findings;
#[path = "floods.rs"]
mod floods;
#[path = "grace.rs"]
mod grace;
#[path = "hand_over.rs"]
mod hand_over;
#[path = "messages_and_batches.rs"]
mod messages_and_batches;
#[path = "ordering.rs"]
mod ordering;
#[path = "resumption_client.rs"]
mod resumption_client;
#[path = "resumption_server.rs"]
mod resumption_server;
#[path = "session_methods.rs"]
mod session_methods;
#[path = "sizes.rs"]
mod sizes;
#[path = "small_print.rs"]
mod small_print;
#[path = "watchdog.rs"]
mod watchdog;
