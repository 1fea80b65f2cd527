//! What a campaign has come to, for others to read: a document, and beside it every try in a line.

use std::{fs, io, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        fault::Subject,
        kept::{save, write},
    },
    document::document,
    summary::Summary,
    tries::{Try, read_tries},
};

const SUMMARY: &str = "summary.json";
/// In the order of their chapters.
const SUBJECTS: [Subject; 2] = [Subject::Processes, Subject::Standalone];

/// What is read of a summary, of whatever version.
#[derive(Deserialize)]
struct Wanted {
    wanted: usize,
}

/// A try.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    #[serde(flatten)]
    done: &'a Try,
}

/// Keeps the summary of a subject in the folder, and writes the document from all that the folder holds, of the other subject, too.
pub(super) fn publish(folder: &Path, out: &Path, (subject, summary): (Subject, &Summary)) -> anyhow::Result<()> {
    save(&folder.join(file_of(subject)), summary)?;
    let raw = out.with_extension("");
    fs::create_dir_all(&raw).with_context(|| format!("cannot make {}", raw.display()))?;
    let mut chapters = Vec::new();
    for subject in SUBJECTS {
        let Some(wanted) = wanted(folder, subject)? else { continue };
        let (tries, mut lines) = (read_tries(folder, subject)?, String::new());
        for tried in &tries {
            lines.push_str(&serde_json::to_string(&Line { name: &tried.name, done: &tried.done })?);
            lines.push('\n');
        }
        write(&raw.join(format!("{subject}.jsonl")), &lines)?;
        chapters.push((subject, Summary::of(wanted, &tries)));
    }
    let name = raw.file_name().unwrap_or_default().to_string_lossy();
    write(out, &document(&chapters, &name))
}

fn file_of(subject: Subject) -> String {
    format!("{subject}-{SUMMARY}")
}

/// Runs that the campaign wants of a subject; none if it has not begun with that.
fn wanted(folder: &Path, subject: Subject) -> anyhow::Result<Option<usize>> {
    let path = folder.join(file_of(subject));
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let Wanted { wanted } =
        serde_json::from_str(&text).with_context(|| format!("{} holds no summary", path.display()))?;
    Ok(Some(wanted))
}
