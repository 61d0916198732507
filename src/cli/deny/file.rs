//! A file that is replaced as a whole, by one run at a time.

use anyhow::Context as _;
use cognito_authorizer::deny_list::DenyList;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// A file that nobody else replaces meanwhile.
pub(super) struct Replacement {
    path: PathBuf,
    text: Option<Vec<u8>>,
    /// Its folder, locked: the file itself is another one after each run. The system opens the lock
    /// when the process ends, however it ends.
    folder: File,
}

impl Replacement {
    /// Waits until no other run has the file, and reads it.
    pub(super) fn of(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        anyhow::ensure!(
            path != Path::new("-"),
            "found - for FILE; expected a file, which is replaced as a whole"
        );
        // What a link leads to is replaced, not the link.
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
            Err(error) => return Err(error).context(name),
        };
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let folder = File::open(folder).with_context(|| folder.display().to_string())?;
        flock(&folder, FlockOperation::LockExclusive).with_context(|| name.clone())?;
        let text = match File::open(&path) {
            Ok(file) => {
                let mut text = Vec::new();
                // One byte more than a list may have: what is longer is refused by its reader.
                let limit = u64::try_from(DenyList::MAX_BYTES).unwrap_or(u64::MAX);
                let mut file = file.take(limit.saturating_add(1));
                file.read_to_end(&mut text).with_context(|| name.clone())?;
                Some(text)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).context(name),
        };
        Ok(Self { path, text, folder })
    }

    /// What is in it; `None` if there is no such file.
    pub(super) fn text(&self) -> Option<&[u8]> {
        self.text.as_deref()
    }

    /// Puts another text in its place. Whoever reads the file sees the old one or the new one, also
    /// if the machine stops in the middle.
    pub(super) fn write(self, text: &[u8]) -> anyhow::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let beside = self
            .path
            .with_file_name(format!(".{name}.{}", std::process::id()));
        let written = self.write_beside(&beside, text);
        let replaced = written.and_then(|()| std::fs::rename(&beside, &self.path));
        if replaced.is_err() {
            // What is left of it is in nobody's way.
            let _ = std::fs::remove_file(&beside);
        }
        replaced.with_context(|| self.path.display().to_string())?;
        // Some file systems do not do this for folders; the file is there all the same.
        let _ = self.folder.sync_all();
        Ok(())
    }

    fn write_beside(&self, path: &Path, text: &[u8]) -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        if self.text.is_some() {
            // Whoever may read the old one may read the new one.
            file.set_permissions(std::fs::metadata(&self.path)?.permissions())?;
        }
        file.write_all(text)?;
        file.sync_all()
    }
}
