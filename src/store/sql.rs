//! SELECTs whose conditions depend on what is asked for: text and bound values grow together, so that
//! nothing typed by anybody ever becomes SQL.

use uuid::Uuid;

/// SQL under construction; every value is bound.
#[derive(Default)]
pub struct Sql {
    /// The text so far.
    pub text: String,
    /// Values in the order of their places.
    pub values: Vec<Bound>,
}

/// A bound value.
#[derive(Clone, Debug)]
pub enum Bound {
    /// A number.
    Int(i64),
    /// A text.
    Text(String),
    /// An id.
    Id(Uuid),
}

impl Sql {
    /// Adds text.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a place for a value.
    pub fn bind(&mut self, value: Bound) -> &mut Self {
        self.values.push(value);
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }
}

/// Runs a built query on either engine and gives all rows.
macro_rules! fetch_all {
    ($db:expr, $sql:expr) => {{
        let sql: $crate::store::sql::Sql = $sql;
        $crate::on_read!($db, pool => {
            let mut query = sqlx::query_as(sqlx::AssertSqlSafe(sql.text));
            for value in sql.values {
                query = match value {
                    $crate::store::sql::Bound::Int(value) => query.bind(value),
                    $crate::store::sql::Bound::Text(value) => query.bind(value),
                    $crate::store::sql::Bound::Id(value) => query.bind(value),
                };
            }
            query.fetch_all(pool).await?
        })
    }};
}
pub(super) use fetch_all;
