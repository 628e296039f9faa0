//! Many sessions at once: what each costs its server, and what it costs to bring all of them back.

use bowline_tests::sockets::{Apart, run, stay};
use bowline_tokio::{
    Client, ClientBuilder, ClientTls, ConnectionEvent, Context, ErrorObject, PathOptions, Router, ServerTls, Session, SessionKept,
    TokioRuntime,
};
use clap::Parser;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Opens many sessions on loopback. The server is a process of its own, so that its memory is its own.
#[derive(Parser)]
struct Arguments {
    /// How many.
    #[arg(long, default_value_t = 10_000)]
    sessions: usize,
    /// Cut all of them at once, and wait until all are back.
    #[arg(long)]
    cut: bool,
    /// Over TLS.
    #[arg(long)]
    tls: bool,
    /// Be the server.
    #[arg(long, hide = true)]
    serve: bool,
}

type Anything<T> = Result<T, Box<dyn Error>>;

/// Connections that are being opened at once: fewer than a server lets wait for their handshakes.
const AT_ONCE: usize = 256;
/// Connections to one address, of which each has some 28,000 ports.
const PER_ADDRESS: usize = 12_000;

#[tokio::main]
async fn main() -> Anything<()> {
    let Arguments { sessions, cut, tls, serve } = Arguments::parse();
    let wanted = u64::try_from(sessions)? * 2 + 1000;
    let limit = rlimit::increase_nofile_limit(wanted)?;
    if limit < wanted.div_ceil(2) {
        return Err(format!("{sessions} sessions need {wanted} file descriptors; the limit is {limit}").into());
    }
    if serve { serve_crowd(tls).await } else { measure(sessions, cut, tls).await }
}

async fn serve_crowd(tls: bool) -> Anything<()> {
    let all = Arc::<Mutex<Vec<Session>>>::default();
    let (opened, asked, cutting, telling) = (Arc::clone(&all), Arc::clone(&all), Arc::clone(&all), Arc::clone(&all));
    let every = |all: &Mutex<Vec<Session>>| all.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let crowd = Router::new()
        .on_open(move |session| opened.lock().unwrap_or_else(PoisonError::into_inner).push(session.clone()))
        .method("echo", async |value: Value| Ok::<_, ErrorObject>(value));
    let control = Router::new()
        .method("attached", move |(): ()| {
            let attached = every(&asked).iter().filter(|session| session.is_attached()).count();
            async move { Ok::<_, ErrorObject>(attached) }
        })
        .method_with("cut", move |(): (), _: Context| {
            every(&cutting).iter().for_each(Session::disconnect);
            async { Ok::<_, ErrorObject>(()) }
        })
        .method("tell", move |number: u64| {
            let refused = every(&telling).iter().filter(|session| session.try_notify("told", number).is_err()).count();
            async move { Ok::<_, ErrorObject>(refused) }
        });
    let options = PathOptions::new().reconnection_timeout(Duration::from_secs(600));
    let server = bowline_tokio::server().path_with("/", options, crowd).path("/control", control);
    let server = if tls {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let tls = ServerTls::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes())?;
        server.bind_tls("0.0.0.0:0", &tls).await?
    } else {
        server.bind("0.0.0.0:0").await?
    };
    let (address, _server) = run(server);
    Ok(tokio::task::spawn_blocking(move || stay(address)).await??)
}

/// The server.
struct Server {
    process: Apart,
    tls: bool,
}

impl Server {
    fn start(tls: bool) -> Anything<Self> {
        let arguments: &[&str] = if tls { &["--tls"] } else { &[] };
        Ok(Self { process: Apart::start(&std::env::current_exe()?, arguments)?, tls })
    }

