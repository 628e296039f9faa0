//! What fastwebsockets costs with nothing on top.

use anyhow::Result;
use fastwebsockets::{Frame, OpCode, Role, WebSocket};

pub(super) async fn serve() -> Result<()> {
    super::accept(|mut stream| async move {
        super::upgrade(&mut stream).await?;
        let mut socket = WebSocket::after_handshake(stream, Role::Server);
        socket.set_auto_close(true);
        socket.set_auto_pong(true);
        loop {
            let frame = socket.read_frame().await?;
            match frame.opcode {
                OpCode::Text => socket.write_frame(Frame::text(frame.payload)).await?,
                OpCode::Close => return Ok(()),
                OpCode::Continuation | OpCode::Binary | OpCode::Ping | OpCode::Pong => {}
            }
        }
    })
    .await
}
