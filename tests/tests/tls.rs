//! Sessions over TLS: trust, distrust, certificates that change, clients that have their own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline::{
    Client, ClientCertificates, ClientTls, ConnectError, ConnectionEvent, Context, ErrorObject, HandlerError, Router, Runtime, Server,
    ServerHandle, ServerLimits, ServerTls, SessionKept, StatusCode,
};
use bowline_tests::sockets::{PATIENCE, Proxy, Rig, soon, wait_for};
use futures_util::future::join_all;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: String,
}

/// A certificate and its key, as PEM.
struct Pair {
    chain: String,
    key: String,
}

impl Authority {
    /// Of any two, neither has the other's name.
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("authority {:?}", key.public_key_raw()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// A certificate for `name`, changed as the test wants it.
    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        Pair { chain: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    fn for_server(&self) -> Pair {
        self.sign("127.0.0.1", |_| {})
    }

    fn for_client(&self, name: &str) -> Pair {
        self.sign(name, |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth])
    }

    /// A client's trust in it, and in nobody else.
    fn trusted(&self) -> ClientTls {
        ClientTls::new().trust_only(self.root.as_bytes()).unwrap()
    }
}

impl Pair {
    fn server(&self) -> ServerTls {
        ServerTls::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }
}

fn echo<R: Runtime>(runtime: &R) -> Server<R> {
    runtime.server().path("/", Router::new().method("echo", async |text: String| Ok::<_, ErrorObject>(text)))
}

async fn start<R: Runtime>(runtime: &R, server: Server<R>, tls: &ServerTls) -> (SocketAddr, ServerHandle) {
    runtime.serve(server.bind_tls("127.0.0.1:0", tls).await.unwrap())
}

async fn connect<R: Runtime>(runtime: &R, url: &str, tls: ClientTls) -> Result<Client, ConnectError> {
    soon(runtime.client(url).connect_timeout(PATIENCE).tls(tls).connect()).await
}

/// Why the client does not connect.
async fn why_not<R: Runtime>(runtime: &R, url: &str, tls: ClientTls) -> String {
    match connect(runtime, url, tls).await {
        Err(error @ (ConnectError::Tls(_) | ConnectError::Handshake(_))) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

async fn a_session_resumes_over_tls(runtime: impl Runtime) {
    let authority = Authority::new();
    let (address, _server) = start(&runtime, echo(&runtime), &authority.for_server().server()).await;
    let proxy = Proxy::new(address).unwrap();
    let url = proxy.url("/").replacen("ws:", "wss:", 1);
    let client = connect(&runtime, &url, authority.trusted()).await.unwrap();
    let mut events = client.events();
    for round in 0..3 {
        assert_eq!(soon(client.call::<String>("echo", round.to_string())).await.unwrap(), round.to_string());
        proxy.cut();
        wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnected(SessionKept::Same))).await;
    }
    soon(client.close()).await;
}

/// What a socket does not take at once waits inside TLS, too, and has to go out though nothing else happens.
async fn much_goes_both_ways_at_once(runtime: impl Runtime) {
    let authority = Authority::new();
    let (address, _server) = start(&runtime, echo(&runtime), &authority.for_server().server()).await;
    let client = connect(&runtime, &format!("wss://{address}/"), authority.trusted()).await.unwrap();
    let text = "x".repeat(700_000);
    let answers = soon(join_all((0..8).map(|_| client.call::<String>("echo", &text)))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().len() == text.len()));
    soon(client.close()).await;
}

async fn what_is_wrong_is_said(runtime: impl Runtime) {
    let (authority, other) = (Authority::new(), Authority::new());
    let good = authority.for_server();
    let expired = authority.sign("127.0.0.1", |params| params.not_after = date_time_ymd(2001, 1, 1));
    let early = authority.sign("127.0.0.1", |params| params.not_before = date_time_ymd(2999, 1, 1));
    let elsewhere = authority.sign("elsewhere.example", |_| {});
    for (pair, trusted, said) in [
        (&good, &other, "comes from nobody who is trusted"),
        (&expired, &authority, "has expired"),
        (&early, &authority, "not valid yet"),
        (&elsewhere, &authority, "is not for `127.0.0.1` but for elsewhere.example;"),
    ] {
        let (address, _server) = start(&runtime, echo(&runtime), &pair.server()).await;
        let url = format!("wss://{address}/");
        let why = why_not(&runtime, &url, trusted.trusted()).await;
        assert!(why.contains(said), "{why}");
        let client = connect(&runtime, &url, ClientTls::new().danger_accept_invalid_certs()).await.unwrap();
        assert_eq!(soon(client.call::<String>("echo", "hi")).await.unwrap(), "hi");
        soon(client.close()).await;
    }
    let (plain, _server) = runtime.serve(echo(&runtime).bind("127.0.0.1:0").await.unwrap());
    let why = why_not(&runtime, &format!("wss://{plain}/"), authority.trusted()).await;
    assert!(why.contains("does not speak TLS"), "{why}");
    let (secure, _server) = start(&runtime, echo(&runtime), &good.server()).await;
    let why = why_not(&runtime, &format!("ws://{secure}/"), authority.trusted()).await;
    assert!(why.contains("wss://"), "{why}");
}

