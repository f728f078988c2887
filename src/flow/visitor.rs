//! Asks a PBX who the visitor of the site is whose call has just come in, where it can be asked
//! ([`Pbx::visitor`]). Beside the way of call events, which does not wait for it: what is answered goes that
//! way as a message of its own, and is a fact of the call.
//!
//! The PBX gives the number to another visitor soon, so nobody is asked about a call that is not young: an
//! answer would tell of somebody else. How old it is says the store: the message that tells of it may be any
//! of the call's, and the first one heard after a restart.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{Flow, Message};
use crate::{
    model::{
        ids::{AccountName, CallKey},
        time::Timestamp,
    },
    pbx::{Accounts, Decoded, Pbx, PbxError, VisitorOf},
    store::{Db, reconcile},
};

/// How the journal calls what was answered: it is read again like a record of the past.
pub const SOURCE: &str = "visitor";
/// The oldest call that is asked about, in milliseconds.
const YOUNG_MS: i64 = 60_000;
/// Pauses before the next try.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];
/// Calls remembered as asked about.
const REMEMBERED: usize = 10_000;

/// Who is to be asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    account: AccountName,
    of: VisitorOf,
}

impl Wanted {
    /// Everybody of whom a message of this account tells.
    pub fn of(account: &AccountName, decoded: &Decoded) -> Vec<Self> {
        let wanted = |of: &VisitorOf| Self {
            account: account.clone(),
            of: of.clone(),
        };
        decoded.visitors.iter().map(wanted).collect()
    }
}

/// Asks for every visitor that messages tell of.
pub async fn run(
    accounts: Accounts,
    flow: Flow,
    db: Db,
    mut wanted: Receiver<Wanted>,
    clock: fn() -> Timestamp,
) {
    let mut asked: HashSet<(AccountName, CallKey)> = HashSet::new();
    loop {
        let Wanted { account, of } = match wanted.recv().await {
            Ok(one) => one,
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "visitors were not asked for: too many at once");
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        let Some(pbx) = accounts.get(&account) else {
            continue;
        };
        if asked.len() >= REMEMBERED {
            asked.clear();
        }
        // Every message of a call says so.
        if asked.insert((account.clone(), of.call.clone())) {
            let (flow, db) = (flow.clone(), db.clone());
            tokio::spawn(async move {
                let Some(began) = began(&db, &account, &of.call).await else {
                    return;
                };
                if let Err(error) = one(&flow, &pbx, &account, &of, began, clock).await {
                    tracing::info!(%account, %error, "nobody told who the visitor of a call is");
                }
            });
        }
    }
}

/// When a call began of which nobody has told yet who the visitor is.
async fn began(db: &Db, account: &AccountName, call: &CallKey) -> Option<Timestamp> {
    match reconcile::by_key(db, account, call).await {
        Ok(stored) => stored
            .map(|stored| stored.call)
            .filter(|call| call.tracking.is_empty())
            .map(|call| call.started_at),
        Err(error) => {
            tracing::warn!(%account, %error, "no visitor was asked for: the call could not be read");
            None
        }
    }
}

/// Asks, again if that may help, as long as the call is young.
async fn one(
    flow: &Flow,
    pbx: &Arc<dyn Pbx>,
    account: &AccountName,
    of: &VisitorOf,
    began: Timestamp,
    clock: fn() -> Timestamp,
) -> Result<(), PbxError> {
    let mut pauses = PAUSES.iter();
    let told = loop {
        if clock().millis_since(began) > YOUNG_MS {
            return Err(PbxError::NotThere);
        }
        let error = match pbx.visitor(of).await {
            Ok(Some(told)) => break told,
            Ok(None) | Err(PbxError::Unsupported) => return Ok(()),
            Err(error) => error,
        };
        let may_help = matches!(
            error,
            PbxError::Unreachable | PbxError::Unreadable(_) | PbxError::Throttled { .. }
        );
        match pauses.next().filter(|_| may_help) {
            Some(pause) => tokio::time::sleep(*pause).await,
            None => return Err(error),
        }
    };
    let message = Message {
        account: account.clone(),
        source: SOURCE,
        received_at: clock(),
        raw: told.raw,
    };
    let decoded = Decoded {
        events: told.events,
        ..Decoded::default()
    };
    let taken = flow.receive(message, decoded, told.error.as_ref()).await;
    taken.map(|_| ()).map_err(|_| PbxError::Unreachable)
}
