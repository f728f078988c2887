//! The command line: arguments, exit codes, and the commands that are small.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 the configuration has problems. What a command
//! finds goes to standard output, the log and complaints to standard error.

mod backup;
mod bench;
mod book;
mod demo;
mod doctor;
mod employees;
mod erase;
mod export;
mod hold;
mod import;
mod inspect;
mod letters;
pub mod providers;
mod reconcile;
mod recordings;
mod reload;
mod replay;
mod simulate;
mod token;
mod user;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::{
    app::{
        self,
        settings::{self, Settings},
    },
    config::{self, Loaded, Problems},
    pbx, store, telemetry,
    web::doctor::Files,
};

/// Where the configuration is looked for when nobody says.
const DEFAULT_FILE: &str = "ringcard.toml";

/// Calls become client cards, answers to the right manager, recordings and figures.
#[derive(Parser)]
#[command(name = "ringcard", version)]
struct Arguments {
    /// Configuration file [default: ringcard.toml, if there is one]
    #[arg(long, short, global = true, env = "RINGCARD_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway until SIGINT or SIGTERM
    Serve,
    /// Show an office that works, with a simulated PBX; nothing leaves this machine
    Demo(demo::Arguments),
    /// Play a simulated PBX against a running gateway and print what must be found afterwards
    Simulate(simulate::Arguments),
    /// Have the running gateway read its configuration anew, and say what came of it
    Reload(reload::Arguments),
    /// Read the configuration and tell every problem; start nothing
    Check(Check),
    /// Bring the database's schema up to date
    Migrate,
    /// List the PBX providers and what they can do
    Providers(providers::Arguments),
    /// Add people and let them in
    #[command(subcommand)]
    User(user::Command),
    /// Let other programs in: tokens of the API
    #[command(subcommand)]
    Token(token::Command),
    /// Bring in clients, or people, groups and lines
    #[command(subcommand)]
    Import(import::Command),
    /// Write out calls
    #[command(subcommand)]
    Export(export::Command),
    /// Write down everything, while the gateway runs
    Backup(backup::Backup),
    /// Prove a backup, and bring it back where nothing is
    Restore(backup::Restore),
    /// Take a person out of everything, and prove it
    Erase(erase::Arguments),
    /// Say which calls and cards must stay
    #[command(subcommand)]
    Hold(hold::Command),
    /// Look after the kept recordings
    #[command(subcommand)]
    Recordings(recordings::Command),
    /// Look at everything that goes wrong quietly; exit code 1 if somebody is needed
    Doctor(doctor::Arguments),
    /// Measure this machine with this build
    Bench(bench::Arguments),
    /// Read the past calls of a cloud account from its own records, and bring in what is missing
    Reconcile(reconcile::Arguments),
    /// Print who works at a cloud account and is nobody's here yet, as TOML for `ringcard import office`
    Employees(employees::Arguments),
    /// Show the facts and calls in a fixture, a recorded request or a stream; or take dead letters in again
    Replay(replay::Arguments),
    /// Show as JSON what is understood of numbers, audio files or an AMI stream
    #[command(subcommand)]
    Inspect(inspect::Command),
}

#[derive(clap::Args)]
struct Check {
    /// Print the configuration in effect, defaults included and secrets as references
    #[arg(long)]
    print: bool,
}

/// Reads the arguments and does what they say.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // Who reads what we write has had enough: `ringcard export calls | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr(), "ringcard: {error:#}");
            match error.downcast_ref::<Problems>() {
                Some(_) => ExitCode::from(3),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let config = arguments.config.as_deref();
    match arguments.command {
        Command::Serve => block_on(app::run(started(config)?, source(config))),
        Command::Reload(wanted) => block_on(reload::run(started(config)?, wanted)),
        Command::Demo(arguments) => block_on(demo::run(arguments)),
        Command::Simulate(arguments) => block_on(simulate::run(arguments)),
        Command::Check(check) => checked(config, &check),
        Command::Migrate => block_on(migrate(config)),
        Command::Providers(wanted) => providers::run(&wanted),
        Command::User(command) => block_on(user::run(started(config)?, command)),
        Command::Token(command) => block_on(token::run(started(config)?, command)),
        Command::Import(command) => block_on(import::run(started(config)?, command)),
        Command::Export(command) => block_on(export::run(started(config)?, command)),
        Command::Backup(wanted) => {
            let file = file(config);
            block_on(backup::run(started(config)?, file.as_deref(), wanted))
        }
        Command::Restore(wanted) => block_on(backup::bring_back(started(config)?, wanted)),
        Command::Erase(wanted) => block_on(erase::run(started(config)?, wanted)),
        Command::Hold(command) => block_on(hold::run(started(config)?, command)),
        Command::Recordings(recordings::Command::NewKey) => recordings::new_key(),
        Command::Recordings(command) => block_on(recordings::run(started(config)?, command)),
        Command::Doctor(wanted) => block_on(doctor::run(started(config)?, wanted)),
        Command::Bench(arguments) => block_on(bench::run(arguments)),
        Command::Reconcile(arguments) => block_on(reconcile::run(started(config)?, arguments)),
        Command::Employees(wanted) => block_on(employees::run(started(config)?, wanted)),
        Command::Replay(arguments) => replay::run(config, &arguments),
        Command::Inspect(command) => inspect::run(&command),
    }
}

