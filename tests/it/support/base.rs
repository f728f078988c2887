//! A database of its own for one test, on either engine.

use std::path::PathBuf;

use ringcard::store::{Db, Settings};

use super::postgres;

/// An open, migrated database.
pub struct Base {
    /// The database.
    pub db: Db,
    folder: Option<PathBuf>,
    url: String,
}

impl Base {
    /// A SQLite file in a folder of its own.
    pub async fn sqlite() -> Self {
        let folder = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:{}", folder.join("t.db").display());
        Self::open(url, Some(folder)).await
    }

    /// The SQLite file at this address, which whoever made it removes.
    pub async fn at(url: &str) -> Self {
        Self::open(url.to_owned(), None).await
    }

    /// A database of the test run's PostgreSQL.
    pub async fn postgres() -> Self {
        Self::open(postgres::new_database().await, None).await
    }

    async fn open(url: String, folder: Option<PathBuf>) -> Self {
        let db = Db::open(&settings(&url)).await.unwrap();
        db.migrate().await.unwrap();
        Self { db, folder, url }
    }

    /// The address of the server's own database, on PostgreSQL.
    pub fn server_url(&self) -> String {
        self.url.replace(&self.database_name(), "postgres")
    }

    /// The name of this database, on PostgreSQL.
    pub fn database_name(&self) -> String {
        let after = self
            .url
            .rsplit_once("localhost/")
            .map_or("", |(_, name)| name);
        after.split('?').next().unwrap_or_default().to_owned()
    }

    /// Another set of connections to the same database, as another node or tool has.
    pub async fn another(&self) -> Db {
        Db::open(&settings(&self.url)).await.unwrap()
    }
}

fn settings(url: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        ..Settings::default()
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // A file still open elsewhere does not keep the folder on Unix.
            _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Makes two tests of one story, one for each engine.
#[macro_export]
macro_rules! on_both_engines {
    ($($story:ident),* $(,)?) => {$(
        mod $story {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$story($crate::support::base::Base::sqlite().await).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$story($crate::support::base::Base::postgres().await).await;
            }
        }
    )*};
}
