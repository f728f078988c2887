//! Takes a person out of everything, at their wish, and proves it.
//!
//! Calls stay as calls of somebody unknown, so that figures stay; everything else goes (`store::erase`
//! says what happens to each table). Then every text of every table is searched, and the files named. Not
//! reached from here: backups made before, logs that were shipped elsewhere, and the PBX itself.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use memchr::memmem;
use serde::Serialize;

use crate::{
    model::{
        ids::{CardId, PersonId},
        time::Timestamp,
        traces::Traces,
    },
    recordings::vault::{Vault, VaultError},
    store::{
        Db, StoreError, audit, cards, erase as rows,
        erase::{Erased, Subject},
        hold,
        purge::{self, Purged},
        search::{self, Searched},
    },
};

/// Messages may come in while we look: so often is done what was found anew.
const ROUNDS: usize = 3;
/// Files are searched in pieces.
const PIECE_BYTES: usize = 1 << 20;

/// Whom to erase, and why.
#[derive(Clone, Debug)]
pub struct Request {
    /// Their number, in E.164.
    pub number: Option<String>,
    /// Their card.
    pub card: Option<CardId>,
    /// Who asked; `None`: the command line.
    pub person: Option<PersonId>,
    /// Why; kept, so it must not name them.
    pub reason: String,
    /// Whether to write the database's files anew afterwards.
    pub clean: bool,
    /// Other files in which to look, and only to look.
    pub also: Vec<PathBuf>,
}

/// What was done and what was found afterwards. Names nobody.
#[derive(Clone, Debug, Serialize)]
pub struct Proof {
    /// When (RFC 3339).
    pub at: String,
    /// Why.
    pub reason: String,
    /// Rows changed or gone, by table.
    pub tables: std::collections::BTreeMap<String, u64>,
    /// Files of recordings removed.
    pub recordings: usize,
    /// What was looked through afterwards.
    pub searched: Searched,
    /// Whether the database's files were written anew.
    pub cleaned: bool,
    /// Files looked through byte by byte.
    pub files: Vec<Looked>,
}

/// A file that was looked through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Which.
    pub file: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// How often something was found in it.
    pub found: usize,
}

/// Nothing was erased, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Neither number nor card was named, or there is no such card.
    #[error("there is nobody of that card or number")]
    Nobody,
    /// It is the company's own number.
    #[error("the number is one of the company's own lines")]
    Ours,
    /// A hold forbids it.
    #[error("a legal hold is on {0}; nothing was changed")]
    Held(String),
    /// A call goes on.
    #[error("a call with this person goes on; nothing was changed")]
    GoingOn,
    /// The reason is kept.
    #[error("the reason is kept and must not name the person")]
    Reason,
    /// Something is left where no rule reaches.
    #[error("something is left in {0}")]
    Left(String),
    /// The database said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of a recording could not be removed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A file could not be looked through.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Erases and proves.
pub async fn erase(
    db: &Db,
    vault: &Vault,
    request: &Request,
    now: Timestamp,
) -> Result<Proof, EraseError> {
    let subject = allowed(db, request).await?;
    let traces = subject.traces();
    let mut done = Erased::default();
    let mut searched = Searched::default();
    for _ in 0..ROUNDS {
        let subject = whole(db, request, &subject).await?;
        let erased = rows::erase(db, &subject).await?;
        for name in &erased.files {
            vault.remove(name).await?;
        }
        for (table, rows) in erased.tables {
            *done.tables.entry(table).or_default() += rows;
        }
        done.files.extend(erased.files);
        searched = search::all(db, &traces).await?;
        if searched.found.is_empty() {
            break;
        }
    }
    if !searched.found.is_empty() {
        let places: Vec<String> = searched.found.into_keys().collect();
        return Err(EraseError::Left(places.join(", ")));
    }
    write_down(db, request, &done, now).await?;
    if request.clean {
        rows::clean(db).await?;
    }
    Ok(Proof {
        at: now.rfc3339(),
        reason: request.reason.clone(),
        tables: done.tables,
        recordings: done.files.len(),
        searched,
        cleaned: request.clean,
        files: look_into(db, request, &traces)?,
    })
}

