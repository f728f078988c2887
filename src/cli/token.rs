//! Tokens of the API: made, listed and ended. A token is printed once; only its hash is kept.

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Subcommand};

use super::user::RoleWord;
use crate::{
    app::settings::Settings,
    flow,
    model::{people::Role, time::Timestamp},
    store::{
        Db, audit, people,
        tokens::{self, Holder, NewToken, Token},
    },
    web::api::{
        caller::mint,
        scope::{Scope, Scopes},
    },
};

const DAY_MS: i64 = 86_400_000;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Make a token and print it; it cannot be shown again
    #[command(group(ArgGroup::new("holder").required(true).args(["person", "service"])))]
    Add {
        /// What people call it
        name: String,
        /// Sign-in name of the person whose rights it has
        #[arg(long)]
        person: Option<String>,
        /// The role whose rights it has, for a program that is nobody
        #[arg(long, value_enum)]
        service: Option<RoleWord>,
        /// What it is for, one word each time; `ringcard token scopes` lists them
        #[arg(long = "scope", required = true)]
        scopes: Vec<String>,
        /// How many days it works [default: for ever]
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=36_500))]
        days: Option<i64>,
    },
    /// List tokens: whose, what for, and when they were last used
    List,
    /// End a token for good
    Revoke {
        /// Its number in the list
        id: i64,
    },
    /// List what tokens can be for
    Scopes,
}

/// Does it.
pub async fn run(settings: Settings, command: Command) -> Result<()> {
    if let Command::Scopes = command {
        Scope::ALL
            .iter()
            .for_each(|scope| println!("{}", scope.as_str()));
        return Ok(());
    }
    let db = super::opened(&settings).await?;
    match command {
        Command::Add {
            name,
            person,
            service,
            scopes,
            days,
        } => {
            let holder = holder(&db, person.as_deref(), service).await?;
            let scopes = Scopes::parse(&scopes).map_err(|word| {
                anyhow::anyhow!("{word:?} is no scope; `ringcard token scopes` lists them")
            })?;
            let ends = days.map(|days| flow::now().plus_millis(days * DAY_MS));
            println!("{}", add(&db, &name, holder, &scopes, ends).await?);
        }
        Command::List => {
            for token in tokens::list(&db, None).await? {
                println!("{}", line(&token));
            }
        }
        Command::Revoke { id } => {
            if !tokens::revoke(&db, id, flow::now()).await? {
                bail!("there is no token {id}, or it has ended");
            }
            noted(&db, id, "revoked").await?;
        }
        Command::Scopes => {}
    }
    db.close().await;
    Ok(())
}

async fn holder(db: &Db, person: Option<&str>, service: Option<RoleWord>) -> Result<Holder> {
    if let Some(role) = service.map(Role::from) {
        if !role.reaches_beyond_itself() {
            bail!("a service has neither calls nor a department of its own: take another role");
        }
        return Ok(Holder::Service(role));
    }
    let login = person.unwrap_or_default();
    let person = people::by_login(db, login).await?;
    let person = person.with_context(|| format!("nobody has the login {login:?}"))?;
    Ok(Holder::Person(person.id))
}

async fn add(
    db: &Db,
    name: &str,
    holder: Holder,
    scopes: &Scopes,
    expires_at: Option<Timestamp>,
) -> Result<String> {
    let minted = mint();
    let token = NewToken {
        name,
        holder,
        scopes: &scopes.words(),
        hash: &minted.hash,
        hint: &minted.hint,
        created_by: None,
        expires_at,
    };
    let id = tokens::create(db, &token, flow::now()).await?;
    noted(db, id, "added").await?;
    Ok(minted.token)
}

fn line(token: &Token) -> String {
    let day = |at: Option<i64>| {
        at.map_or_else(
            || "never".to_owned(),
            |at| Timestamp::from_micros(at).rfc3339()[..10].to_owned(),
        )
    };
    let role = token.role.as_deref().unwrap_or_default();
    let holder = token.person_name.clone();
    let holder = holder.unwrap_or_else(|| format!("service: {role}"));
    let state = match token.revoked_at {
        Some(at) => format!("revoked {}", day(Some(at))),
        None => format!(
            "ends {}, used {}",
            day(token.expires_at),
            day(token.used_at)
        ),
    };
    format!(
        "{:4} {}… {:24} {holder:24} {state:32} {}",
        token.id, token.hint, token.name, token.scopes
    )
}

/// The command line leaves a trace like everybody else.
async fn noted(db: &Db, id: i64, what: &str) -> Result<()> {
    let entry = audit::Entry {
        person: None,
        action: "change",
        object: &format!("token:{id}"),
        detail: what,
        remote: "command line",
    };
    audit::keep(db, &entry, flow::now()).await?;
    Ok(())
}
