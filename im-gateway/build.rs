//! Embeds the page: a table of every file in `page/`.
use std::{env, error::Error, fs, path::PathBuf};

// A build script has no configuration but cargo's variables.
#[allow(clippy::disallowed_methods)]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("page");
    println!("cargo:rerun-if-changed=page");
    let mut files =
        fs::read_dir(&folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    let mut table = "&[\n".to_owned();
    for path in files.iter().filter(|path| path.is_file()) {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file name that is not UTF-8")?;
        // Found by the compiler from where the crate is then: checkouts that share a target folder share this table.
        let found = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/page/{name}\")");
        table.push_str(&format!("    ({name:?}, include_bytes!({found})),\n"));
    }
    table.push(']');
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("page.rs"), table)?;
    Ok(())
}
