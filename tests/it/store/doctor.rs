//! What the doctor finds in the figures, and sets right.

use ringcard::store::{
    figures::{self, Of},
    writer::{Settings, Writer},
};

use super::{
    read::{people, run},
    told::Told,
};
use crate::{on_both_engines, support::base::Base};

on_both_engines!(figures_that_went_wrong_are_found_and_set_right);

async fn figures_that_went_wrong_are_found_and_set_right(base: Base) {
    people(&base.db).await;
    let writer = Writer::start(base.db.clone(), 1, &Settings::default());
    let calls = [
        Told::incoming("1", "+74950000011", 0).answered("201"),
        Told::incoming("2", "+74950000012", 3_600).missed("202"),
        // Two days later.
        Told::incoming("3", "+74950000011", 172_800).answered("201"),
    ];
    for message in calls.into_iter().flatten() {
        writer.commit(message).await.unwrap();
    }
    let right = figures::stored(&base.db).await.unwrap();
    let checked = figures::check(&base.db, false).await.unwrap();
    assert_eq!((checked.days, checked.calls), (2, 3));
    assert_eq!(checked.differences, []);

    // A sum that is too large, one that is gone, one nobody called for, and a client too many.
    run(
        &base.db,
        "update rollup set answered = answered + 5, calls = calls + 5 where person = 1 \
        and quarter = (select min(quarter) from rollup)",
    )
    .await;
    run(&base.db, "delete from rollup where missed > 0").await;
    run(
        &base.db,
        "insert into rollup (quarter, line, person, writer, direction, calls, answered, \
        missed, talk_ms, wait_ms, ring_ms) values (96, 0, 0, 3, 'in', 1, 0, 1, 0, 0, 0)",
    )
    .await;
    run(
        &base.db,
        "update rollup_client set calls = 7 where client = '+74950000012'",
    )
    .await;
    let found = figures::check(&base.db, false).await.unwrap();
    assert_eq!(found.days, 3);
    let clients = found
        .differences
        .iter()
        .filter(|one| matches!(one.of, Of::Client { .. }));
    assert_eq!(clients.count(), 1);
    assert_eq!(found.differences.len(), 4, "{:?}", found.differences);
    assert_ne!(
        figures::stored(&base.db).await.unwrap(),
        right,
        "looking repairs nothing"
    );

    let mended = figures::check(&base.db, true).await.unwrap();
    assert_eq!(mended.differences.len(), 4);
    assert_eq!(figures::stored(&base.db).await.unwrap(), right);
    assert_eq!(
        figures::check(&base.db, false).await.unwrap().differences,
        []
    );

    // What comes later adds to what was set right.
    for message in Told::incoming("4", "+74950000012", 60).answered("202") {
        writer.commit(message).await.unwrap();
    }
    assert_eq!(
        figures::check(&base.db, false).await.unwrap().differences,
        []
    );
    writer.close().await;
}
