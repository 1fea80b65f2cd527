//! Compiles `proto/` without protoc, and gives the client's packages their JSON form.
use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: &[&str] = &[
    "im/common/v1/common.proto",
    "im/auth/v1/auth.proto",
    "im/user/v1/user.proto",
    "im/message/v1/message.proto",
    "im/group/v1/group.proto",
    "im/conversation/v1/conversation.proto",
    "im/mq/v1/mq.proto",
    "im/repo/v1/repo.proto",
    "im/client/v1/client.proto",
];
/// What clients see has a JSON form; the store and the topics do not.
const JSON: &[&str] = &[
    ".im.common.v1",
    ".im.auth.v1",
    ".im.user.v1",
    ".im.message.v1",
    ".im.group.v1",
    ".im.conversation.v1",
    ".im.client.v1",
];

// A build script has no configuration but cargo's variables.
#[allow(clippy::disallowed_methods)]
fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, [&root])?;
    let bytes = descriptors.encode_to_vec();
    fs::write(out.join("descriptors.bin"), &bytes)?;
    // `bytes::Bytes` for everything that is only carried through.
    tonic_prost_build::configure().bytes(".im").compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&bytes)?
        .preserve_proto_field_names()
        .ignore_unknown_fields()
        .build(JSON)?;
    Ok(())
}
