//! In the place of TLS, in a build without it: what there is nothing of.

use crate::connection::ConnectError;
use crate::runtime::BoxStream;
use std::io;
use std::sync::Arc;

#[derive(Clone)]
pub(crate) enum ServerTls {}

impl ServerTls {
    pub(crate) async fn accept(&self, _: BoxStream) -> io::Result<(BoxStream, Option<Arc<[u8]>>)> {
        match *self {}
    }
}

/// Has braces so that whoever makes one need not know in which build it is: clippy refuses `default()` of a unit.
#[derive(Default)]
pub(crate) struct ClientTls {}

impl ClientTls {
    pub(crate) fn connector(self, _: &str) -> Result<Connector, ConnectError> {
        Err(ConnectError::InvalidUrl("wss:// needs TLS, which is the feature `tls` of bowline-tokio and bowline-smol".into()))
    }
}

pub(crate) enum Connector {}

impl Connector {
    pub(crate) async fn connect(&self, _: BoxStream) -> Result<BoxStream, ConnectError> {
        match *self {}
    }
}

pub(crate) fn blame(error: ConnectError) -> ConnectError {
    error
}
