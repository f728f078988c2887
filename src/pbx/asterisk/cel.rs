//! The channel event log (CEL) as a file: what happened while nobody listened.
//!
//! Reads page after page and knows where it stopped, across half-written rows, logrotate and a log
//! emptied in place. What rows mean stands in `rows`.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::rows::Rows;
use crate::pbx::Page;

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

/// Reads the next page of the log.
pub fn page(path: &Path, cursor: Option<&str>, reader: &Rows<'_>) -> std::io::Result<Page> {
    let current = std::fs::metadata(path)?;
    let from = cursor.and_then(Cursor::parse);
    let (file, at, older) = match from {
        Some(at) if at.inode != current.ino() => match rotated(path, at)? {
            Some(old) => (old, at, true),
            None => (path.to_owned(), start(&current, 0), false),
        },
        // Shorter than what was read: it was emptied in place.
        Some(at) if at.offset > current.len() => (path.to_owned(), start(&current, 0), false),
        Some(at) => (path.to_owned(), at, false),
        None => {
            let offset = current.len().saturating_sub(FIRST_BYTES);
            (path.to_owned(), start(&current, offset), false)
        }
    };
    let text = read_lines(&file, at.offset)?;
    let is_first = from.is_none();
    let messages = reader.messages(&text, is_first);
    let next = Cursor {
        inode: at.inode,
        offset: at.offset + text.len() as u64,
    };
    if older && text.is_empty() {
        let cursor = start(&current, 0).text();
        return Ok(Page {
            messages,
            cursor,
            more: true,
        });
    }
    Ok(Page {
        messages,
        cursor: next.text(),
        more: older || text.len() as u64 >= PAGE_BYTES,
    })
}

fn start(file: &std::fs::Metadata, offset: u64) -> Cursor {
    Cursor {
        inode: file.ino(),
        offset,
    }
}

/// The renamed file that the cursor belongs to, if it has rows that were not read.
fn rotated(path: &Path, at: Cursor) -> std::io::Result<Option<PathBuf>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(None);
    };
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_kin = entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(name.as_encoded_bytes());
        let Ok(found) = entry.metadata() else {
            continue;
        };
        if is_kin && found.ino() == at.inode && found.len() > at.offset {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
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
