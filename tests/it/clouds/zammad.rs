//! A PBX that takes Ringcard for Zammad: it posts, asks with a new call, and has nothing that could be asked.

use ringcard::{
    model::call::CallResult,
    simulator::{
        push::PLOTS,
        story::{Plot, Story},
        zammad::Zammad,
    },
};
use serde_json::{Value, json};

use super::{
    alike::{told_at_once, told_without_times},
    anna_clicks, block_roza, calls, host, office,
};
use crate::{
    pages::office::{CLIENT, Office},
    support::{gateway::answer, scripted::eventually},
};

const TOKEN: &str = "Rowan-token-1Qz7";

fn product() -> Zammad {
    Zammad {
        account: "desk".to_owned(),
        token: TOKEN.to_owned(),
        run: 1,
    }
}

/// An office whose PBX is known by this table, and more of it.
async fn told(more: &str) -> Office {
    let table = format!("[[pbx]]\nname = 'desk'\ntype = 'zammad'\ntoken = '{TOKEN}'\n{more}\n");
    office(&table).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_pbx_posts_stands_in_the_journal_and_strangers_get_nothing_in() {
    let office = told("").await;
    let tell = |story: &Story| product().tell(story);
    told_without_times((&office, "desk"), &PLOTS, tell, |story| {
        product().ledger(story)
    })
    .await;
    let count = calls(&office).await.len();
    let newcomer = product().event(
        &told_at_once(Plot::Answered, 77),
        json!({"event": "newCall"}),
    );
    for (path, body, status) in [
        ("/hooks/desk/Rowan-token-1Qz8", newcomer.body.as_str(), 404),
        ("/hooks/desk", &newcomer.body, 404),
        (
            &format!("/hooks/desk/{TOKEN}"),
            "{\"event\": \"newCall\"}",
            400,
        ),
    ] {
        assert_eq!(
            office.gateway.post(path, body.to_owned()).await.status,
            status,
            "{path}"
        );
    }
    assert_eq!(calls(&office).await.len(), count);
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_answers_later_has_got_the_client_passed_on() {
    let office = told("").await;
    let hook = office.gateway.url("/hooks/desk");
    let (client, told) = (host::client(), told_at_once(Plot::Answered, 5));
    let say = async |said: Value| {
        host::post(&client, &hook, &product().event(&told, said)).await;
    };
    say(json!({"event": "newCall", "user": "201"})).await;
    say(json!({"event": "answer", "user": "201"})).await;
    say(json!({"event": "answer", "user": "202"})).await;
    let all = calls(&office).await;
    assert_eq!(all[0].1.talking, ["202".into()]);
    say(json!({"event": "hangup", "cause": "normalClearing"})).await;
    let all = calls(&office).await;
    assert_eq!(
        (all.len(), all[0].1.result),
        (1, Some(CallResult::Answered))
    );
    assert_eq!(all[0].1.answered_by, Some("201".into()));
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_to_a_new_call_names_the_responsible_one_or_turns_the_caller_away() {
    let more = "route_calls = true\nnames_target = true\n[pbx.users]\n'Anna' = '201'";
    let office = told(more).await;
    // Makes Roza's card, and Anna responsible; there is nobody who could be told to ring.
    assert_eq!(anna_clicks(&office, "desk").await, 422);
    office.gateway.gateway().desk().refresh_now().await;
    // A slow machine may miss the time for looking up; a call asked about again would be given the answer
    // that it was given, so each question is of another call.
    let asked = std::cell::Cell::new(0);
    let ask = async |client: &str| {
        asked.set(asked.get() + 1);
        let mut told = told_at_once(Plot::Answered, asked.get());
        told.client = Some(client.to_owned());
        let post = product().event(&told, json!({"event": "newCall", "user": "Boris"}));
        let url = office.gateway.url(&format!("/hooks/desk{}", post.target));
        let said = answer(office.gateway.client.post(url).body(post.body)).await;
        assert_eq!(said.status, 200);
        serde_json::from_str::<Value>(&said.text).unwrap()
    };
    eventually("the responsible manager is named", async || {
        let said = ask(CLIENT).await;
        (&said["action"], &said["target"]) == (&"dial".into(), &"Anna".into())
    })
    .await;
    assert_eq!(ask("+74950000098").await, json!({}));
    block_roza(&office).await;
    let refused = json!({"action": "reject", "reason": "busy"});
    eventually("the caller hears busy", async || {
        office.gateway.gateway().desk().refresh_now().await;
        ask(CLIENT).await == refused
    })
    .await;
    office.close().await;
}