    /// A client of `path`, for one of many.
    fn client(&self, number: usize, path: &str) -> ClientBuilder<TokioRuntime> {
        let authority = format!("127.0.0.{}:{}", 1 + number / PER_ADDRESS, self.process.address().port());
        if self.tls {
            let tls = ClientTls::new().danger_accept_invalid_certs();
            return bowline_tokio::client(&format!("wss://{authority}{path}")).tls(tls);
        }
        bowline_tokio::client(&format!("ws://{authority}{path}"))
    }
}

#[derive(Default)]
struct Seen {
    back: watch::Sender<usize>,
    renewed: AtomicU64,
    told: AtomicU64,
    told_wrong: AtomicU64,
}

async fn measure(sessions: usize, cut: bool, tls: bool) -> Anything<()> {
    let server = Server::start(tls)?;
    let control = server.client(0, "/control").connect().await?;
    let seen = Arc::new(Seen::default());
    let before = server.process.memory()?;
    let each = |memory: u64| memory.saturating_sub(before) / u64::try_from(sessions).unwrap_or(1).max(1);
    let begun = Instant::now();
    let clients: Vec<Client> =
        stream::iter(0..sessions).map(|number| connect(server.client(number, "/"), &seen)).buffer_unordered(AT_ONCE).try_collect().await?;
    println!("{} sessions in {:.1} s", clients.len(), begun.elapsed().as_secs_f64());
    println!("memory per session: attached {} bytes", each(server.process.memory()?));
    stream::iter(&clients)
        .map(|client| client.call::<Value>("echo", "hello"))
        .buffer_unordered(AT_ONCE)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    println!("memory per session: after one message {} bytes", each(server.process.memory()?));
    let lost = if cut { cut_all(&server, &control, &clients, &seen).await? } else { 0 };
    drop(clients);
    while control.call::<usize>("attached", ()).await? > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("memory per session: detached {} bytes", each(server.process.memory()?));
    if lost == 0 { Ok(()) } else { Err("something was lost".into()) }
}

async fn connect(client: ClientBuilder<TokioRuntime>, seen: &Arc<Seen>) -> Anything<Client> {
    let (events, told) = (Arc::clone(seen), Arc::clone(seen));
    let service = Router::new().method("told", move |number: u64| {
        told.told.fetch_add(1, Ordering::Relaxed);
        told.told_wrong.fetch_add(u64::from(number != 7), Ordering::Relaxed);
        async { Ok::<_, ErrorObject>(()) }
    });
    let client = client.connect_timeout(Duration::from_secs(60)).service(service).on_event(move |event| {
        if let ConnectionEvent::Reconnected(kept) = event {
            events.renewed.fetch_add(u64::from(*kept == SessionKept::New), Ordering::Relaxed);
            events.back.send_modify(|back| *back += 1);
        }
    });
    Ok(client.connect().await?)
}

/// Cuts every connection while there is a message for each, and waits until all are back and have it. Returns what was lost.
async fn cut_all(server: &Server, control: &Client, clients: &[Client], seen: &Seen) -> Anything<u64> {
    let (begun, spent) = (Instant::now(), server.process.time()?);
    control.call::<()>("cut", ()).await?;
    let refused = control.call::<u64>("tell", 7).await?;
    seen.back.subscribe().wait_for(|back| *back >= clients.len()).await?;
    let took = begun.elapsed();
    // An answer comes behind everything that was sent before it.
    stream::iter(clients)
        .map(|client| client.call::<Value>("echo", "back"))
        .buffer_unordered(AT_ONCE)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    let spent = server.process.time()?.saturating_sub(spent);
    let count = u64::try_from(clients.len())?;
    let lost = count.saturating_sub(seen.told.load(Ordering::Relaxed)) + refused + seen.told_wrong.load(Ordering::Relaxed);
    let renewed = seen.renewed.load(Ordering::Relaxed);
    let per_resume = spent.as_micros() / u128::from(count.max(1));
    println!(
        "cut {count}: all back in {:.2} s, {per_resume} µs of the server's processor each, new sessions {renewed}, lost {lost}",
        took.as_secs_f64()
    );
    Ok(lost + renewed)
}