/// Whom it is about, if it may be done.
async fn allowed(db: &Db, request: &Request) -> Result<Subject, EraseError> {
    let subject = whole(db, request, &Subject::default()).await?;
    if subject.numbers.is_empty() && subject.cards.is_empty() {
        return Err(EraseError::Nobody);
    }
    for number in &subject.numbers {
        if rows::is_ours(db, number).await? {
            return Err(EraseError::Ours);
        }
    }
    if subject.traces().are_in(request.reason.as_bytes()) {
        return Err(EraseError::Reason);
    }
    let cards = subject.cards.iter().map(|card| format!("card:{card}"));
    let calls = subject.calls.iter().map(|call| format!("call:{call}"));
    for object in cards.chain(calls) {
        if hold::on(db, &object).await?.is_some() {
            return Err(EraseError::Held(object));
        }
    }
    match rows::going_on(db, &subject.calls).await? {
        0 => Ok(subject),
        _ => Err(EraseError::GoingOn),
    }
}

/// The subject as it stands now, with what was known of it before.
async fn whole(db: &Db, request: &Request, before: &Subject) -> Result<Subject, EraseError> {
    let card = match (&request.card, &request.number) {
        (Some(card), _) => Some(*card),
        (None, Some(number)) => rows::card_of(db, number).await?,
        (None, None) => None,
    };
    // A card that has become part of another one is the same person's.
    let card = match card {
        Some(card) => cards::living(db, card).await?,
        None => None,
    };
    let mut subject = rows::subject(db, card, request.number.as_deref()).await?;
    for number in &before.numbers {
        if !subject.numbers.contains(number) {
            let more = rows::subject(db, None, Some(number)).await?;
            subject.numbers.extend(more.numbers);
            subject.calls.extend(more.calls);
        }
    }
    for card in &before.cards {
        if !subject.cards.contains(card) {
            subject.cards.push(*card);
        }
    }
    Ok(subject)
}

/// Leaves a trace of the deed, which names nobody.
async fn write_down(
    db: &Db,
    request: &Request,
    done: &Erased,
    now: Timestamp,
) -> Result<(), EraseError> {
    let entry = audit::Entry {
        person: request.person,
        action: "erase",
        object: "erased",
        detail: &request.reason,
        remote: "",
    };
    audit::keep(db, &entry, now).await?;
    let tables = done
        .tables
        .iter()
        .map(|(table, rows)| (table.as_str(), *rows));
    for (what, gone) in tables.chain([("files", done.files.len() as u64)]) {
        let purged = Purged {
            rule: "erase",
            what,
            gone,
            before: None,
            person: request.person,
            detail: &request.reason,
        };
        purge::keep(db, &purged, now).await?;
    }
    Ok(())
}

/// The database's own files, if they were written anew, and those named.
fn look_into(db: &Db, request: &Request, traces: &Traces) -> io::Result<Vec<Looked>> {
    let mut files = request.also.clone();
    if let Some(file) = db.file().filter(|_| request.clean) {
        for end in ["", "-wal"] {
            let mut name = file.clone().into_os_string();
            name.push(end);
            files.push(name.into());
        }
    }
    let there = files.into_iter().filter(|file| file.exists());
    there.map(|file| look(&file, traces)).collect()
}

fn look(path: &Path, traces: &Traces) -> io::Result<Looked> {
    let mut file = File::open(path)?;
    let longest = traces.plain().map(str::len).max().unwrap_or(0);
    let mut looked = Looked {
        file: path.to_owned(),
        bytes: 0,
        found: 0,
    };
    let mut piece = Vec::new();
    loop {
        // What is cut in two between pieces is found with the end of the one before.
        let kept = piece.len().min(longest.saturating_sub(1));
        piece.drain(..piece.len() - kept);
        let read = (&mut file)
            .take(PIECE_BYTES as u64)
            .read_to_end(&mut piece)?;
        if read == 0 {
            return Ok(looked);
        }
        looked.bytes += read as u64;
        looked.found += traces
            .plain()
            .map(|text| memmem::find_iter(&piece, text).count())
            .sum::<usize>();
    }
}
