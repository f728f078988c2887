//! Channels by rule, on both engines: kept beside the calls, right whatever changes and in whatever order,
//! and moved by changed rules portion by portion.

use ringcard::{
    model::event::{Cause, Fact},
    store::{
        channel_rules::{self, Wanted},
        figures::{self, Of},
        writer::{Settings, Submission, Writer},
    },
};

use super::{
    read::{count, people, run, text},
    told::{Told, event, message},
};
use crate::{on_both_engines, support::base::Base};

on_both_engines!(
    changed_rules_reach_the_past_portion_by_portion,
    the_channel_follows_visit_and_call_in_whatever_order,
    what_stands_otherwise_is_found_and_repaired,
);

/// Numbers of clients.
const CLIENTS: [&str; 4] = [
    "+74950000011",
    "+74950000012",
    "+74950000013",
    "+74950000014",
];
/// The channels of the stories.
const MAPS: i64 = 1;
const SOCIAL: i64 = 2;

async fn start(base: &Base) -> Writer {
    people(&base.db).await;
    run(
        &base.db,
        "insert into channel (id, name) values (1, 'Maps'), (2, 'Social')",
    )
    .await;
    Writer::start(base.db.clone(), 1, &Settings::default())
}

async fn send(writer: &Writer, messages: impl IntoIterator<Item = Submission>) {
    for message in messages {
        writer.commit(message).await.unwrap();
    }
}

/// The PBX says with the call where its client came from.
fn came_from(key: &str, at: i64, source: &str) -> Submission {
    let fields = [("utm_source".to_owned(), source.to_owned())];
    let fact = Fact::Tracking {
        fields: fields.into(),
    };
    message(vec![event(key, at, "", source, fact)])
}

/// A call that was answered, and where its client came from.
async fn told(writer: &Writer, (key, client): (&str, &str), at: i64, source: &str) {
    let call = Told::incoming(key, client, at);
    send(writer, call.answered("201")).await;
    send(writer, [came_from(key, at, source)]).await;
}

async fn rule(base: &Base, source: &str, channel: i64) {
    let wanted = Wanted {
        source: source.to_owned(),
        ..Wanted::default()
    };
    assert!(
        channel_rules::add(&base.db, &wanted, channel)
            .await
            .unwrap()
    );
}

/// Applies changed rules to all visits, and says in how many portions.
async fn apply(base: &Base, at_most: i64) -> usize {
    let mut portions = 1;
    while channel_rules::apply(&base.db, at_most).await.unwrap() {
        portions += 1;
    }
    portions
}

/// Channels of the calls as they are kept, by key.
async fn kept(base: &Base) -> String {
    const SQL: &str = "select c.call_key || cast(r.channel as text) as kept from call_channel r \
        join call c on c.id = r.call order by c.call_key";
    let rows: Vec<(String,)> = ringcard::on_read!(&base.db, pool => {
        sqlx::query_as(SQL).fetch_all(pool).await.unwrap()
    });
    let rows: Vec<String> = rows.into_iter().map(|(row,)| row).collect();
    rows.join(" ")
}

async fn is_right(base: &Base) {
    let checked = figures::check(&base.db, false).await.unwrap();
    assert_eq!(checked.differences, []);
}

async fn changed_rules_reach_the_past_portion_by_portion(base: Base) {
    let writer = start(&base).await;
    for (n, (key, client)) in ["a", "b", "c", "d"].into_iter().zip(CLIENTS).enumerate() {
        told(&writer, (key, client), 100 * n as i64, "vk").await;
    }
    assert!(!channel_rules::is_waiting(&base.db).await.unwrap());
    rule(&base, "vk", SOCIAL).await;
    assert!(channel_rules::is_waiting(&base.db).await.unwrap());
    assert_eq!(kept(&base).await, "");
    assert!(channel_rules::apply(&base.db, 1).await.unwrap());
    assert_eq!(kept(&base).await, "d2", "the newest first");
    is_right(&base).await;
    // A rule that changes meanwhile begins anew; what is told meanwhile has its channel at once.
    told(&writer, ("e", CLIENTS[0]), 400, "vkontakte").await;
    rule(&base, "v*", MAPS).await;
    told(&writer, ("f", CLIENTS[1]), 500, "vk").await;
    assert_eq!(kept(&base).await, "d2 f2");
    assert_eq!(apply(&base, 2).await, 4, "six visits, and no seventh");
    assert_eq!(kept(&base).await, "a2 b2 c2 d2 e1 f2");
    assert!(!channel_rules::is_waiting(&base.db).await.unwrap());
    is_right(&base).await;

    let rules = channel_rules::all(&base.db).await.unwrap();
    assert!(channel_rules::raise(&base.db, rules[1].id).await.unwrap());
    assert!(!channel_rules::raise(&base.db, rules[1].id).await.unwrap());
    apply(&base, 100).await;
    assert_eq!(kept(&base).await, "a1 b1 c1 d1 e1 f1");
    for rule in rules {
        assert!(channel_rules::remove(&base.db, rule.id).await.unwrap());
        assert!(!channel_rules::remove(&base.db, rule.id).await.unwrap());
    }
    apply(&base, 100).await;
    assert_eq!(kept(&base).await, "");
    is_right(&base).await;
}

