//! `ringcard bench`: arguments of the benches, and their report as JSON or lines.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{ValueEnum, builder::PossibleValuesParser};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::bench::{self, Options, Path, Report, seed::Size, stage::Store};

/// What to measure, in which state.
#[derive(clap::Args)]
pub struct Arguments {
    /// Which bench
    #[arg(value_enum)]
    bench: Bench,
    /// Engine
    #[arg(long, value_enum, default_value = "sqlite")]
    store: Store,
    /// Rounds; the median counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Cards in the database at the start
    #[arg(long, default_value_t = 1_000_000)]
    clients: usize,
    /// Calls in the database at the start
    #[arg(long, default_value_t = 3_000_000)]
    calls: usize,
    /// People at their desks
    #[arg(long, default_value_t = 500)]
    people: usize,
    /// Connections of the load: so many that a reference server is not held up by their number
    #[arg(long, default_value_t = 512)]
    connections: usize,
    /// route: whose questions are asked, one report each [default: an Asterisk's dialplan, 200 a second]
    #[arg(long, value_parser = PossibleValuesParser::new(bench::route::providers()))]
    provider: Option<String>,
    /// Folder for the databases [default: the system's for temporary files]
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Bench {
    /// Events a second, and how soon one is acknowledged
    Ingest,
    /// How soon a pop stands on the socket of the person who rings
    Pop,
    /// How soon "who should ring?" is answered while events come in
    Route,
    /// Pop, route and ingest, one after the other in one state
    All,
    /// How long the table of channels takes, with rules and without, and the calls behind a figure
    Reports,
}

/// Does it.
pub async fn run(arguments: Arguments) -> Result<()> {
    allow_files();
    let options = Options {
        store: arguments.store,
        size: Size {
            people: arguments.people,
            clients: arguments.clients,
            calls: arguments.calls,
        },
        rounds: arguments.rounds.into(),
        connections: arguments.connections,
        folder: arguments.folder,
        provider: arguments.provider,
    };
    let reports = tokio::select! {
        reports = measure(arguments.bench, &options) => reports?,
        // Databases and servers of the bench go with what is dropped here.
        () = crate::app::asked_to_stop() => bail!("stopped"),
    };
    for report in &reports {
        match arguments.json {
            true => println!("{}", serde_json::to_string(report)?),
            false => print_lines(report)?,
        }
    }
    Ok(())
}

/// Both ends of every connection are open in this process: as many files as it may have.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

async fn measure(bench: Bench, options: &Options) -> Result<Vec<Report>> {
    let paths: &[Path] = match (bench, &options.provider) {
        (Bench::Route, Some(provider)) => return bench::route::run_of(provider, options).await,
        (_, Some(_)) => bail!("--provider is for `bench route`"),
        (Bench::Reports, None) => return Ok(vec![bench::reports::run(options).await?]),
        (Bench::Pop, None) => &[Path::Pop],
        (Bench::Route, None) => &[Path::Route],
        (Bench::Ingest, None) => &[Path::Ingest],
        (Bench::All, None) => &[Path::Pop, Path::Route, Path::Ingest],
    };
    bench::run(paths, options).await
}

fn print_lines(report: &Report) -> Result<()> {
    let json = serde_json::to_value(report)?;
    for (name, figure) in json.as_object().into_iter().flatten() {
        println!("{name:16} {figure}");
    }
    Ok(())
}
