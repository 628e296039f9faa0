//! jsonrpsee, as its users write it, with room for as many connections as are measured.

use super::ANY_PORT;
use anyhow::Result;
use jsonrpsee::RpcModule;
use jsonrpsee::server::{Server, ServerConfig};
use serde_json::value::RawValue;

pub(super) async fn serve() -> Result<()> {
    let config = ServerConfig::builder().max_connections(65_536).build();
    let server = Server::builder().set_config(config).build(ANY_PORT).await?;
    super::say(server.local_addr()?);
    let mut module = RpcModule::new(());
    module.register_method("echo", |params, (), _| params.parse::<Box<RawValue>>())?;
    module.register_async_method("slow", async |params, _, _| {
        tokio::time::sleep(super::SLOW).await;
        params.parse::<Box<RawValue>>()
    })?;
    server.start(module).stopped().await;
    Ok(())
}
