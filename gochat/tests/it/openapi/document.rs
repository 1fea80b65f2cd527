//! The document, and whether a value is what one of its schemas says.

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;
use serde_json::{Map, Value};

/// Keywords that say something to people alone.
const ANNOTATIONS: [&str; 5] = ["description", "examples", "example", "default", "contentEncoding"];

/// `docs/api/openapi.json`.
pub(super) struct Document(pub(super) Value);

/// A method on a path.
#[derive(Clone, Copy)]
pub(super) struct Operation<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) value: &'a Value,
}

impl Operation<'_> {
    pub(super) fn id(&self) -> &str {
        self.value["operationId"].as_str().expect("every operation has an id")
    }

    pub(super) fn needs_token(&self) -> bool {
        self.value["security"].is_null()
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        let (template, path): (Vec<_>, Vec<_>) = (self.path.split('/').collect(), path.split('/').collect());
        let same = |(part, given): (&&str, &&str)| part.starts_with('{') || part == given;
        self.method == method && template.len() == path.len() && template.iter().zip(&path).all(same)
    }
}

impl Document {
    pub(super) fn file() -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/api/openapi.json");
        fs::read_to_string(path).unwrap()
    }

    pub(super) fn read() -> Self {
        Self(serde_json::from_str(&Self::file()).unwrap())
    }

    pub(super) fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().iter();
                methods.map(move |(method, value)| Operation { method, path, value })
            })
            .collect()
    }

    /// The operation of a request; `/members/me` is not `/members/{user_id}`.
    pub(super) fn operation(&self, method: &str, path: &str) -> Operation<'_> {
        let path = path.split('?').next().unwrap_or_default();
        let fitting = self.operations().into_iter().filter(|operation| operation.fits(method, path));
        let parts = |operation: &Operation<'_>| operation.path.matches('{').count();
        fitting.min_by_key(parts).unwrap_or_else(|| panic!("{method} {path} is not in the document"))
    }

    /// What a reference leads to, or the value itself.
    pub(super) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            None => value,
            Some(to) => self.0.pointer(to.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{to} leads nowhere")),
        }
    }

    pub(super) fn schema(&self, name: &str) -> &Value {
        let schema = &self.0["components"]["schemas"][name];
        assert!(schema.is_object(), "{name} is not in the document");
        schema
    }

    pub(super) fn parameters<'a>(&'a self, operation: &Operation<'a>) -> Vec<&'a Value> {
        operation.value["parameters"].as_array().into_iter().flatten().map(|one| self.resolve(one)).collect()
    }

    /// Schema of an operation's request body, if it has one.
    pub(super) fn request<'a>(&'a self, operation: &Operation<'a>) -> Option<&'a Value> {
        operation.value.pointer("/requestBody/content/application~1json/schema")
    }

    /// Content type and schema of an answer; none if it has no body.
    pub(super) fn answer<'a>(&'a self, operation: &Operation<'a>, status: u16) -> Option<(&'a str, &'a Value)> {
        let response = &operation.value["responses"][status.to_string()];
        assert!(response.is_object(), "{} does not document {status}", operation.id());
        let content = self.resolve(response).get("content")?.as_object().unwrap();
        let (kind, media) = content.iter().next().unwrap();
        Some((kind.as_str(), &media["schema"]))
    }

    /// The error codes that an operation documents, with their status.
    pub(super) fn errors<'a>(&'a self, operation: &Operation<'a>) -> BTreeSet<(u16, &'a str)> {
        let responses = operation.value["responses"].as_object().unwrap().iter();
        let statuses = responses.map(|(status, _)| status.parse::<u16>().unwrap()).filter(|status| *status >= 400);
        statuses
            .flat_map(|status| {
                let (kind, schema) = self.answer(operation, status).expect("an error has a body");
                assert_eq!(kind, "application/problem+json");
                let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array().unwrap();
                codes.iter().map(move |code| (status, code.as_str().unwrap()))
            })
            .collect()
    }

    /// Asserts that a value is what a schema says, and has no field that the schema does not name.
    pub(super) fn check(&self, schema: &Value, value: &Value, at: &str) {
        for (keyword, said) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "$ref" => self.check(self.resolve(schema), value, at),
                "allOf" => said.as_array().unwrap().iter().for_each(|one| self.check(one, value, at)),
                "type" | "format" | "pattern" | "enum" | "minLength" | "maxLength" | "minimum" | "maximum" => {
                    assert!(is(keyword, said, value), "{at}: {keyword} {said} is not kept by {value}");
                }
                "required" => {
                    for name in said.as_array().unwrap() {
                        assert!(value.get(name.as_str().unwrap()).is_some(), "{at} lacks {name}: {value}");
                    }
                }
                "minProperties" => assert!(count(value) >= said.as_u64().unwrap(), "{at}: {value}"),
                "maxProperties" => assert!(count(value) <= said.as_u64().unwrap(), "{at}: {value}"),
                "items" => {
                    for (number, item) in value.as_array().unwrap().iter().enumerate() {
                        self.check(said, item, &format!("{at}[{number}]"));
                    }
                }
                "properties" => self.check_fields(schema, said.as_object().unwrap(), (value, at)),
                "additionalProperties" => {
                    value.as_object().unwrap().iter().for_each(|(name, one)| self.check(said, one, name));
                }
                other => {
                    assert!(ANNOTATIONS.contains(&other), "{at}: {other} is a keyword that this test does not know");
                }
            }
        }
    }

    fn check_fields(&self, schema: &Value, fields: &Map<String, Value>, (value, at): (&Value, &str)) {
        for (name, one) in value.as_object().unwrap() {
            match fields.get(name) {
                Some(field) => self.check(field, one, &format!("{at}.{name}")),
                // A part of `allOf` names only what it adds.
                None => assert!(schema.get("type").is_none(), "{at}.{name} is not documented: {one}"),
            }
        }
    }
}

fn count(value: &Value) -> u64 {
    value.as_object().unwrap().len() as u64
}

fn is(keyword: &str, said: &Value, value: &Value) -> bool {
    let chars = || value.as_str().unwrap().chars().count() as u64;
    match (keyword, said.as_str().unwrap_or_default()) {
        ("type", "string") => value.is_string(),
        ("type", "integer") => value.is_i64(),
        ("type", "boolean") => value.is_boolean(),
        ("type", "array") => value.is_array(),
        ("type", "object") => value.is_object(),
        ("format", "int64") => value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()),
        ("pattern", pattern) => Regex::new(pattern).unwrap().is_match(value.as_str().unwrap()),
        ("enum", _) => said.as_array().unwrap().contains(value),
        ("minLength", _) => chars() >= said.as_u64().unwrap(),
        ("maxLength", _) => chars() <= said.as_u64().unwrap(),
        ("minimum", _) => value.as_i64() >= said.as_i64(),
        ("maximum", _) => value.as_i64() <= said.as_i64(),
        (keyword, said) => panic!("{keyword} {said} is unknown"),
    }
}
