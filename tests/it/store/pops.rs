//! The life of pops, told in batches.

use ringcard::{
    model::ids::{CallId, PersonId},
    store::{
        pops::{self, News, What},
        writer::{Settings, Writer},
    },
};
use uuid::Uuid;

use super::{
    read::{count, people},
    told::{Told, moment},
};
use crate::{on_both_engines, support::base::Base};

on_both_engines!(news_of_pops_add_up_over_batches, the_first_delivery_counts);

/// Two calls that ring, by their ids.
async fn two_calls(base: &Base) -> [CallId; 2] {
    people(&base.db).await;
    let writer = Writer::start(base.db.clone(), 1, &Settings::default());
    for key in ["1", "2"] {
        for message in Told::incoming(key, "+74950000011", 0).answered("201") {
            writer.commit(message).await.unwrap();
        }
    }
    let sql = "select id from call order by call_key";
    let ids: Vec<(Uuid,)> = ringcard::on_read!(&base.db, pool => {
        sqlx::query_as(sql).fetch_all(pool).await
    })
    .unwrap();
    [CallId(ids[0].0), CallId(ids[1].0)]
}

fn decided(second: i64) -> What {
    What::Decided {
        reason: "rung",
        received_at: moment(second),
        at: moment(second + 1),
    }
}

fn news(call: CallId, person: i64, what: What) -> News {
    let person = PersonId(person);
    News { call, person, what }
}

async fn news_of_pops_add_up_over_batches(base: Base) {
    let [call, other] = two_calls(&base).await;
    let first = [
        news(call, 1, decided(10)),
        news(call, 1, What::Delivered(moment(12))),
        news(other, 1, decided(20)),
        news(other, 1, What::Withdrawn(moment(25), "over")),
    ];
    pops::keep(&base.db, &first).await.unwrap();
    let second = [
        news(call, 1, What::Painted(moment(13))),
        news(call, 1, What::Delivered(moment(14))),
        news(call, 1, What::Withdrawn(moment(15), "over")),
        news(other, 1, decided(30)),
    ];
    pops::keep(&base.db, &second).await.unwrap();

    let pop = &pops::of_call(&base.db, call).await.unwrap()[0];
    assert_eq!(pop.received_at, moment(10).as_micros());
    assert_eq!(pop.decided_at, moment(11).as_micros());
    assert_eq!(pop.delivered_at, Some(moment(12).as_micros()));
    assert_eq!(pop.painted_at, Some(moment(13).as_micros()));
    assert_eq!(pop.withdrawn_at, Some(moment(15).as_micros()));
    assert_eq!(pop.withdrawn_why.as_deref(), Some("over"));

    let other = &pops::of_call(&base.db, other).await.unwrap()[0];
    assert_eq!(other.received_at, moment(20).as_micros(), "the first one");
    assert_eq!(other.withdrawn_at, None, "it is shown again");
    assert_eq!(other.withdrawn_why, None);
    assert_eq!(count(&base.db, "select count(*) from pop").await, 2);
}

async fn the_first_delivery_counts(base: Base) {
    let [call, other] = two_calls(&base).await;
    let batch = [
        news(call, 2, decided(10)),
        news(call, 1, decided(10)),
        news(call, 2, What::Delivered(moment(12))),
        news(call, 1, What::Delivered(moment(13))),
        // A clock that was set back.
        news(other, 1, decided(20)),
        news(other, 1, What::Delivered(moment(19))),
    ];
    pops::keep(&base.db, &batch).await.unwrap();
    let later = [
        news(call, 3, decided(10)),
        news(call, 3, What::Delivered(moment(20))),
    ];
    pops::keep(&base.db, &later).await.unwrap();
    let first = "select pop_ms from call where call_key = '1'";
    assert_eq!(count(&base.db, first).await, 2_000);
    let second = "select pop_ms from call where call_key = '2'";
    assert_eq!(count(&base.db, second).await, 0);
}
