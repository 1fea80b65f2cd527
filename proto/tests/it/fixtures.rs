//! Bytes and JSON that were written once decode for ever, to the same.

use std::{fmt::Debug, fs};

use prost::Message;
use serde::{Serialize, de::DeserializeOwned};

use super::{root, samples, writing};

fn bytes<M: Message + Default + PartialEq + Debug>(name: &str, sample: &M) {
    let path = root().join(format!("fixtures/{name}.bin"));
    if writing() && !path.exists() {
        fs::write(&path, sample.encode_to_vec()).unwrap();
    }
    let held = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(&M::decode(&held[..]).unwrap(), sample, "{name}");
}

fn json<M: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, sample: &M) {
    let path = root().join(format!("fixtures/{name}.json"));
    if writing() && !path.exists() {
        fs::write(&path, serde_json::to_string_pretty(sample).unwrap() + "\n").unwrap();
    }
    let held = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(&serde_json::from_str::<M>(&held).unwrap(), sample, "{name}");
    // Whoever speaks to us may know more than we do.
    let more = held.replacen('{', "{\"brand_new\": {\"x\": [1]},", 1);
    assert_eq!(&serde_json::from_str::<M>(&more).unwrap(), sample, "{name} with an unknown field");
}

#[test]
fn what_lies_in_topics_decodes_for_ever() {
    for (name, sample) in samples::upstream() {
        bytes(&format!("upstream-{name}"), &sample);
    }
    bytes("downstream", &samples::downstream());
    bytes("downstream-hashed", &samples::downstream_hashed());
    bytes("downstream-large", &samples::downstream_of_large());
    for (name, sample) in samples::tasks() {
        bytes(&format!("task-{name}"), &sample);
    }
    bytes("dead", &samples::dead());
}

#[test]
fn what_lies_in_the_store_decodes_for_ever() {
    for (name, sample) in samples::bodies() {
        bytes(&format!("body-{name}"), &sample);
    }
}

#[test]
fn what_clients_speak_decodes_for_ever_in_both_encodings() {
    for (name, sample) in samples::client_frames() {
        bytes(&format!("client-{name}"), &sample);
        json(&format!("client-{name}"), &sample);
    }
    for (name, sample) in samples::server_frames() {
        bytes(&format!("server-{name}"), &sample);
        json(&format!("server-{name}"), &sample);
    }
    json("tokens", &samples::tokens());
}
