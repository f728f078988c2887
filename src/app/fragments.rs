//! Accounts that were set up on a page: one file each beside the configuration, with its secrets in files
//! of their own, read and checked like the configuration itself.
//!
//! A file holds one `[[pbx]]` as the configuration would, and its name is the account's. It is written by
//! a serializer from values that have been checked, never by putting text together; secrets go into files
//! that only we may read, and no page reads them back. What is changed takes its file's place in one step;
//! what is removed is moved into the folder `removed` beside the others.

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
    web::configuration::{AccountChange, KeptAccount, NewAccount},
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
/// Where the files of removed accounts go; nothing in it is read.
const REMOVED: &str = "removed";

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

/// The table of an account as it was written, with references for secrets; `None`: there is no such file.
fn table(folder: &Path, name: &str) -> io::Result<Option<Table>> {
    let text = match fs::read_to_string(folder.join(format!("{name}.{ENDING}"))) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let fragment: Fragment = toml::from_str(&text).map_err(io::Error::other)?;
    Ok(fragment.pbx.into_iter().next())
}

/// An account that a page has set up.
pub(super) fn kept(folder: &Path, name: &str) -> io::Result<Option<KeptAccount>> {
    let Some(mut table) = table(folder, name)? else {
        return Ok(None);
    };
    table.remove("name");
    let kind = table.remove("type");
    let secrets: Vec<String> = table
        .keys()
        .filter(|key| config::is_secret(key))
        .cloned()
        .collect();
    table.retain(|key, _| !config::is_secret(key));
    Ok(Some(KeptAccount {
        kind: kind
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        values: table,
        secrets,
    }))
}

/// What files held before they were changed; `None`: there was none.
#[derive(Default)]
pub(super) struct Before(Vec<(PathBuf, Option<String>)>);

impl Before {
    /// Puts everything back.
    pub(super) fn undo(&self) {
        for (path, text) in self.0.iter().rev() {
            let back = match text {
                Some(text) => replace(path, text),
                None => fs::remove_file(path),
            };
            if let Err(error) = back {
                tracing::warn!(path = %path.display(), %error, "a file could not be put back");
            }
        }
    }

    /// Puts a text into a file, at once and whole, and remembers what was there.
    fn change(&mut self, path: PathBuf, text: &str) -> io::Result<()> {
        let was = match fs::read_to_string(&path) {
            Ok(was) => Some(was),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        replace(&path, text)?;
        self.0.push((path, was));
        Ok(())
    }
}

/// Whoever reads the file sees the old text or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new"); // not the ending of an account
    let beside = PathBuf::from(beside);
    // Left behind by somebody who was interrupted.
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut written = Written(Vec::new());
    let done = keep(&beside, text, &mut written).and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        written.undo();
    }
    done
}

/// Changes an account that a page has set up; `None`: there is none.
pub(super) fn change(folder: &Path, change: &AccountChange) -> io::Result<Option<Before>> {
    let name = change.name.as_str();
    let Some(mut table) = table(folder, name)? else {
        return Ok(None);
    };
    let folder = folder.canonicalize()?;
    for key in &change.cleared {
        table.remove(*key);
    }
    for (key, value) in &change.values {
        table.insert((*key).to_owned(), value.clone());
    }
    let mut before = Before::default();
    let done = change_files(&folder, change, table, &mut before);
    match done {
        Ok(()) => Ok(Some(before)),
        Err(error) => {
            before.undo();
            Err(error)
        }
    }
}

fn change_files(
    folder: &Path,
    change: &AccountChange,
    mut table: Table,
    before: &mut Before,
) -> io::Result<()> {
    let name = change.name.as_str();
    for (key, secret) in &change.secrets {
        let path = folder.join(format!("{name}.{key}"));
        let reference = format!("file:{}", path.display());
        before.change(path, secret)?;
        table.insert((*key).to_owned(), Value::from(reference));
    }
    let fragment = Fragment { pbx: vec![table] };
    let text = toml::to_string(&fragment).map_err(io::Error::other)?;
    before.change(folder.join(format!("{name}.{ENDING}")), &text)?;
    fs::File::open(folder)?.sync_all()
}

