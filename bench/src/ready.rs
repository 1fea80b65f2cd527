//! The line with which a process says that it is ready, where its log is JSON.

use serde_json::Value;

/// Where a process that is ready is reached: host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// By clients; empty where none may come.
    pub address: String,
    /// By operators.
    pub operators: String,
}

impl Ready {
    /// None if a line says anything else.
    ///
    /// ```
    /// use im_bench::ready::Ready;
    ///
    /// let line = r#"{"message":"ready","address":"https://127.0.0.1:1","operators":"http://127.0.0.1:2"}"#;
    /// let ready = Ready { address: "127.0.0.1:1".into(), operators: "127.0.0.1:2".into() };
    /// assert_eq!(Ready::of_line(line), Some(ready));
    /// assert_eq!(Ready::of_line(r#"{"message":"almost ready"}"#), None);
    /// assert_eq!(Ready::of_line("no JSON"), None);
    /// ```
    pub fn of_line(line: &str) -> Option<Self> {
        let told: Value = serde_json::from_str(line).ok()?;
        let place = |key: &str| {
            let url = told[key].as_str().unwrap_or_default();
            url.split_once("://").map_or(url, |(_, place)| place).to_owned()
        };
        (told["message"] == "ready").then(|| Self { address: place("address"), operators: place("operators") })
    }
}
