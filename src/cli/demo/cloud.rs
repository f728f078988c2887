//! What the demo's cloud answers when it is asked for its own records: there are none, because the simulator
//! tells every call by events. Everything else is refused.

use std::net::SocketAddr;

use anyhow::Result;
use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// Answers until it is dropped.
pub struct Cloud {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Cloud {
    /// Starts on a free port of this machine.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let records = Router::new()
            .route("/stats/calls/request/", post(ordered))
            .route("/stats/calls/result/", post(complete));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, records).await {
                tracing::warn!(%error, "the demo's cloud answers no more");
            }
        });
        Ok(Self { address, task })
    }

    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn ordered() -> Json<Value> {
    Json(json!({ "key": "demo" }))
}

async fn complete() -> Json<Value> {
    Json(json!({ "status": "complete", "data": [] }))
}
