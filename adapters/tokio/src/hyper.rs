use crate::TokioRuntime;
use bowline::http::{Request, Response};
use bowline::{Acceptor, BoxStream};
use hyper_util::rt::TokioIo;
use std::io;
use std::net::SocketAddr;
use tokio_util::compat::TokioAsyncReadCompatExt;

#[doc = include_str!("upgrade.md")]
pub fn upgrade<B>(acceptor: &Acceptor<TokioRuntime>, request: &mut Request<B>, peer: Option<SocketAddr>) -> Response<String> {
    let upgraded = hyper::upgrade::on(&mut *request);
    acceptor.upgrade(request, peer, async {
        let upgraded = upgraded.await.map_err(io::Error::other)?;
        Ok(Box::new(TokioIo::new(upgraded).compat()) as BoxStream)
    })
}
