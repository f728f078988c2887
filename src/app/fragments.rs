//! Accounts that were set up on a page: one file each beside the configuration, with its secrets in files
//! of their own, read and checked like the configuration itself.
//!
//! A file holds one `[[pbx]]` as the configuration would, and its name is the account's. It is written by
//! a serializer from values that have been checked, never by putting text together; secrets go into files
//! that only we may read, and no page reads them back.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{
    config::{self, ENV_PREFIX, Loaded, Problem, Problems},
    web::configuration::NewAccount,
};

/// Where such accounts are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The folder; empty: pages set up no accounts.
    pub folder: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            folder: "accounts.d".into(),
        }
    }
}

impl Settings {
    /// The files of the accounts, without their secrets. A folder that is not there holds none.
    pub fn files(&self) -> io::Result<Vec<PathBuf>> {
        if self.folder.as_os_str().is_empty() {
            return Ok(Vec::new());
        }
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut files = paths.collect::<io::Result<Vec<_>>>()?;
        files.retain(|path| path.extension().is_some_and(|ending| ending == ENDING));
        files.sort();
        Ok(files)
    }
}

/// What may stand in such a file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fragment {
    pbx: Vec<Table>,
}

const ENDING: &str = "toml";

/// Adds the accounts of the folder to what was read.
pub(super) fn add(
    loaded: &mut Loaded<super::settings::Settings>,
    env: &[(String, String)],
) -> Result<(), Problems> {
    let accounts = &loaded.settings.accounts;
    let files = accounts.files();
    let files = files.map_err(|error| unreadable(&accounts.folder, &error))?;
    // Keys of the whole configuration mean nothing in a part of it.
    let env = || {
        let other = env.iter().filter(|(name, _)| !name.starts_with(ENV_PREFIX));
        other.cloned()
    };
    for path in files {
        let part: Loaded<Fragment> = config::load(Some(&path), env())?;
        let named = |problem: Problem| Problem {
            key: format!("{}: {}", path.display(), problem.key),
            text: problem.text,
        };
        loaded.problems.extend(part.problems.into_iter().map(named));
        loaded.secrets.extend(part.secrets);
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        match part.settings.pbx.as_slice() {
            [table] if table.get("name").and_then(Value::as_str) == stem => {
                loaded.settings.pbx.push(table.clone());
            }
            _ => loaded.problems.push(Problem {
                key: path.display().to_string(),
                text: "must hold one [[pbx]] whose name is the file's".to_owned(),
            }),
        }
        if let (Some(Value::Array(shown)), Some(Value::Array(all))) =
            (part.shown.get("pbx"), loaded.shown.get_mut("pbx"))
        {
            all.extend(shown.iter().cloned());
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Problems {
    Problems(vec![Problem {
        key: path.display().to_string(),
        text: format!("cannot be read: {error}"),
    }])
}

/// The files of one account.
pub(super) struct Written(Vec<PathBuf>);

impl Written {
    /// Takes them away again.
    pub(super) fn undo(&self) {
        for path in &self.0 {
            if let Err(error) = fs::remove_file(path) {
                tracing::warn!(path = %path.display(), %error, "a file could not be taken away");
            }
        }
    }
}

/// Writes the files of a new account; none of them may be there already.
pub(super) fn write(folder: &Path, account: &NewAccount) -> io::Result<Written> {
    let mut written = Written(Vec::new());
    match try_write(folder, account, &mut written) {
        Ok(()) => Ok(written),
        Err(error) => {
            written.undo();
            Err(error)
        }
    }
}

fn try_write(folder: &Path, account: &NewAccount, written: &mut Written) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let folder = folder.canonicalize()?;
    let name = account.name.as_str();
    let mut table = Table::new();
    table.insert("name".to_owned(), Value::from(name));
    table.insert("type".to_owned(), Value::from(account.kind));
    for (key, value) in &account.values {
        table.insert((*key).to_owned(), value.clone());
    }
    for (key, secret) in &account.secrets {
        let path = folder.join(format!("{name}.{key}"));
        keep(&path, secret, written)?;
        let reference = format!("file:{}", path.display());
        table.insert((*key).to_owned(), Value::from(reference));
    }
    let fragment = Fragment { pbx: vec![table] };
    let text = toml::to_string(&fragment).map_err(io::Error::other)?;
    keep(&folder.join(format!("{name}.{ENDING}")), &text, written)?;
    fs::File::open(&folder)?.sync_all()
}

/// A new file that only we may read.
fn keep(path: &Path, text: &str, written: &mut Written) -> io::Result<()> {
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    written.0.push(path.to_owned());
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::app::settings::{self, Settings as All};

    fn account(name: &str, user: &str) -> NewAccount {
        NewAccount {
            name: name.into(),
            kind: "asterisk",
            values: vec![
                ("address", Value::from("10.0.0.5:5038")),
                ("user", Value::from(user)),
            ],
            secrets: vec![("secret", "elm-secret\"\n[x]".to_owned())],
        }
    }

    #[test]
    fn what_was_written_is_read_as_it_was_meant() {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        let kept = folder.join("accounts.d");
        // Whatever gets past the checks of a page stays one value of one key.
        let odd = "a\"\n[server]\nlisten = \"0.0.0.0:1\"\n#";
        let written = write(&kept, &account("office", odd)).unwrap();
        for path in &written.0 {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
        let text = fs::read_to_string(kept.join("office.toml")).unwrap();
        assert!(!text.contains("elm-secret"), "{text}");
        let file = folder.join("ringcard.toml");
        fs::write(
            &file,
            format!("accounts.folder = {:?}\n", kept.display().to_string()),
        )
        .unwrap();
        let loaded = settings::load(Some(&file), Vec::new()).unwrap();
        assert_eq!(loaded.problems, []);
        assert_eq!(loaded.settings.server, All::default().server);
        let table = &loaded.settings.pbx[0];
        assert_eq!(table["user"].as_str(), Some(odd));
        assert_eq!(table["secret"].as_str(), Some("elm-secret\"\n[x]"));
        assert_eq!(loaded.secrets[0].expose(), "elm-secret\"\n[x]");

        // Nothing is written over, and a failure leaves nothing behind.
        assert!(write(&kept, &account("office", "b")).is_err());
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 2);
        // A file under another name, or with something else in it, is a problem.
        fs::rename(kept.join("office.toml"), kept.join("other.toml")).unwrap();
        fs::write(kept.join("more.toml"), "[server]\nlisten = \"0.0.0.0:1\"\n").unwrap();
        let loaded = settings::load(Some(&file), Vec::new()).unwrap();
        let told: Vec<&str> = loaded.problems.iter().map(|one| one.key.as_str()).collect();
        assert!(
            told.iter().any(|key| key.ends_with("other.toml")),
            "{told:?}"
        );
        assert!(
            told.iter().any(|key| key.ends_with("more.toml: server")),
            "{told:?}"
        );
        assert!(loaded.settings.pbx.is_empty());
        written.undo();
        fs::remove_dir_all(folder).unwrap();
    }
}
