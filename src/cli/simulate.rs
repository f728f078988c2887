//! `ringcard simulate`: plays a PBX against a gateway that runs, through the same sockets as a real one,
//! and prints a line of JSON for each call: what must be found of it.

use std::{
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::{
    flow,
    model::time::Timestamp,
    simulator::{
        ami::Said,
        ami_server::AmiServer,
        chaos::Chaos,
        connection::Connection,
        dice::Dice,
        message::{Post, Sent},
        office::{Call, Draw, Told},
        played::{self, Opening, PLAYED, Played},
        story::{Plot, Tempo, World},
    },
};

/// Which PBX, how many calls and what goes wrong.
#[derive(clap::Args)]
pub struct Arguments {
    /// Which PBX is played
    #[arg(long, value_parser = providers())]
    provider: &'static Played,
    /// Name of the account in the gateway's configuration
    #[arg(long)]
    account: String,
    /// The gateway's address
    #[arg(long, default_value = "127.0.0.1:8080")]
    gateway: SocketAddr,
    /// The account's key, token or password in the gateway's configuration
    #[arg(long, env = "RINGCARD_SIMULATE_SECRET", long_help = setting_of(|played| Some(played.secret)))]
    secret: String,
    /// The second secret of an account that has two
    #[arg(
        long,
        env = "RINGCARD_SIMULATE_SALT",
        default_value = "",
        long_help = setting_of(|played| played.salt)
    )]
    salt: String,
    /// Asterisk: where the manager interface listens
    #[arg(long, default_value = "127.0.0.1:5038")]
    listen: SocketAddr,
    /// Asterisk: file of the CEL log that is written
    #[arg(long)]
    cel: Option<PathBuf>,
    /// How many calls
    #[arg(long, default_value_t = 10)]
    calls: u64,
    /// Calls a second
    #[arg(long, default_value_t = 10.0)]
    rate: f64,
    /// Extensions 201 and on take part
    #[arg(long, default_value_t = 6)]
    people: usize,
    /// `duplicates,reorder,loss,late-summary`, `none`, or with percentages: loss=5,duplicates=10,reorder=50,reach=30
    #[arg(long, default_value = "none", value_parser = Chaos::parse)]
    chaos: Chaos,
    /// What chance decides
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The names of PBXes that can be played, read as what plays them.
fn providers() -> impl TypedValueParser<Value = &'static Played> {
    let names = PLAYED.iter().map(|played| played.provider);
    PossibleValuesParser::new(names)
        .map(|name| played::find(&name).expect("only names of this list are let through"))
}

/// Which setting of an account an argument stands for, provider by provider.
fn setting_of(name: fn(&Played) -> Option<&str>) -> String {
    let named = PLAYED
        .iter()
        .filter_map(|played| Some(format!("{}: {}", played.provider, name(played)?)));
    format!(
        "The account's setting of this name: {}",
        named.collect::<Vec<_>>().join(", ")
    )
}

/// How far back the stories begin, so that their ends lie in the past too.
const PAST_MS: i64 = 3_600_000;
/// Longest time between the beginnings of two calls, if there are few.
const PAUSE_MS: i64 = 2_000;