async fn the_channel_follows_visit_and_call_in_whatever_order(base: Base) {
    let writer = start(&base).await;
    rule(&base, "vk", SOCIAL).await;
    rule(&base, "larch", MAPS).await;
    apply(&base, 10).await;
    // Told while it rings: it counts once it is over.
    let call = Told::incoming("a", CLIENTS[0], 100);
    send(&writer, [message(vec![call.parties()])]).await;
    send(&writer, [came_from("a", 100, "vk")]).await;
    assert_eq!(kept(&base).await, "a2");
    const COUNTED: &str = "select count(*) from call_channel where counted = 1";
    let counted = async || count(&base.db, COUNTED).await;
    assert_eq!(counted().await, 0);
    is_right(&base).await;
    for message in call.answered("201") {
        send(&writer, [message]).await;
        is_right(&base).await;
    }
    assert_eq!(counted().await, 1);
    is_right(&base).await;
    // A fact that comes late moves its start, and with it its day.
    let days = "select count(*) from call_channel where started_at / 86400000000 \
        = (select min(at) / 86400000000 from visit)";
    let before = count(&base.db, days).await;
    send(&writer, [message(call.rings("202", -90_000))]).await;
    assert_eq!((before, count(&base.db, days).await), (1, 0));
    is_right(&base).await;
    // A better word of where the client came from takes it elsewhere.
    run(&base.db, "update visit set source = 'larch'").await;
    assert_eq!(kept(&base).await, "a1");
    run(
        &base.db,
        "insert into visit (account, visit, at, told_at, client, hints, stage, source, medium, campaign, \
         term, fields, call, confidence, state) select 'ads', 'better', at - 1, told_at, client, hints, 0, \
         'vk', '', '', '', '{}', call, 1, 'joined' from visit",
    )
    .await;
    assert_eq!(
        kept(&base).await,
        "a2",
        "the earlier of two equally sure ones"
    );
    is_right(&base).await;
    run(&base.db, "delete from visit where account = 'ads'").await;
    assert_eq!(kept(&base).await, "a1");
    run(&base.db, "delete from visit").await;
    assert_eq!(kept(&base).await, "");
    is_right(&base).await;
    // Two calls that turn out to be one have one channel.
    for (key, client) in [("b", CLIENTS[1]), ("c", CLIENTS[1])] {
        let call = Told::incoming(key, client, 500);
        send(&writer, call.answered("202")).await;
    }
    send(&writer, [came_from("c", 500, "vk")]).await;
    assert_eq!(kept(&base).await, "c2");
    let same = Fact::SameCall { with: "c".into() };
    send(&writer, [message(vec![event("b", 501, "", "same", same)])]).await;
    assert_eq!(count(&base.db, "select count(*) from call").await, 2);
    assert_eq!(kept(&base).await, "b2");
    is_right(&base).await;
    let missed = Told::incoming("d", CLIENTS[2], 900);
    send(&writer, [came_from("d", 900, "vk")]).await;
    send(&writer, missed.missed("203")).await;
    let late = message(vec![missed.ends("202", 930, Cause::NoAnswer)]);
    send(&writer, [late]).await;
    let shown = "select cast(missed as text) from call_channel r join call c on c.id = r.call \
        where c.call_key = 'd'";
    assert_eq!(text(&base.db, shown).await.as_deref(), Some("1"));
    is_right(&base).await;
}

async fn what_stands_otherwise_is_found_and_repaired(base: Base) {
    let writer = start(&base).await;
    rule(&base, "vk", SOCIAL).await;
    apply(&base, 10).await;
    for (key, client) in ["a", "b"].into_iter().zip(CLIENTS) {
        told(&writer, (key, client), 100, "vk").await;
    }
    is_right(&base).await;
    run(
        &base.db,
        "delete from call_channel where call = (select id from call where call_key = 'a')",
    )
    .await;
    run(&base.db, "update call_channel set talk_ms = 1").await;
    let found = figures::check(&base.db, true).await.unwrap().differences;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].of, Of::Ruled(2));
    assert_eq!(kept(&base).await, "a2 b2");
    is_right(&base).await;
}
