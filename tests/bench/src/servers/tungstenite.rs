//! What tokio-tungstenite costs with nothing on top.

use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Its default of 128 KiB is zeroed for each read.
const READ_BYTES: usize = 8 * 1024;

pub(super) async fn serve() -> Result<()> {
    super::accept(async |stream| {
        let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
        let mut socket = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await?;
        while let Some(message) = socket.next().await {
            let message = message?;
            if message.is_text() {
                socket.send(message).await?;
            }
        }
        Ok(())
    })
    .await
}
