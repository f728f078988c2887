//! Clicks to call at a real Asterisk that come to nothing: the call is known all the same.

use ringcard::{
    model::{
        call::CallResult,
        event::Direction,
        ids::{AccountName, Extension},
    },
    pbx::Command,
    store::journal,
};

use crate::support::{
    asterisk::{ACCOUNT, Scenario},
    office::Office,
};

const CLIENT: &str = "+74950000077";

/// Clicks as a page does, with an id that the story knows.
async fn click(office: &Office, command: &str, extension: &str) {
    let command = Command::ClickToCall {
        command: command.to_owned(),
        extension: Extension::from(extension),
        client: CLIENT.to_owned(),
    };
    let site = office.gateway.gateway().site();
    site.commands
        .command(&AccountName::from(ACCOUNT), command)
        .await
        .expect("Asterisk takes the command");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_whose_employee_never_answers_is_one_outgoing_call() {
    let office = Office::open().await;
    let _anna = office.lab.phone(101, Scenario::rings());
    click(&office, "click-1", "101").await;
    let call = office.until_over().await;
    assert_eq!(call.direction, Some(Direction::Out));
    assert_eq!(call.result, Some(CallResult::Abandoned));
    assert_eq!(
        call.client.as_ref().and_then(|client| client.e164()),
        Some(CLIENT)
    );
    let [own] = call.legs.as_slice() else {
        panic!("one leg: {:?}", call.legs);
    };
    assert_eq!(
        (own.initiator, own.extension()),
        (true, Some(&"101".into()))
    );
    assert!(own.rang_at.is_some() && own.answered_at.is_none());
    // Our id of the command and Asterisk's name of the channel are one call.
    let by_command = journal::by_key(office.gateway.db(), ACCOUNT, "click-1").await;
    let by_channel = journal::by_key(office.gateway.db(), ACCOUNT, "ringcard-click-1").await;
    let by_command = by_command.expect("the journal can be read");
    assert!(by_command.is_some());
    assert_eq!(by_command, by_channel.expect("the journal can be read"));
    assert_eq!(office.calls().await, 1);
    office.close().await;
}
