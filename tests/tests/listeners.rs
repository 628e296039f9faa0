//! One set of sessions behind several listeners.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use bowline::{Address, ErrorObject, Router, Runtime};
use bowline_tests::sockets::{PATIENCE, Peer, Rig, soon};
use serde_json::json;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A directory that goes with the test.
struct Dir(PathBuf);

impl Dir {
    fn new<R>(name: &str) -> Self {
        let runtime = std::any::type_name::<R>().rsplit(':').next().unwrap();
        let path = std::env::temp_dir().join(format!("bowline-{name}-{runtime}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn over_unix(path: &Path) -> Peer<UnixStream> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Peer::over(stream, "/")
}

async fn a_session_goes_from_one_listener_to_another_and_all_stop_together<R: Runtime>(runtime: R) {
    let dir = Dir::new::<R>("listeners");
    let path = dir.0.join("rpc.sock");
    let router = Router::new().method("echo", async |text: String| Ok::<_, ErrorObject>(text));
    let server = runtime.server().path("/", router).bind("127.0.0.1:0").await.unwrap();
    let server = server.bind(&format!("unix:{}", path.display())).await.unwrap().bind("127.0.0.1:0").await.unwrap();
    let addresses: Vec<Address> = server.addresses().cloned().collect();
    assert_eq!((server.local_addr(), addresses[1].unix()), (&addresses[0], Some(path.as_path())));
    let (first, last) = (addresses[0].tcp().unwrap(), addresses[2].tcp().unwrap());
    let handle = server.handle();
    let serving = runtime.start(server.serve());

    let mut peer = Peer::connect(first, "/");
    let session = peer.greet();
    let mut moved = over_unix(&path);
    assert_eq!(moved.resume(&session)["result"]["sessionId"], json!(session));
    assert_eq!(peer.closed().unwrap().0, 4104);
    assert_eq!(moved.call("echo", &json!({ "value": "over unix" }))["result"]["value"], "over unix");
    let mut back = Peer::connect(last, "/");
    assert_eq!(back.resume(&session)["result"]["sessionId"], json!(session));
    assert_eq!(moved.closed().unwrap().0, 4104);
    drop((peer, moved));

    let stopping = runtime.start(async move { handle.shutdown(Duration::from_secs(5)).await });
    assert_eq!(back.closed().unwrap().0, 1001);
    drop(back);
    soon(stopping).await;
    soon(serving).await;
    assert!(!path.exists() && UnixStream::connect(&path).is_err() && std::net::TcpStream::connect(last).is_err());
}

async fn a_socket_in_use_is_refused<R: Runtime>(runtime: R) {
    let dir = Dir::new::<R>("in-use");
    let address = format!("unix:{}", dir.0.join("rpc.sock").display());
    let server = runtime.server().bind(&address).await.unwrap();
    let refused = runtime.server().bind(&address).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse);
    drop(server);
    runtime.server().bind(&address).await.unwrap();
}

bowline_tests::both![a_session_goes_from_one_listener_to_another_and_all_stop_together, a_socket_in_use_is_refused];