fn block_on<T>(task: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")?
        .block_on(task)
}

/// The file that is read: the one named, or the default one if it is there.
fn file(named: Option<&Path>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.to_owned()),
        None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
    }
}

fn load(named: Option<&Path>) -> Result<Loaded<Settings>, Problems> {
    let mut loaded = read(named)?;
    if let Err(Problems(more)) = loaded.settings.open() {
        loaded.problems.extend(more);
    }
    match loaded.problems.is_empty() {
        true => Ok(loaded),
        false => Err(Problems(loaded.problems)),
    }
}

/// Where a gateway that runs reads its configuration anew.
fn source(named: Option<&Path>) -> app::Source {
    let named = named.map(Path::to_owned);
    std::sync::Arc::new(move || read(named.as_deref()))
}

fn read(named: Option<&Path>) -> Result<Loaded<Settings>, Problems> {
    // Other variables may hold anything; those that are not text cannot be ours.
    let env = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let mut loaded = settings::load(file(named).as_deref(), env.collect())?;
    loaded.settings.files = doctor_files(named, &loaded.shown);
    Ok(loaded)
}

/// The files whose permissions matter: the configuration, and those its secrets come from.
fn doctor_files(named: Option<&Path>, shown: &toml::Table) -> Files {
    fn references(value: &toml::Value, found: &mut Vec<PathBuf>) {
        match value {
            toml::Value::String(text) => {
                found.extend(text.strip_prefix("file:").map(PathBuf::from))
            }
            toml::Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            toml::Value::Table(table) => table.values().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut secrets = Vec::new();
    shown
        .values()
        .for_each(|value| references(value, &mut secrets));
    Files {
        config: file(named),
        secrets,
    }
}

/// The settings, with the log running and secrets known to it.
fn started(named: Option<&Path>) -> Result<Settings> {
    let loaded = load(named)?;
    telemetry::hide(loaded.secrets.iter().map(config::Secret::expose));
    telemetry::start_log(&loaded.settings.log);
    Ok(loaded.settings)
}

fn checked(named: Option<&Path>, check: &Check) -> Result<()> {
    let loaded = load(named)?;
    let accounts = loaded.settings.open()?;
    let mut out = io::stdout().lock();
    if check.print {
        write!(out, "{}", toml::to_string_pretty(&loaded.shown)?)?;
        return Ok(());
    }
    match file(named) {
        Some(path) => writeln!(out, "{}: no problems", path.display())?,
        None => writeln!(out, "no file; the defaults have no problems")?,
    }
    for account in accounts {
        let intake = match account.pbx.intake() {
            pbx::Intake::Webhook => format!("posts to /hooks/{}/", account.name),
            pbx::Intake::Dial { address, tls: None } => format!("is dialled at {address}"),
            pbx::Intake::Dial { address, .. } => format!("is dialled at {address} over TLS"),
            pbx::Intake::Listen {
                address,
                shown: None,
            } => format!("dials us at {address}"),
            pbx::Intake::Listen { address, .. } => format!("dials us at {address} over TLS"),
        };
        writeln!(
            out,
            "{} ({}) {intake}",
            account.name,
            account.pbx.provider()
        )?;
    }
    Ok(())
}

async fn migrate(named: Option<&Path>) -> Result<()> {
    let db = opened(&started(named)?).await?;
    println!("{} is up to date", db.engine());
    db.close().await;
    Ok(())
}

/// The database of these settings, up to date.
async fn opened(settings: &Settings) -> Result<store::Db> {
    let db = store::Db::open(&settings.store)
        .await
        .context("the database")?;
    db.migrate().await.context("the database")?;
    Ok(db)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }
}
