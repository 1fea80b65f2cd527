//! The admin port: `/healthz`, `/readyz`, `/metrics`, `/config`, `/log-level`. Bound to loopback unless told otherwise.

use std::{net::SocketAddr, sync::Arc};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::{Lifecycle, Readiness};
use crate::telemetry::Telemetry;

/// Where operators ask.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdminOptions {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
}

/// The admin port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("admin port {address}: {source}")]
pub struct AdminError {
    address: SocketAddr,
    source: std::io::Error,
}

struct Admin {
    readiness: Readiness,
    telemetry: Telemetry,
    config: serde_json::Value,
}

/// Serves the admin port until the process stops; answers the address it took. `config` is shown as it is: secrets masked.
///
/// # Errors
/// If the address cannot be bound.
pub async fn serve_admin(
    options: &AdminOptions,
    life: &Lifecycle,
    readiness: Readiness,
    telemetry: Telemetry,
    config: serde_json::Value,
) -> Result<SocketAddr, AdminError> {
    let failed = |source| AdminError { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let admin = Arc::new(Admin { readiness, telemetry, config });
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/config", get(|State(admin): State<Arc<Admin>>| async move { Json(admin.config.clone()) }))
        .route("/log-level", get(|State(a): State<Arc<Admin>>| async move { a.telemetry.level() }).put(set_level))
        .with_state(admin);
    let stopping = life.stopping();
    life.spawn("admin", async move {
        axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned()).await
    });
    Ok(address)
}

async fn readyz(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    let missing = admin.readiness.missing();
    if missing.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", ")))
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    admin.telemetry.metrics_text().map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

async fn set_level(State(admin): State<Arc<Admin>>, body: String) -> impl IntoResponse {
    match admin.telemetry.set_level(body.trim()) {
        Ok(()) => (StatusCode::OK, format!("{}\n", body.trim())),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}
