//! Has the running gateway read its configuration anew, and says what came of it.
//!
//! The wish goes by the database, which both can reach wherever they run; the gateway reads its own file
//! with its own environment.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{
    app::settings::Settings,
    config::{Problem, Problems},
    store::settings as values,
    web::configuration::{Reloaded, WISH},
};

/// How long to wait.
#[derive(clap::Args)]
pub struct Arguments {
    /// How long to wait for the gateway, in seconds
    #[arg(long, default_value_t = 30)]
    wait: u64,
}

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Does it; fails with the problems if the gateway has found any.
pub async fn run(settings: Settings, arguments: Arguments) -> Result<()> {
    let db = super::opened(&settings).await?;
    let wish = uuid::Uuid::now_v7().to_string();
    values::set(&db, WISH, &wish)
        .await
        .context("the database")?;
    let began = Instant::now();
    let read = loop {
        match Reloaded::kept(&db).await.context("the database")? {
            Some(read) if read.wish == wish => break read,
            _ if began.elapsed() >= Duration::from_secs(arguments.wait) => {
                bail!(
                    "no gateway has answered in {} s: does it run on this database?",
                    arguments.wait
                )
            }
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    };
    db.close().await;
    if !read.problems.is_empty() {
        let problems = read.problems.into_iter();
        let problems = problems.map(|(key, text)| Problem { key, text });
        return Err(Problems(problems.collect()).into());
    }
    match read.accounts.is_empty() {
        true => println!("taken over; accounts are as they were"),
        false => println!("taken over; accounts: {}", read.accounts.join(", ")),
    }
    if !read.restart.is_empty() {
        println!("waits for a restart: {}", read.restart.join(", "));
    }
    Ok(())
}
