//! `ringcard simulate`: plays a PBX against a gateway that runs, through the same sockets as a real one,
//! and prints a line of JSON for each call: what must be found of it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::{
    flow,
    simulator::{
        ami::{Asterisk, Said},
        ami_server::AmiServer,
        chaos::Chaos,
        connection::Connection,
        dice::Dice,
        itoolabs::Itoolabs,
        mango::Mango,
        message::{Post, Sent},
        office::{Account, Draw, Told},
        onlinepbx::OnlinePbx,
        sipuni::Sipuni,
        story::{Plot, Tempo, World},
        uis::Uis,
        zadarma::Zadarma,
    },
};

/// Which PBX, how many calls and what goes wrong.
#[derive(clap::Args)]
pub struct Arguments {
    /// Which PBX is played
    #[arg(long, value_enum)]
    provider: Provider,
    /// Name of the account in the gateway's configuration
    #[arg(long)]
    account: String,
    /// The gateway's address
    #[arg(long, default_value = "127.0.0.1:8080")]
    gateway: SocketAddr,
    /// Mango: vpbx_api_key; Sipuni, UIS and OnlinePBX: token; Zadarma: api_secret; ITooLabs: crm_token; Asterisk: secret of
    /// the user `ringcard`
    #[arg(long, env = "RINGCARD_SIMULATE_SECRET")]
    secret: String,
    /// Mango: vpbx_api_salt; Zadarma: token
    #[arg(long, env = "RINGCARD_SIMULATE_SALT", default_value = "")]
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

/// PBXes that can be played.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Provider {
    Mango,
    Sipuni,
    Uis,
    Zadarma,
    Itoolabs,
    #[value(name = "onlinepbx")]
    OnlinePbx,
    Asterisk,
}

/// How far back the stories begin, so that their ends lie in the past too.
const PAST_MS: i64 = 3_600_000;

/// Does it.
pub async fn run(arguments: Arguments) -> Result<()> {
    let mut dice = Dice::new(arguments.seed);
    let draw = Draw {
        accounts: vec![account(&arguments)],
        world: World::company(arguments.people.max(5), 40),
        plots: Plot::ALL.to_vec(),
        calls: arguments.calls,
        from: flow::now().plus_millis(-PAST_MS),
        pause_ms: 2_000,
        tempo: Tempo::NATURAL,
        records: true,
        star: None,
    };
    let calls = draw.calls(&mut dice);
    let mut sent: Vec<Sent<Told>> = calls.iter().flat_map(|call| call.told.clone()).collect();
    sent.sort_by_key(|sent| sent.at);
    let pause = Duration::from_secs_f64(
        calls.len() as f64 / arguments.rate.max(0.001) / sent.len().max(1) as f64,
    );
    if arguments.provider == Provider::Asterisk {
        speak(&arguments, &sent, pause).await?;
    } else {
        let (arrived, maimed) = arguments.chaos.apply(&mut dice, sent);
        post(&arguments, &arrived, pause).await?;
        if !maimed.is_empty() {
            eprintln!("calls that lost messages: {maimed:?}");
        }
    }
    for call in &calls {
        println!("{}", serde_json::to_string(&call.ledger)?);
    }
    Ok(())
}

fn account(arguments: &Arguments) -> Account {
    let account = arguments.account.clone();
    // Runs must not meet: their calls would be taken for the same ones.
    let run = flow::now().as_seconds() as u64;
    match arguments.provider {
        Provider::Mango => Account::Mango(Mango {
            account,
            key: arguments.secret.clone(),
            salt: arguments.salt.clone(),
            run,
        }),
        Provider::Sipuni => Account::Sipuni(Sipuni {
            account,
            token: arguments.secret.clone(),
            records: "https://records.invalid/record".to_owned(),
            run,
        }),
        Provider::Uis => Account::Uis(Uis {
            account,
            token: arguments.secret.clone(),
            records: "https://records.invalid/talk".to_owned(),
            run,
        }),
        Provider::Zadarma => Account::Zadarma(Zadarma {
            account,
            token: arguments.salt.clone(),
            secret: arguments.secret.clone(),
            run,
        }),
        Provider::Itoolabs => Account::Itoolabs(Itoolabs {
            account,
            token: arguments.secret.clone(),
            records: "https://records.invalid".to_owned(),
            run,
        }),
        Provider::OnlinePbx => Account::OnlinePbx(OnlinePbx {
            account,
            token: arguments.secret.clone(),
            records: "https://records.invalid".to_owned(),
            run,
        }),
        Provider::Asterisk => Account::Asterisk(Asterisk {
            account,
            trunk: "trunk".to_owned(),
            recordings: "/var/spool/asterisk/monitor".to_owned(),
            run,
        }),
    }
}

async fn post(arguments: &Arguments, arrived: &[Sent<Told>], pause: Duration) -> Result<()> {
    let mut connection = Connection::open(arguments.gateway)
        .await
        .with_context(|| format!("no gateway at {}", arguments.gateway))?;
    let root = format!("/hooks/{}", arguments.account);
    for sent in arrived {
        let Told::Post(post) = &sent.what else {
            continue;
        };
        deliver(&mut connection, arguments.gateway, &root, post).await?;
        tokio::time::sleep(pause).await;
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
    while server.listeners() == 0 {
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
    for sent in sent {
        match &sent.what {
            Told::Said(Said::Ami(block)) => {
                server.send(block);
                tokio::time::sleep(pause).await;
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
