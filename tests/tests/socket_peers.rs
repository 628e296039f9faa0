//! Our client against a server that is not ours: jsonrpsee, plain JSON-RPC 2.0 without sessions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the failure")]

use ::tokio::runtime::{Builder, Runtime as Tokio};
use bowline::{CallError, ConnectionEvent, Dialect, Runtime};
use bowline_tests::sockets::{Proxy, Rig, soon, wait_for};
use futures_util::future;
use jsonrpsee::RpcModule;
use jsonrpsee::server::Server;
use jsonrpsee::types::ErrorObjectOwned;
use std::net::SocketAddr;

/// It needs tokio, whatever our client runs on: dropping the second ends it.
fn start() -> (SocketAddr, Tokio) {
    let mut module = RpcModule::new(());
    module
        .register_method("double", |params, (), _| -> Result<u64, ErrorObjectOwned> {
            let number: u64 = params.one()?;
            Ok(2 * number)
        })
        .unwrap();
    module
        .register_method("fail", |_, (), _| -> Result<(), ErrorObjectOwned> { Err(ErrorObjectOwned::owned(7, "seven", Some("data"))) })
        .unwrap();
    let tokio = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = tokio.block_on(Server::builder().build("127.0.0.1:0")).unwrap();
    let address = server.local_addr().unwrap();
    let inside = tokio.enter();
    tokio.spawn(server.start(module).stopped());
    drop(inside);
    (address, tokio)
}

async fn a_plain_server_is_called_without_a_session(runtime: impl Runtime) {
    let (address, _server) = start();
    let client = runtime.client(&format!("ws://{address}/")).dialect(Dialect::Strict).connect().await.unwrap();
    assert_eq!(client.session_id(), None);
    assert_eq!(client.call::<u64>("double", [21]).await, Ok(42));
    client.notify("double", [1]).await.unwrap();
    let Err(CallError::Peer(error)) = client.call::<()>("fail", ()).await else { panic!("no error") };
    assert_eq!((error.code, &*error.message, error.data.unwrap().as_str()), (7, "seven", "\"data\""));
    assert!(matches!(client.call::<u64>("nothing", ()).await, Err(CallError::Peer(error)) if error.code == -32601));
    assert!(matches!(client.call::<u64>("double", ["x"]).await, Err(CallError::Peer(error)) if error.code == -32602));
    let answers: Vec<u64> = soon(future::try_join_all((0..1000_u64).map(|number| client.call("double", [number])))).await.unwrap();
    assert_eq!(answers, (0..1000).map(|number| 2 * number).collect::<Vec<_>>());
    soon(client.close()).await;
}

async fn after_a_cut_a_plain_server_is_called_again(runtime: impl Runtime) {
    let (address, _server) = start();
    let proxy = Proxy::new(address).unwrap();
    let client = runtime.client(&proxy.url("/")).dialect(Dialect::Strict).connect().await.unwrap();
    let mut events = client.events();
    for number in 0..3 {
        assert_eq!(client.call::<u64>("double", [number]).await, Ok(2 * number));
        assert_eq!(proxy.cut(), 1);
        wait_for(&mut events, |event| matches!(event, ConnectionEvent::Reconnected(_))).await;
    }
    assert_eq!(client.call::<u64>("double", [5]).await, Ok(10));
}

bowline_tests::both![a_plain_server_is_called_without_a_session, after_a_cut_a_plain_server_is_called_again,];
