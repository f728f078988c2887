//! Prints the facts and calls of a recorded conversation with the code that runs in production:
//! the same decoders, the same derivation. Nothing is stored, except when dead letters are taken in
//! again (`letters`).
//!
//! Reads requests as the journal keeps them (one JSON object a line), requests as they go over the
//! wire (files named `.http`), and, for accounts that are dialled, the bytes of the stream. A folder
//! is a fixture: its `settings.toml` opens the account and its `input.jsonl` is read.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use serde_json::json;

use super::{book::Book, inspect, letters};
use crate::{
    app::settings::{Account, Settings},
    flow,
    model::event::CallEvent,
    pbx::{Decoded, Decoder, Input, Intake, Request},
    web::hooks,
};

/// What to read, and as whose.
#[derive(clap::Args)]
pub struct Arguments {
    /// Files or fixture folders; `-` is standard input
    #[arg(required_unless_present = "dead_letters")]
    files: Vec<PathBuf>,
    /// Account of the configuration that the messages belong to
    #[arg(long, short)]
    account: Option<String>,
    /// Take every dead letter of the store in again (with --account: of that account), instead of showing
    /// files. While the gateway runs, rather use its page: its open browsers hear of the calls then
    #[arg(long, conflicts_with = "files")]
    dead_letters: bool,
}

/// Does it.
pub fn run(config: Option<&Path>, arguments: &Arguments) -> Result<()> {
    if arguments.dead_letters {
        let settings = super::started(config)?;
        return super::block_on(letters::run(settings, arguments.account.as_deref()));
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut book = Book::default();
    let mut named = None;
    for file in &arguments.files {
        let (account, file) = match file.is_dir() {
            true => (fixture(file)?, file.join("input.jsonl")),
            false => {
                let account = match &named {
                    Some(account) => Account::clone(account),
                    None => configured(config, arguments.account.as_deref())?,
                };
                named = Some(account.clone());
                (account, file.clone())
            }
        };
        play(&account, &file, &mut book, &mut out)?;
    }
    book.write(&mut out)?;
    out.flush()?;
    Ok(())
}

/// Prints facts and calls of a stream, as an account of this provider would read it.
pub fn stream(provider: &str, bytes: &[u8], out: &mut impl Write) -> Result<()> {
    let table = format!("type = \"{provider}\"\naddress = \"localhost:1\"\nsecret = \"none\"\n");
    let account = opened(table.parse()?)?;
    let mut book = Book::default();
    feed_stream(&account, bytes, &mut book, out)?;
    book.write(out)
}

/// The account of a fixture: its `settings.toml` is one account's table.
fn fixture(folder: &Path) -> Result<Account> {
    let file = folder.join("settings.toml");
    let shown = || file.display().to_string();
    let text = std::fs::read_to_string(&file).with_context(shown)?;
    opened(text.parse().with_context(shown)?).with_context(shown)
}

/// The account of a table in which secrets stand as they are.
fn opened(mut table: toml::Table) -> Result<Account> {
    table
        .entry("name")
        .or_insert_with(|| "replayed".to_owned().into());
    let settings = Settings {
        pbx: vec![table],
        ..Settings::default()
    };
    let mut accounts = settings.open()?;
    Ok(accounts.swap_remove(0))
}

fn configured(config: Option<&Path>, name: Option<&str>) -> Result<Account> {
    let mut accounts = super::load(config)?.settings.open()?;
    let Some(name) = name else {
        if accounts.len() == 1 {
            return Ok(accounts.swap_remove(0));
        }
        bail!("say whose messages these are: --account NAME of the configuration");
    };
    accounts
        .into_iter()
        .find(|account| account.name.as_str() == name)
        .with_context(|| format!("the configuration has no account {name:?}"))
}

fn play(account: &Account, file: &Path, book: &mut Book, out: &mut impl Write) -> Result<()> {
    let bytes = inspect::bytes(file)?;
    if file
        .extension()
        .is_some_and(|extension| extension == "http")
    {
        let request = from_wire(&bytes, account)
            .with_context(|| format!("{}: not an HTTP request", file.display()))?;
        return feed_request(account, &request, book, out);
    }
    if account.pbx.intake() != Intake::Webhook && !bytes.starts_with(b"{") {
        return feed_stream(account, &bytes, book, out);
    }
    let text = String::from_utf8_lossy(&bytes);
    for (n, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let request = hooks::from_journal(line.as_bytes())
            .with_context(|| format!("{}:{}: not a journalled request", file.display(), n + 1))?;
        feed_request(account, &request, book, out)?;
    }
    Ok(())
}

fn feed_request(
    account: &Account,
    request: &Request,
    book: &mut Book,
    out: &mut impl Write,
) -> Result<()> {
    let mut decoder = account.pbx.decoder();
    let fed = feed(decoder.as_mut(), Input::Request(request), book, out)?;
    if let Err(error) = fed {
        writeln!(out, "{}", json!({ "undecodable": error }))?;
    }
    Ok(())
}

fn feed_stream(
    account: &Account,
    bytes: &[u8],
    book: &mut Book,
    out: &mut impl Write,
) -> Result<()> {
    let mut decoder = account.pbx.decoder();
    for input in [Input::Opened, Input::Bytes(bytes), Input::Closed] {
        if let Err(error) = feed(decoder.as_mut(), input, book, out)? {
            writeln!(out, "{}", json!({ "undecodable": error }))?;
        }
    }
    Ok(())
}

/// Feeds one input and prints what it made; the inner error is the decoder's.
fn feed(
    decoder: &mut dyn Decoder,
    input: Input<'_>,
    book: &mut Book,
    out: &mut impl Write,
) -> Result<Result<(), String>> {
    let mut decoded = Decoded::default();
    let fed = decoder.feed(input, flow::now(), &mut decoded);
    for event in decoded.events {
        tell(event, book, out)?;
    }
    for message in decoded.messages {
        for event in message.events {
            tell(event, book, out)?;
        }
        if let Some(error) = message.error {
            writeln!(out, "{}", json!({ "undecodable": error.to_string() }))?;
        }
    }
    for enquiry in decoded.enquiries {
        writeln!(out, "{}", json!({ "enquiry": format!("{enquiry:?}") }))?;
    }
    for (what, kinds) in [("note", decoded.notes), ("ignored", decoded.ignored)] {
        for kind in kinds {
            writeln!(out, "{}", json!({ what: kind }))?;
        }
    }
    Ok(fed.map_err(|error| error.to_string()))
}

fn tell(event: CallEvent, book: &mut Book, out: &mut impl Write) -> Result<()> {
    writeln!(out, "{}", json!({ "fact": event }))?;
    book.take(event);
    Ok(())
}

/// Reads a request as it goes over the wire; the account's hook root may stand before the path.
fn from_wire(bytes: &[u8], account: &Account) -> Option<Request> {
    let head_end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?, first.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let root = format!("/hooks/{}", account.name);
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Request {
        method: method.to_owned(),
        path: path.strip_prefix(&root).unwrap_or(path).to_owned(),
        query: query.to_owned(),
        headers,
        body: Bytes::copy_from_slice(&bytes[head_end + 4..]),
        remote: String::new(),
    })
}