/// Files that were moved away: from where, and to where.
pub(super) struct Moved(Vec<(PathBuf, PathBuf)>);

impl Moved {
    /// Moves them back.
    pub(super) fn undo(&self) {
        for (from, to) in &self.0 {
            if let Err(error) = fs::rename(to, from) {
                tracing::warn!(path = %to.display(), %error, "a file could not be moved back");
            }
        }
    }
}

/// Moves the files of an account into a folder of their own, named after it and `moment`; `None`: there is
/// no such account.
pub(super) fn remove(folder: &Path, name: &str, moment: &str) -> io::Result<Option<Moved>> {
    let own = folder.join(format!("{name}.{ENDING}"));
    if !own.try_exists()? {
        return Ok(None);
    }
    let away = folder.join(REMOVED).join(format!("{name}-{moment}"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&away)?;
    // The account's own file goes first: whoever is interrupted leaves no account without its secrets.
    let mut paths = vec![own];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_its = path.file_stem().is_some_and(|stem| stem == name);
        if is_its && path.is_file() && !paths.contains(&path) {
            paths.push(path);
        }
    }
    let mut moved = Moved(Vec::new());
    for from in paths {
        let to = away.join(from.file_name().unwrap_or_default());
        if let Err(error) = fs::rename(&from, &to) {
            moved.undo();
            return Err(error);
        }
        moved.0.push((from, to));
    }
    fs::File::open(folder)?.sync_all()?;
    Ok(Some(moved))
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

        // What a page may know of it: no secret, and no reference to one.
        let known = super::kept(&kept, "office").unwrap().unwrap();
        assert_eq!(known.kind, "asterisk");
        assert_eq!(known.secrets, ["secret"]);
        assert_eq!(known.values["user"].as_str(), Some(odd));
        assert!(!format!("{known:?}").contains("file:"), "{known:?}");
        assert_eq!(super::kept(&kept, "nobody").unwrap(), None);

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
    #[test]
    fn a_change_can_be_undone_and_what_is_removed_is_kept_apart() {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        write(&folder, &account("office", "a")).unwrap();
        write(&folder, &account("office-2", "b")).unwrap();
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let was = text("office.toml");
        let wanted = AccountChange {
            name: "office".into(),
            cleared: vec!["user", "numbers"],
            values: vec![("address", Value::from("10.0.0.6:5038"))],
            secrets: vec![
                ("secret", "ash-secret".to_owned()),
                ("route_token", "ash-token".to_owned()),
            ],
        };
        let before = change(&folder, &wanted).unwrap().unwrap();
        let known = kept(&folder, "office").unwrap().unwrap();
        assert_eq!(known.values.keys().collect::<Vec<_>>(), ["address"]);
        assert_eq!(known.values["address"].as_str(), Some("10.0.0.6:5038"));
        assert_eq!(known.secrets, ["route_token", "secret"]);
        assert_eq!(text("office.secret"), "ash-secret");
        let mode = fs::metadata(folder.join("office.secret"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        before.undo();
        assert_eq!(
            (text("office.toml"), text("office.secret")),
            (was, "elm-secret\"\n[x]".to_owned())
        );
        assert!(!folder.join("office.route_token").exists());
        let nobody = AccountChange {
            name: "nobody".into(),
            ..wanted
        };
        assert!(change(&folder, &nobody).unwrap().is_none());

        let settings = super::Settings {
            folder: folder.clone(),
        };
        let moved = remove(&folder, "office", "then").unwrap().unwrap();
        assert_eq!(settings.files().unwrap(), [folder.join("office-2.toml")]);
        let away = folder.join("removed/office-then");
        assert!(away.join("office.secret").exists() && away.join("office.toml").exists());
        moved.undo();
        assert_eq!(settings.files().unwrap().len(), 2);
        assert_eq!(text("office.secret"), "elm-secret\"\n[x]");
        assert!(remove(&folder, "nobody", "then").unwrap().is_none());
        fs::remove_dir_all(folder).unwrap();
    }
}
