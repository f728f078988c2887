//! Writes a backup while the gateway runs.
//!
//! A folder of backups holds one folder for each, named by its time, and one `recordings/` for all: a
//! recording never changes, so each is copied once. The database comes first and the recordings its
//! rows speak of after it; what comes in meanwhile is for the next backup. A backup lies under a name
//! that begins with a dot until its manifest is written.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{
    digest::{self, Content},
    manifest::{self, DATABASE, FORMAT, Line, Manifest, RECORDINGS, Recordings},
};
use crate::{
    model::time::Timestamp,
    store::{
        self,
        snapshot::{self, SnapshotError},
    },
};

/// So much of two recordings of one name and length is compared: an encrypted one that has got another
/// key begins differently.
const BEGINNING_BYTES: usize = 64;

/// What to back up, and where to.
pub struct Request<'a> {
    /// The database.
    pub store: &'a store::Settings,
    /// The folder of the kept recordings.
    pub recordings: &'a Path,
    /// The folder of backups.
    pub folder: &'a Path,
    /// Whether recordings may be hard links to the kept ones, which costs no space and protects from
    /// deletion only.
    pub link: bool,
    /// Other files to put in, readable by their owner only: name and text.
    pub papers: Vec<(PathBuf, Vec<u8>)>,
    /// Begin of the backup.
    pub now: Timestamp,
}

/// A backup that was made.
#[derive(Debug)]
pub struct Made {
    /// Where it lies.
    pub folder: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// Recordings that were not there from an earlier backup.
    pub new_recordings: u64,
}

/// Makes a backup.
pub async fn make(request: &Request<'_>) -> Result<Made, SnapshotError> {
    let stamp = request.now.rfc3339().replace(':', "-");
    let folder = request.folder.join(&stamp);
    let half = request.folder.join(format!(".{stamp}"));
    if folder.exists() || half.exists() {
        return Err(SnapshotError::NotEmpty(folder.display().to_string()));
    }
    let known = earlier(request.folder)?;
    fs::create_dir_all(half.join(DATABASE))?;
    let taken = snapshot::take(request.store, &half.join(DATABASE)).await?;
    for (name, text) in &request.papers {
        write_private(&half.join(name), text)?;
    }
    let mut copier = Copier {
        from: request.recordings,
        to: request.folder.join("recordings"),
        link: request.link,
        known,
        new: 0,
    };
    let recordings = copier.all(&taken.recordings, &half.join(RECORDINGS))?;
    let manifest = Manifest {
        format: FORMAT,
        ringcard: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at: request.now.rfc3339(),
        engine: taken.picture.engine,
        schema: taken.picture.schema,
        tables: taken.picture.tables,
        files: files(&half)?,
        recordings,
    };
    manifest.write(&half)?;
    fs::rename(&half, &folder)?;
    manifest::sync(request.folder)?;
    Ok(Made {
        folder,
        manifest,
        new_recordings: copier.new,
    })
}

/// Removes all but the newest `keep` backups, what was left half-made before them, and recordings that
/// none of the others has. Tells the folders that went.
pub fn thin_out(folder: &Path, keep: usize) -> io::Result<Vec<PathBuf>> {
    let mut backups = all(folder)?;
    let stay = backups.split_off(backups.len().saturating_sub(keep.max(1)));
    let oldest = stay.first().and_then(|backup| backup.file_name());
    let oldest = oldest.map(|name| name.to_string_lossy().into_owned());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_half = name.strip_prefix('.').is_some_and(|stamp| {
            entry.path().join(DATABASE).is_dir() && oldest.as_deref().is_some_and(|old| stamp < old)
        });
        if is_half {
            backups.push(entry.path());
        }
    }
    for backup in &backups {
        fs::remove_dir_all(backup)?;
    }
    if !backups.is_empty() {
        let vault = folder.join("recordings");
        let mut wanted = HashSet::new();
        for backup in &stay {
            read_lines(backup, |line| wanted.insert(vault.join(line.place())))?;
        }
        for file in blobs(&vault)? {
            if !wanted.contains(&file) {
                fs::remove_file(&file)?;
            }
        }
    }
    Ok(backups)
}

/// The backups of a folder, oldest first.
pub fn all(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut backups = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_half = entry.file_name().to_string_lossy().starts_with('.');
        if !is_half && entry.path().join(manifest::FILE).is_file() {
            backups.push(entry.path());
        }
    }
    backups.sort();
    Ok(backups)
}

