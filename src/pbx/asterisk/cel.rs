//! The channel event log (CEL) as a file: what happened while nobody listened.
//!
//! Reads page after page and knows where it stopped, across half-written rows, any number of rotations
//! and a log emptied in place. What rows mean stands in `rows`.

use std::{
    ffi::OsStr,
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::rows::{FIRST_MS, Rows};
use crate::{model::time::Timestamp, pbx::Page};

/// How much of the file is read at once.
const PAGE_BYTES: u64 = 512 * 1024;
/// Without a cursor the log is read from at most this far before its end.
const FIRST_BYTES: u64 = 64 * 1024 * 1024;

/// Where reading goes on: a file that logrotate has renamed is still the same file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    inode: u64,
    offset: u64,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let (inode, offset) = text.split_once(':')?;
        Some(Self {
            inode: inode.parse().ok()?,
            offset: offset.parse().ok()?,
        })
    }

    fn text(self) -> String {
        format!("{}:{}", self.inode, self.offset)
    }
}

/// A file of the log: the one that is being written, or one that logrotate has put away.
struct LogFile {
    path: PathBuf,
    inode: u64,
    size: u64,
    written_at: SystemTime,
}

/// Reads the next page of the log.
pub fn page(path: &Path, cursor: Option<&str>, reader: &Rows<'_>) -> std::io::Result<Page> {
    let files = files(path)?;
    let from = cursor.and_then(Cursor::parse);
    let (place, offset) = position(&files, from, reader.now);
    let file = &files[place];
    let text = read_lines(&file.path, offset)?;
    let messages = reader.messages(&text, from.is_none());
    let read_to = |file: &LogFile, offset| Cursor {
        inode: file.inode,
        offset,
    };
    let (next, more) = match files.get(place + 1) {
        Some(newer) if text.is_empty() => (read_to(newer, 0), true),
        newer => (
            read_to(file, offset + text.len() as u64),
            newer.is_some() || text.len() as u64 >= PAGE_BYTES,
        ),
    };
    Ok(Page {
        messages,
        cursor: next.text(),
        more,
        ..Page::default()
    })
}

/// Where reading goes on: which file, and from where.
fn position(files: &[LogFile], from: Option<Cursor>, now: Timestamp) -> (usize, u64) {
    let current = files.len() - 1;
    let Some(at) = from else {
        return (current, files[current].size.saturating_sub(FIRST_BYTES));
    };
    match files.iter().position(|file| file.inode == at.inode) {
        // Shorter than what was read: it was emptied in place.
        Some(place) if at.offset > files[place].size => (place, 0),
        Some(place) => (place, at.offset),
        // Thrown away or compressed meanwhile: whatever is younger than a day may be unread.
        None => {
            let recent_us = now.plus_millis(-FIRST_MS).as_micros();
            let written_us = |file: &LogFile| {
                let since = file.written_at.duration_since(SystemTime::UNIX_EPOCH);
                since.map_or(0, |since| since.as_micros() as i64)
            };
            let recent = files.iter().position(|file| written_us(file) > recent_us);
            (recent.unwrap_or(current), 0)
        }
    }
}

/// The log's files, oldest first, the one that is being written last. What logrotate has compressed is
/// left out.
fn files(path: &Path) -> std::io::Result<Vec<LogFile>> {
    // Before the folder is read: a file put away meanwhile is then found there under its other name.
    let current = std::fs::metadata(path);
    let mut files = Vec::new();
    if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if is_put_away(&entry.file_name(), name)
                && let Ok(found) = entry.metadata()
                && found.is_file()
            {
                files.push(log_file(entry.path(), &found)?);
            }
        }
    }
    files.sort_by_key(|file| file.written_at);
    match current {
        // Put away since: it is there already, the youngest of them.
        Ok(current) if files.iter().any(|file| file.inode == current.ino()) => {}
        Ok(current) => files.push(log_file(path.to_owned(), &current)?),
        // Asterisk makes it anew with the next call.
        Err(error) if error.kind() == ErrorKind::NotFound && !files.is_empty() => {}
        Err(error) => return Err(error),
    }
    Ok(files)
}

/// Whether a file's name is the log's with something behind it: `.1`, `-20261122`.
fn is_put_away(file: &OsStr, log: &OsStr) -> bool {
    const COMPRESSED: [&[u8]; 4] = [b".gz", b".xz", b".bz2", b".zst"];
    let behind = file.as_encoded_bytes().strip_prefix(log.as_encoded_bytes());
    behind.is_some_and(|behind| {
        !behind.is_empty() && !COMPRESSED.iter().any(|ending| behind.ends_with(ending))
    })
}

fn log_file(path: PathBuf, found: &std::fs::Metadata) -> std::io::Result<LogFile> {
    Ok(LogFile {
        path,
        inode: found.ino(),
        size: found.len(),
        written_at: found.modified()?,
    })
}

/// Whole lines from `offset` on, about a page of them.
fn read_lines(path: &Path, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut text = Vec::new();
    file.take(PAGE_BYTES).read_to_end(&mut text)?;
    match text.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => text.truncate(end + 1),
        // A page without a line end is no log of ours; step over it rather than stay for ever.
        None if text.len() as u64 >= PAGE_BYTES => {}
        None => text.clear(),
    }
    Ok(text)
}