/// Does it.
pub async fn run(arguments: Arguments) -> Result<()> {
    let mut dice = Dice::new(arguments.seed);
    let account = (arguments.provider.open)(Opening {
        account: arguments.account.clone(),
        secret: arguments.secret.clone(),
        salt: arguments.salt.clone(),
        // Runs must not meet: their calls would be taken for the same ones.
        run: flow::now().as_seconds() as u64,
    });
    let draw = Draw {
        accounts: vec![account],
        world: World::company(arguments.people.max(5), 40),
        plots: Plot::ALL.to_vec(),
        calls: arguments.calls,
        // A whole millisecond: a ledger tells no more.
        from: Timestamp::from_millis(flow::now().as_millis() - PAST_MS),
        // The last of many calls begins in the past, too.
        pause_ms: PAUSE_MS.min(PAST_MS / (arguments.calls.max(1) as i64)),
        tempo: Tempo::NATURAL,
        records: true,
        star: None,
    };
    let mut calls = draw.calls(&mut dice);
    let mut sent: Vec<Sent<Told>> = calls.iter().flat_map(|call| call.told.clone()).collect();
    sent.sort_by_key(|sent| sent.at);
    let pause = Duration::from_secs_f64(
        calls.len() as f64 / arguments.rate.max(0.001) / sent.len().max(1) as f64,
    );
    if arguments.provider.is_dialled {
        speak(&arguments, &sent, pause).await?;
    } else {
        let (arrived, maimed) = arguments.chaos.apply(&mut dice, sent);
        mark_maimed(&mut calls, &maimed);
        post(&arguments, &arrived, pause).await?;
    }
    for call in &calls {
        println!("{}", serde_json::to_string(&call.ledger)?);
    }
    Ok(())
}

/// The ledger says of which calls less may be known.
fn mark_maimed(calls: &mut [Call], maimed: &[u64]) {
    for call in calls {
        call.ledger.maimed = maimed.contains(&call.story.number);
    }
}

/// Sends messages at an even pace: who had to wait for an answer makes up for it.
struct Pace {
    due: Instant,
    pause: Duration,
}

impl Pace {
    fn new(pause: Duration) -> Self {
        let due = Instant::now();
        Self { due, pause }
    }

    async fn wait(&mut self) {
        self.due += self.pause;
        tokio::time::sleep_until(self.due.into()).await;
    }
}

async fn post(arguments: &Arguments, arrived: &[Sent<Told>], pause: Duration) -> Result<()> {
    let mut connection = Connection::open(arguments.gateway)
        .await
        .with_context(|| format!("no gateway at {}", arguments.gateway))?;
    let root = format!("/hooks/{}", arguments.account);
    let mut pace = Pace::new(pause);
    for sent in arrived {
        let Told::Post(post) = &sent.what else {
            continue;
        };
        deliver(&mut connection, arguments.gateway, &root, post).await?;
        pace.wait().await;
    }
    Ok(())
}

/// Like a provider: comes again while the gateway is away or busy.
async fn deliver(
    connection: &mut Connection,
    gateway: SocketAddr,
    root: &str,
    post: &Post,
) -> Result<()> {
    let bytes = post.bytes(root, "gateway");
    for _ in 0..50 {
        match connection.exchange(&bytes).await {
            Ok(200..300) => return Ok(()),
            Ok(503 | 429) | Err(_) => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                if let Ok(fresh) = Connection::open(gateway).await {
                    *connection = fresh;
                }
            }
            Ok(status) => bail!("the gateway answered {status}; does the secret fit?"),
        }
    }
    bail!("the gateway did not take a message in fifty tries");
}

async fn speak(arguments: &Arguments, sent: &[Sent<Told>], pause: Duration) -> Result<()> {
    let listen = arguments.listen.to_string();
    let (server, _clicks) = AmiServer::start(&listen, "ringcard", &arguments.secret)
        .await
        .with_context(|| format!("cannot listen on {listen}"))?;
    eprintln!("waiting for the gateway to log in at {}", server.address());
    while !server.is_listed() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut log = match &arguments.cel {
        None => None,
        Some(file) => Some(
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(file)
                .with_context(|| format!("{} cannot be written", file.display()))?,
        ),
    };
    let mut pace = Pace::new(pause);
    for sent in sent {
        match &sent.what {
            Told::Said(Said::Ami(block)) => {
                server.send(block);
                pace.wait().await;
            }
            Told::Said(Said::Cel(row)) => {
                if let Some(log) = &mut log {
                    std::io::Write::write_all(log, row.as_bytes())?;
                }
            }
            Told::Post(_) => {}
        }
    }
    // The last events are still on their way.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}