/// What the newest backup says of recordings, by name.
fn earlier(folder: &Path) -> io::Result<HashMap<String, String>> {
    let mut known = HashMap::new();
    if !folder.exists() {
        return Ok(known);
    }
    if let Some(newest) = all(folder)?.last() {
        read_lines(newest, |line| {
            known.insert(line.name, line.sha256).is_some()
        })?;
    }
    Ok(known)
}

/// Hands every line of a backup's list of recordings to `take`; what is no line is damage.
pub(super) fn read_lines(backup: &Path, mut take: impl FnMut(Line) -> bool) -> io::Result<()> {
    for line in BufReader::new(File::open(backup.join(RECORDINGS))?).lines() {
        let line = Line::parse(&line?);
        take(line.ok_or_else(|| io::Error::other("a line of the list of recordings is damaged"))?);
    }
    Ok(())
}

/// Every file two folders below.
fn blobs(vault: &Path) -> io::Result<Vec<PathBuf>> {
    let mut level = vec![vault.to_owned()];
    for _ in 0..3 {
        let mut below = Vec::new();
        for folder in level.iter().filter(|folder| folder.is_dir()) {
            for entry in fs::read_dir(folder)? {
                below.push(entry?.path());
            }
        }
        level = below;
    }
    Ok(level)
}

/// What every file of a backup is.
fn files(folder: &Path) -> io::Result<BTreeMap<String, Content>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, above)) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{above}{}", entry.file_name().to_string_lossy());
            match entry.file_type()?.is_dir() {
                true => folders.push((entry.path(), format!("{name}/"))),
                false => _ = files.insert(name, digest::of(&entry.path())?),
            }
        }
    }
    Ok(files)
}

fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

struct Copier<'a> {
    from: &'a Path,
    to: PathBuf,
    link: bool,
    known: HashMap<String, String>,
    new: u64,
}

impl Copier<'_> {
    /// Brings all of these into the folder of backups and lists them.
    fn all(&mut self, names: &[String], list: &Path) -> io::Result<Recordings> {
        let mut told = Recordings::default();
        let mut out = BufWriter::new(File::create(list)?);
        for name in names {
            match self.one(name) {
                Ok(content) => {
                    told.files += 1;
                    told.bytes += content.bytes;
                    out.write_all(line(name, &content.sha256).text().as_bytes())?;
                }
                // Let go after the picture was taken, or lost before: the backup says so.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    told.missing.push(name.clone());
                }
                Err(error) => return Err(error),
            }
        }
        out.into_inner().map_err(io::Error::from)?.sync_all()?;
        Ok(told)
    }

    fn one(&mut self, name: &str) -> io::Result<Content> {
        let from = self.from.join(manifest::place(name));
        let mut source = File::open(&from)?;
        if let Some(there) = self.there(name, &source)? {
            return Ok(there);
        }
        let parent = self.to.join(manifest::place(name));
        let parent = parent.parent().unwrap_or(&self.to);
        fs::create_dir_all(parent)?;
        let half = parent.join(format!(".{name}"));
        // Left there by a backup that was cut off.
        match fs::remove_file(&half) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let content = match self.link && fs::hard_link(&from, &half).is_ok() {
            true => digest::of(&half)?,
            false => {
                let mut target = File::create(&half)?;
                let content = digest::copied(&mut source, &mut target)?;
                target.sync_all()?;
                content
            }
        };
        fs::rename(&half, self.to.join(line(name, &content.sha256).place()))?;
        manifest::sync(parent)?;
        self.new += 1;
        Ok(content)
    }

    /// What an earlier backup has of this recording, if it is the same file.
    fn there(&self, name: &str, source: &File) -> io::Result<Option<Content>> {
        let Some(sha256) = self.known.get(name) else {
            return Ok(None);
        };
        let there = match File::open(self.to.join(line(name, sha256).place())) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = there.metadata()?.len();
        let is_same = source.metadata()?.len() == bytes && beginning(source)? == beginning(&there)?;
        Ok(is_same.then(|| Content {
            bytes,
            sha256: sha256.clone(),
        }))
    }
}

fn line(name: &str, sha256: &str) -> Line {
    Line {
        sha256: sha256.to_owned(),
        name: name.to_owned(),
    }
}

/// Leaves the file where it stands.
fn beginning(file: &File) -> io::Result<Vec<u8>> {
    let mut beginning = vec![0; BEGINNING_BYTES];
    let len = file.read_at(&mut beginning, 0)?;
    beginning.truncate(len);
    Ok(beginning)
}
