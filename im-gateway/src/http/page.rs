//! The embedded pages, under a policy that lets them load nothing from elsewhere, and the description of the API that one of
//! them shows.

use std::{
    collections::HashMap,
    future::{Ready, ready},
};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use proto::ErrorCode;

use crate::error::Problem;

const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// The API for machines: OpenAPI 3.1.
const OPENAPI: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api/openapi.json"));

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(Clone)]
struct File {
    bytes: &'static [u8],
    kind: HeaderValue,
    tag: HeaderValue,
}

pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let files: HashMap<&str, File> = FILES.iter().map(|(name, bytes)| (*name, file(name, bytes))).collect();
    let [root, docs] = ["index.html", "docs.html"].map(|name| always(files.get(name).cloned()));
    let named = move |Path(name): Path<String>, headers: HeaderMap| async move { serve(files.get(&*name), &headers) };
    Router::new().route("/", get(root)).route("/docs", get(docs)).route("/{name}", get(named))
}

/// Answers with the description of the API.
pub(super) fn openapi() -> impl Fn(HeaderMap) -> Ready<Response> + Clone + Send + Sync + 'static {
    always(Some(file("openapi.json", OPENAPI)))
}

fn always(file: Option<File>) -> impl Fn(HeaderMap) -> Ready<Response> + Clone + Send + Sync + 'static {
    move |headers: HeaderMap| ready(serve(file.as_ref(), &headers))
}

fn file(name: &str, bytes: &'static [u8]) -> File {
    let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let hash = digest(&SHA256, bytes);
    let tag = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let tag = HeaderValue::try_from(format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("\"0\""));
    File { bytes, kind: HeaderValue::from_static(kind), tag }
}

fn serve(file: Option<&File>, headers: &HeaderMap) -> Response {
    let Some(file) = file else { return Problem::from(ErrorCode::NotFound).into_response() };
    let known = headers.get(header::IF_NONE_MATCH) == Some(&file.tag);
    let answered = [
        (header::CONTENT_TYPE, file.kind.clone()),
        (header::ETAG, file.tag.clone()),
        // Asked for again each time: after a deploy the new page shows at once.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    if known { (StatusCode::NOT_MODIFIED, answered).into_response() } else { (answered, file.bytes).into_response() }
}
