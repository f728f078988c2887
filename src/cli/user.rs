//! People who sign in: the first administrator comes from here, since there are no default passwords.

use std::{io, time::Duration};

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};

use crate::{
    app::settings::Settings,
    flow,
    model::people::{Person, Role},
    policy,
    store::{
        Db, audit,
        changes::{self, By},
        leaving::{self, Handing, Named},
        people::{self, NewPerson},
        staff,
    },
    web::auth,
};

/// What the audit has in place of a browser's address.
const REMOTE: &str = "command line";

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Add a person and print a one-time sign-in link
    Add {
        /// Sign-in name
        login: String,
        /// Shown name [default: the sign-in name]
        #[arg(long)]
        name: Option<String>,
        /// What the person may do
        #[arg(long, value_enum, default_value = "manager")]
        role: RoleWord,
        /// Language of the pages: ru or en
        #[arg(long, default_value = "ru", value_parser = ["ru", "en"])]
        language: String,
    },
    /// Print a one-time sign-in link for somebody who is there
    Link {
        /// Sign-in name
        login: String,
        /// How long the link works, in minutes
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
    /// Set a password, read as one line from standard input
    Password {
        /// Sign-in name
        login: String,
    },
    /// Switch off somebody who has left: signed out at once, rung no more; what they did stays
    Off {
        /// Sign-in name
        login: String,
        /// Who gets their clients and open call-backs; several with commas, then in turns
        #[arg(long, value_name = "LOGINS", value_delimiter = ',')]
        hand_to: Vec<String>,
    },
    /// Switch somebody on again
    On {
        /// Sign-in name
        login: String,
    },
    /// List everybody
    List,
}

/// [`Role`] as an argument.
#[derive(Clone, Copy, ValueEnum)]
pub enum RoleWord {
    /// Talks with clients
    Manager,
    /// Leads a department
    Head,
    /// Reads channels and figures
    Marketer,
    /// Listens to calls
    Quality,
    /// Sees all
    Owner,
    /// Runs the installation
    Administrator,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Manager => Self::Manager,
            RoleWord::Head => Self::Head,
            RoleWord::Marketer => Self::Marketer,
            RoleWord::Quality => Self::Quality,
            RoleWord::Owner => Self::Owner,
            RoleWord::Administrator => Self::Administrator,
        }
    }
}

/// Does it.
pub async fn run(settings: Settings, command: Command) -> Result<()> {
    let db = super::opened(&settings).await?;
    match command {
        Command::Add {
            login,
            name,
            role,
            language,
        } => {
            let person = NewPerson {
                login: &login,
                name: name.as_deref().unwrap_or(&login),
                role: role.into(),
                language: &language,
            };
            if people::by_login(&db, &login).await?.is_some() {
                bail!("{login:?} is taken; `ringcard user link {login}` prints a new link");
            }
            changes::note(&db, By::Found, None, flow::now()).await?;
            people::create(&db, &person, flow::now()).await?;
            changes::note(&db, By::Command, None, flow::now()).await?;
            let person = found(&db, &login).await?;
            noted(&db, &person, "added").await?;
            println!("{}", link(&settings, &db, &person, 60).await?);
        }
        Command::Link { login, minutes } => {
            let person = found(&db, &login).await?;
            noted(&db, &person, "link").await?;
            println!("{}", link(&settings, &db, &person, minutes).await?);
        }
        Command::Password { login } => set_password(&db, &login).await?,
        Command::Off { login, hand_to } => switch_off(&db, &login, &hand_to).await?,
        Command::On { login } => {
            let person = found(&db, &login).await?;
            changes::note(&db, By::Found, None, flow::now()).await?;
            staff::switch_on(&db, person.id).await?;
            changes::note(&db, By::Command, None, flow::now()).await?;
            keep(&db, &person, "switch_on", "").await?;
        }
        Command::List => {
            for person in people::all(&db).await? {
                let state = if person.active { "" } else { "inactive" };
                let role = person.role.as_str();
                println!("{:20} {role:14} {:30} {state}", person.login, person.name);
            }
        }
    }
    db.close().await;
    Ok(())
}

async fn found(db: &Db, login: &str) -> Result<Person> {
    people::by_login(db, login)
        .await?
        .with_context(|| format!("nobody has the login {login:?}"))
}

/// A one-time sign-in link for this person.
pub async fn link(settings: &Settings, db: &Db, person: &Person, minutes: u64) -> Result<String> {
    let ttl = Duration::from_secs(minutes * 60);
    let token = auth::issue_link(db, person.id, ttl, flow::now()).await?;
    let root = settings.web.public_url.trim_end_matches('/');
    Ok(format!("{root}/sign-in/{token}"))
}

async fn set_password(db: &Db, login: &str) -> Result<()> {
    let person = found(db, login).await?;
    let mut password = String::new();
    io::stdin().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    if password.chars().count() < auth::PASSWORD_MIN || password.len() > auth::PASSWORD_MAX {
        bail!("a password has at least {} characters", auth::PASSWORD_MIN);
    }
    let hash = auth::Guard::default()
        .hash(password)
        .await
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    people::set_password_hash(db, person.id, &hash).await?;
    noted(db, &person, "password").await
}

/// Switches somebody off, and hands over what they leave, if anybody takes it; may be said again.
async fn switch_off(db: &Db, login: &str, hand_to: &[String]) -> Result<()> {
    let person = found(db, login).await?;
    let mut to = Vec::new();
    for login in hand_to {
        let taker = found(db, login).await?;
        let may = policy::reach(taker.role, policy::Action::ChangeCards).is_some();
        if !may || !taker.active || taker.id == person.id {
            bail!(
                "{login:?} cannot take clients over: switched off, leaves, or has no clients by role"
            );
        }
        to.push(named(&taker));
    }
    changes::note(db, By::Found, None, flow::now()).await?;
    if !staff::switch_off(db, person.id, flow::now()).await? {
        bail!(
            "{login:?} is the last who may run the installation: make somebody an administrator first"
        );
    }
    changes::note(db, By::Command, None, flow::now()).await?;
    if person.active {
        keep(db, &person, "switch_off", "").await?;
    }
    if to.is_empty() {
        let left = leaving::holdings(db, person.id).await?;
        println!(
            "{login} keeps {} clients and {} open call-backs; --hand-to gives them to somebody",
            left.clients, left.call_backs
        );
        return Ok(());
    }
    let handing = Handing {
        from: named(&person),
        to,
        by: None,
        remote: REMOTE.to_owned(),
        at: flow::now(),
    };
    let handed = leaving::hand_over(db, &handing).await?;
    println!(
        "handed over: {} clients, {} open call-backs",
        handed.clients, handed.call_backs
    );
    Ok(())
}

fn named(person: &Person) -> Named {
    Named {
        id: person.id,
        login: person.login.clone(),
        name: person.name.clone(),
    }
}

/// The command line leaves a trace like everybody else.
async fn noted(db: &Db, person: &Person, what: &str) -> Result<()> {
    keep(db, person, "change", what).await
}

async fn keep(db: &Db, person: &Person, action: &'static str, detail: &str) -> Result<()> {
    let entry = audit::Entry {
        person: None,
        action,
        object: &format!("person:{}", person.id.0),
        detail,
        remote: REMOTE,
    };
    audit::keep(db, &entry, flow::now()).await?;
    Ok(())
}
