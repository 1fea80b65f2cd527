//! docs/errors.md is generated from the table of codes.

use std::fmt::Write as _;

use im_proto::ErrorCode;

fn rendered() -> String {
    let mut text = "# Errors\n\nGenerated from `proto/src/error.rs` by a test (`GOCHAT_WRITE=1 cargo nextest run -p im-proto`); do not edit.\n\n\
        An error has a stable `code`, an English `message` that says what to do, `params`, and `retry_after_ms` where waiting\n\
        helps. Over HTTP it is a problem body (RFC 9457) with the status below; over WebSocket an `error` frame, or the close\n\
        code below where the connection ends; between services the gRPC code, with the error in the status's details.\n\n\
        | code | HTTP | gRPC | close | again | what to do |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for code in ErrorCode::ALL {
        let close = code.close().map_or_else(String::new, |close| close.to_string());
        let again = if code.retryable() { "yes" } else { "" };
        let _ = writeln!(
            text,
            "| `{code}` | {} | {:?} | {close} | {again} | {} |",
            code.http(),
            code.grpc(),
            code.message()
        );
    }
    text
}

#[test]
fn the_documentation_of_errors_is_the_table() {
    let path = super::root().join("../docs/errors.md");
    if super::writing() {
        std::fs::write(&path, rendered()).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(held, rendered(), "run: GOCHAT_WRITE=1 cargo nextest run -p im-proto");
}