async fn a_new_certificate_holds_for_new_connections(runtime: impl Runtime) {
    let (before, after) = (Authority::new(), Authority::new());
    let tls = before.for_server().server();
    let (address, _server) = start(&runtime, echo(&runtime), &tls).await;
    let url = format!("wss://{address}/");
    let old = connect(&runtime, &url, before.trusted()).await.unwrap();

    let (new, stranger) = (after.for_server(), after.for_server());
    for (chain, key, said) in [
        (&new.chain, &stranger.key, "is not the key of"),
        (&new.key, &new.key, "holds no certificate"),
        (&new.chain, &new.chain, "holds no private key"),
    ] {
        let why = tls.replace(chain.as_bytes(), key.as_bytes()).unwrap_err().to_string();
        assert!(why.contains(said) && why.contains("stays in use"), "{why}");
    }
    soon(connect(&runtime, &url, before.trusted()).await.unwrap().close()).await;

    tls.replace(new.chain.as_bytes(), new.key.as_bytes()).unwrap();
    let client = connect(&runtime, &url, after.trusted()).await.unwrap();
    assert!(why_not(&runtime, &url, before.trusted()).await.contains("nobody who is trusted"));
    assert_eq!(soon(old.call::<String>("echo", "still here")).await.unwrap(), "still here");
    soon(old.close()).await;
    soon(client.close()).await;
}

async fn clients_show_who_they_are(runtime: impl Runtime) {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let router = || {
        Router::new().method_with("who", |(): (), context: Context| {
            let name = context.session().attribute::<usize>("certificate");
            async move { Ok::<_, HandlerError>(name) }
        })
    };
    let server = || {
        runtime.server().path("/", router()).intercept(|head, attributes| {
            if !head.is_tls() {
                return Err(StatusCode::FORBIDDEN);
            }
            if let Some(certificate) = head.certificate() {
                attributes.set("certificate", certificate.len());
            }
            Ok(())
        })
    };
    let tls = authority.for_server().server();
    let with = |pair: &Pair| authority.trusted().certificate(pair.chain.as_bytes(), pair.key.as_bytes()).unwrap();
    let known = authority.for_client("somebody");

    let required = tls.clone().client_certificates(authority.root.as_bytes(), ClientCertificates::Required).unwrap();
    let (address, _required) = start(&runtime, server(), &required).await;
    let url = format!("wss://{address}/");
    let client = connect(&runtime, &url, with(&known)).await.unwrap();
    assert!(soon(client.call::<Option<usize>>("who", ())).await.unwrap().is_some_and(|bytes| bytes > 0));
    soon(client.close()).await;
    assert!(why_not(&runtime, &url, authority.trusted()).await.contains("wants a certificate"));
    assert!(why_not(&runtime, &url, with(&stranger.for_client("nobody"))).await.contains("does not take the client's certificate"));

    let optional = tls.client_certificates(authority.root.as_bytes(), ClientCertificates::Optional).unwrap();
    let (address, _optional) = start(&runtime, server(), &optional).await;
    let client = connect(&runtime, &format!("wss://{address}/"), authority.trusted()).await.unwrap();
    assert_eq!(soon(client.call::<Option<usize>>("who", ())).await.unwrap(), None);
    soon(client.close()).await;
}

async fn a_tls_handshake_is_a_handshake(runtime: impl Runtime) {
    let tls = Authority::new().for_server().server();
    let mut limits = ServerLimits::new();
    limits.max_handshakes = 1;
    limits.handshake_timeout = Duration::from_secs(3600);
    let (address, _server) = start(&runtime, echo(&runtime).limits(limits.clone()), &tls).await;
    // Both say nothing. There is no place for one of them, whichever comes first.
    let mut silent = [open(address), open(address)];
    let ended = loop {
        if let Some(at) = silent.iter_mut().position(is_over) {
            break at;
        }
        std::thread::yield_now();
    };
    assert!(!is_over(&mut silent[1 - ended]));

    limits.handshake_timeout = Duration::from_millis(1);
    let (address, _server) = start(&runtime, echo(&runtime).limits(limits), &tls).await;
    let mut slow = open(address);
    slow.set_nonblocking(false).unwrap();
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(slow.read(&mut [0]).unwrap(), 0, "it took too long");
}

fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

fn is_over(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(n) => n == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

bowline_tests::both![
    a_session_resumes_over_tls,
    much_goes_both_ways_at_once,
    what_is_wrong_is_said,
    a_new_certificate_holds_for_new_connections,
    clients_show_who_they_are,
    a_tls_handshake_is_a_handshake,
];

#[test]
fn files_are_read_again() {
    let dir = std::env::temp_dir().join(format!("bowline-tls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (chain, key) = (dir.join("chain.pem"), dir.join("key.pem"));
    let missing = ServerTls::from_pem_files(&chain, &key).unwrap_err().to_string();
    assert!(missing.contains("chain.pem") && missing.contains("cannot read"), "{missing}");
    let authority = Authority::new();
    let write = |pair: &Pair| {
        std::fs::write(&chain, &pair.chain).unwrap();
        std::fs::write(&key, &pair.key).unwrap();
    };
    write(&authority.for_server());
    let tls = ServerTls::from_pem_files(&chain, &key).unwrap();
    write(&authority.for_server());
    tls.reload().unwrap();
    std::fs::write(&key, authority.for_server().key).unwrap();
    let why = tls.reload().unwrap_err().to_string();
    assert!(why.contains("key.pem` is not the key of the first certificate in") && why.contains("stays in use"), "{why}");
    std::fs::remove_dir_all(&dir).unwrap();
}
