//! A client, and a server that does what it should not.

use crate::rows::{FromServer, Gets};
use async_channel::Sender;
use bowline::{CallError, ConnectionEvent, Runtime, SessionKept};
use bowline_tests::sockets::{BadServer, Conversation, Rig, soon};
use serde_json::{Value, json};

const SESSION: &str = "S";

pub(crate) async fn check(runtime: &impl Runtime, input: &FromServer, gets: Gets) {
    match input {
        FromServer::Answer(bytes) => {
            let server = BadServer::answering(bytes).unwrap();
            is_refused(runtime, &server, gets).await;
        }
        FromServer::Greeting(members) => {
            let members = *members;
            let server = BadServer::on_websocket(move |_, conversation| {
                let connect = conversation.read()?;
                conversation.text(&answer(&connect, members))?;
                serve(conversation)
            });
            greeted(runtime, &server.unwrap(), gets).await;
        }
        FromServer::Welcome(members) => welcomed(runtime, members, gets).await,
        FromServer::Reply(members) => {
            let (members, Gets::CallFails(says)) = (*members, gets) else { panic!("no such thing") };
            let server = BadServer::on_websocket(move |_, conversation| {
                conversation.greet(SESSION)?;
                let call = conversation.read()?;
                conversation.text(&answer(&call, members))?;
                serve(conversation)
            });
            let client = soon(runtime.client(&server.unwrap().url("/")).connect()).await.unwrap();
            let error = soon(client.call::<u64>("five", ())).await.unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(soon(client.call::<u64>("five", ())).await, Ok(5));
        }
        FromServer::Served(bytes) => served(runtime, bytes.clone(), gets).await,
    }
}

/// An answer to `request` with these members.
fn answer(request: &Value, members: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{},{members}}}"#, request["id"])
}

/// Answers everything as it should be answered, until the client has gone.
fn serve(conversation: &mut Conversation) -> Result<(), tungstenite::Error> {
    loop {
        let request = conversation.read()?;
        conversation.answer(&request, &json!({ "value": 5 }))?;
    }
}

async fn is_refused(runtime: &impl Runtime, server: &BadServer, gets: Gets) {
    let Gets::Refused(says) = gets else { panic!("no such thing") };
    let error = soon(runtime.client(&server.url("/")).connect()).await.unwrap_err();
    assert!(error.to_string().contains(says), "{error}");
}

async fn greeted(runtime: &impl Runtime, server: &BadServer, gets: Gets) {
    if !matches!(gets, Gets::Connected) {
        return is_refused(runtime, server, gets).await;
    }
    let client = soon(runtime.client(&server.url("/")).connect()).await.unwrap();
    assert_eq!(soon(client.call::<u64>("five", ())).await, Ok(5));
}

/// The server grants resumption, is asked something, and hangs up. It says `members` to whoever comes back to its session, and gives the others a new one.
async fn welcomed(runtime: &impl Runtime, members: &'static str, gets: Gets) {
    assert!(matches!(gets, Gets::Renewed), "no such thing");
    let server = BadServer::on_websocket(move |number, conversation| {
        loop {
            let request = conversation.read()?;
            match (request["method"].as_str(), request["params"].get("sessionId")) {
                (Some("connect"), Some(_)) => conversation.text(&answer(&request, members))?,
                (Some("connect"), None) => {
                    let session = format!("{SESSION}{}", if number == 0 { "" } else { " anew" });
                    conversation.answer(&request, &json!({ "value": "OK", "sessionId": session, "resume": { "received": 0 } }))?;
                }
                (Some("lost"), _) => return Ok(()),
                (Some(_) | None, _) => conversation.answer(&request, &json!({ "value": 5 }))?,
            }
        }
    });
    let (send, events) = async_channel::unbounded();
    let server = server.unwrap();
    let client = runtime.client(&server.url("/")).on_event(move |event| drop(send.try_send(event.clone()))).connect();
    let client = soon(client).await.unwrap();
    assert_eq!(soon(client.call::<u64>("lost", ())).await, Err(CallError::Interrupted));
    while soon(events.recv()).await.unwrap() != ConnectionEvent::Reconnected(SessionKept::New) {}
    assert_eq!(soon(client.call::<u64>("five", ())).await, Ok(5));
}

async fn served(runtime: &impl Runtime, bytes: Vec<u8>, gets: Gets) {
    let goes_on = matches!(gets, Gets::PassedOver | Gets::Refuted(..));
    let (tell_close, closes) = async_channel::unbounded();
    let (tell_errors, errors) = async_channel::unbounded();
    let server = BadServer::on_websocket(move |number, conversation| {
        conversation.greet(SESSION)?;
        if number == 0 {
            conversation.bytes(&bytes)?;
            if bytes.is_empty() {
                return Ok(());
            }
            if !goes_on {
                let _ = tell_close.try_send(conversation.closed());
                return Ok(());
            }
        }
        serve_and_listen(conversation, &tell_errors)
    })
    .unwrap();
    // A hook misses nothing: the connection may be back before anybody can ask for a stream of events.
    let (send, events) = async_channel::unbounded();
    let client = runtime.client(&server.url("/")).on_event(move |event| drop(send.try_send(event.clone()))).connect();
    let client = soon(client).await.unwrap();
    match gets {
        Gets::Reconnected(code) => assert_eq!(soon(closes.recv()).await.unwrap(), Some(code)),
        Gets::Refuted(id, code) => {
            let error = soon(errors.recv()).await.unwrap();
            assert_eq!((&error["id"], &error["error"]["code"]), (&serde_json::from_str(id).unwrap(), &json!(code)), "{error}");
        }
        Gets::ReconnectedSilently | Gets::PassedOver => {}
        Gets::Error(..)
        | Gets::ErrorInBatch(..)
        | Gets::Nothing
        | Gets::Served(_)
        | Gets::Closed(..)
        | Gets::SessionClosed(..)
        | Gets::Mismatch
        | Gets::Ended
        | Gets::Status(_)
        | Gets::Refused(_)
        | Gets::Connected
        | Gets::CallFails(_)
        | Gets::Renewed => panic!("no such thing"),
    }
    if !goes_on {
        while soon(events.recv()).await.unwrap() != ConnectionEvent::Reconnected(SessionKept::Same) {}
    }
    // What the server sent stands before the first of these answers; whatever the client says to it, before the second request.
    for _ in 0..2 {
        assert_eq!(soon(client.call::<u64>("five", ())).await, Ok(5));
    }
    assert_eq!(errors.try_recv().ok(), None);
    if goes_on {
        while let Ok(event) = events.try_recv() {
            assert_eq!(event, ConnectionEvent::Connected);
        }
    }
}

/// Answers requests, and tells of answers that are errors.
fn serve_and_listen(conversation: &mut Conversation, errors: &Sender<Value>) -> Result<(), tungstenite::Error> {
    loop {
        let message = conversation.read()?;
        if message.get("method").is_some() {
            conversation.answer(&message, &json!({ "value": 5 }))?;
        } else {
            let _ = errors.try_send(message);
        }
    }
}
