//! Commands of people to a PBX: carried out, and told as facts.
//!
//! A command that the PBX has taken is a fact of the call it makes: whose call it is, which way it goes
//! and whom it calls are then known before any phone rings, and stay known if none ever does. A command
//! that was refused makes no call. Leaves out who may command (`web`) and how (the adapter).

use super::Flow;
use crate::{
    model::{
        event::{CallEvent, Clock, Fact},
        ids::{AccountName, CallKey, FactId},
        phone::Number,
        time::Timestamp,
    },
    pbx::{Command, Pbx, PbxError},
};

impl Flow {
    /// Carries out a command and tells that it was sent. The PBX's own events name the call by our id of
    /// the command, where it can carry one; so the fact and they are one call, in any order.
    pub async fn command(
        &self,
        account: &AccountName,
        pbx: &dyn Pbx,
        command: &Command,
        now: Timestamp,
    ) -> Result<(), PbxError> {
        pbx.command(command).await?;
        let told = self
            .tell(
                account.clone(),
                "command",
                vec![sent(account, command, now)],
                now,
            )
            .await;
        if let Err(error) = told {
            // The phone rings already: the call goes on as the PBX tells it.
            tracing::warn!(%account, %error, "a command was carried out and could not be noted");
        }
        Ok(())
    }
}

fn sent(account: &AccountName, command: &Command, at: Timestamp) -> CallEvent {
    let Command::ClickToCall {
        command,
        extension,
        client,
    } = command;
    CallEvent {
        account: account.clone(),
        call: CallKey::from(command.as_str()),
        leg: None,
        at,
        clock: Clock::Exact,
        id: FactId::from(format!("{command}/sent")),
        fact: Fact::CommandSent {
            command: command.clone(),
            what: "click_to_call".to_owned(),
            extension: Some(extension.clone()),
            client: Some(Number::E164 {
                e164: client.clone(),
                ext: None,
            }),
        },
    }
}
