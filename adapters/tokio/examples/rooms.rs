//! A signalling server: users, rooms, and offers from one to another. docs/guide.md walks through it.
//!
//! ```sh
//! cargo run -p bowline-tokio --example rooms
//! bowline connect 'ws://127.0.0.1:8888/rooms?token=alice'
//! ```

use bowline_tokio::{CallError, Context, ErrorObject, PathOptions, Router, Server, Session, StatusCode, TokioRuntime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Who is there, and where.
#[derive(Clone, Default)]
pub struct Rooms(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    users: BTreeMap<String, Session>,
    rooms: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
struct Room {
    room: String,
}

#[derive(Deserialize)]
struct Text {
    room: String,
    text: String,
}

#[derive(Deserialize)]
struct Offer {
    to: String,
    sdp: String,
}

#[derive(Serialize)]
struct Members {
    members: Vec<String>,
}

/// A method that needs some state: a clone of it for each call.
fn with<S: Clone, P, F>(state: S, method: impl Fn(S, P, Context) -> F) -> impl Fn(P, Context) -> F {
    move |params, context| method(state.clone(), params, context)
}

/// Whose session it is. The interceptor has set it before there was a session.
fn user_of(session: &Session) -> String {
    session.attribute("user").unwrap_or_default()
}

impl Rooms {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn join(self, Room { room }: Room, context: Context) -> Result<Members, ErrorObject> {
        let user = user_of(context.session());
        let mut state = self.state();
        // A session that another one has taken the place of leaves nothing behind.
        if !state.is_current(&user, context.session()) {
            return Err(ErrorObject::new(409, "you are here in another session"));
        }
        let members = state.rooms.entry(room.clone()).or_default();
        let is_new = members.insert(user.clone());
        let members = members.iter().cloned().collect();
        // Who joins again, in a new session, is no news.
        if is_new {
            state.tell(&room, &user, "joined", &json!({ "room": room, "user": user }));
        }
        Ok(Members { members })
    }

    async fn say(self, Text { room, text }: Text, context: Context) -> Result<(), ErrorObject> {
        let user = user_of(context.session());
        let state = self.state();
        if !state.rooms.get(&room).is_some_and(|members| members.contains(&user)) {
            return Err(ErrorObject::new(403, "you are not in this room"));
        }
        state.tell(&room, &user, "said", &json!({ "room": room, "user": user, "text": text }));
        Ok(())
    }

    async fn offer(self, Offer { to, sdp }: Offer, context: Context) -> Result<Value, ErrorObject> {
        // Waits for somebody who may ask us, or call the caller, before the answer comes: the caller's next requests must not wait for that.
        context.start_async();
        let peer = self.state().users.get(&to).cloned().ok_or_else(|| ErrorObject::new(404, "nobody of that name is here"))?;
        let offer = json!({ "from": user_of(context.session()), "sdp": sdp });
        let answer = peer.call_with_timeout("offer", offer, Duration::from_secs(20)).await;
        answer.map_err(|error| {
            let unanswered = format!("{to} has not answered: {error}");
            if let CallError::Peer(refusal) = error { refusal } else { ErrorObject::new(502, unanswered) }
        })
    }

    fn came(&self, session: &Session) {
        let before = self.state().users.insert(user_of(session), session.clone());
        // One session for each user. To close the one before would be a fight, if its program is still there: that would come back, and have this one closed.
        if let Some(before) = before {
            let _ = before.try_notify("replaced", ());
        }
    }

    fn went(&self, session: &Session) {
        let user = user_of(session);
        let mut state = self.state();
        if !state.is_current(&user, session) {
            return;
        }
        state.users.remove(&user);
        for room in state.leave_all(&user) {
            state.tell(&room, &user, "left", &json!({ "room": room, "user": user }));
        }
    }
}

impl State {
    /// Whether this is the session of `user` that counts.
    fn is_current(&self, user: &str, session: &Session) -> bool {
        self.users.get(user).is_some_and(|current| current.id() == session.id())
    }

    /// Tells all others in `room`.
    fn tell(&self, room: &str, user: &str, what: &str, news: &Value) {
        let others = self.rooms.get(room).into_iter().flatten().filter(|other| *other != user);
        for session in others.filter_map(|other| self.users.get(other)) {
            // Whoever has been away for long has a full buffer: the others need not wait.
            let _ = session.try_notify(what, news);
        }
    }

    /// The rooms that `user` was in.
    fn leave_all(&mut self, user: &str) -> Vec<String> {
        let was_in = self.rooms.iter_mut().filter_map(|(room, members)| members.remove(user).then(|| room.clone())).collect();
        self.rooms.retain(|_, members| !members.is_empty());
        was_in
    }
}

/// The server, before it listens.
#[must_use]
pub fn server(rooms: &Rooms) -> Server<TokioRuntime> {
    let (came, went) = (rooms.clone(), rooms.clone());
    let router = Router::new()
        .method_with("join", with(rooms.clone(), Rooms::join))
        .method_with("say", with(rooms.clone(), Rooms::say))
        .method_with("offer", with(rooms.clone(), Rooms::offer))
        .on_open(move |session| came.came(session))
        .on_close(move |session, _| went.went(session));
    let options = PathOptions::new().reconnection_timeout(Duration::from_secs(30)).ping_watchdog();
    bowline_tokio::server().path_with("/rooms", options, router).intercept(|request, attributes| {
        // Here the token is the name. Yours is something that you can check.
        let query = request.query().unwrap_or_default();
        let token = query.split('&').find_map(|pair| pair.strip_prefix("token=")).filter(|token| !token.is_empty());
        attributes.set("user", token.ok_or(StatusCode::UNAUTHORIZED)?.to_owned());
        Ok(())
    })
}

#[tokio::main]
#[allow(dead_code, reason = "the tests have a main of their own")]
async fn main() -> std::io::Result<()> {
    let server = server(&Rooms::default()).bind("127.0.0.1:8888").await?;
    println!("listening on ws://{}/rooms", server.local_addr());
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    tokio::signal::ctrl_c().await?;
    // Requests in flight may finish, and everybody is told.
    println!("{:?}", handle.shutdown(Duration::from_secs(5)).await);
    serving.abort();
    Ok(())
}
