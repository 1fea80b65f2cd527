//! Which programs were measured: a version number does not tell two builds apart.

use std::{
    env, fs,
    hash::{DefaultHasher, Hasher as _},
    path::Path,
};

use anyhow::Context as _;

use crate::target::{Site, TargetName};

/// 16 hexadecimal digits over the content of this program and, where a target is started here, of gochat.
pub(super) async fn build_of(targets: &[TargetName], site: &Site) -> anyhow::Result<String> {
    let mut hasher = DefaultHasher::new();
    add(&mut hasher, &env::current_exe().context("where is this program?")?)?;
    if targets.iter().any(|target| !matches!(target, TargetName::Url(_))) {
        add(&mut hasher, &site.gochat().await?)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(hasher: &mut DefaultHasher, path: &Path) -> anyhow::Result<()> {
    hasher.write(&fs::read(path).with_context(|| format!("cannot read {}", path.display()))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_content_is_another_build() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        let of = |content: &str| {
            fs::write(&path, content).unwrap();
            let mut hasher = DefaultHasher::new();
            add(&mut hasher, &path).unwrap();
            hasher.finish()
        };
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
    }
}
