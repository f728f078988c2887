//! Two Asterisks with an account each at one gateway.

use super::{KNOWN, ONE_PHONE, ROUTED};
use crate::support::{
    asterisk::{Scenario, Wishes},
    office::Office,
};

/// Both places have a phone 101, and they are different people's. The responsible manager has a phone at
/// the office only, so the branch rings whom it would ring without us.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_place_has_its_own_people_and_calls() {
    let office = Office::open_with(Wishes {
        branch: true,
        ..Wishes::default()
    })
    .await;
    let (branch, _) = office.branch.as_ref().expect("it was wished for");
    let _anna = office.lab.phone(101, Scenario::answers(500).times(2, 10));
    let _gleb = branch.phone(101, Scenario::answers(500).times(2, 10));
    let _nobody = branch.phone(102, Scenario::busy());
    for number in [ONE_PHONE, ROUTED] {
        let here = office.lab.world(Scenario::calls(KNOWN, number, 2_000));
        let there = branch.world(Scenario::calls(KNOWN, number, 2_000));
        here.finish().await;
        there.finish().await;
    }
    let calls = office.check(2).await;
    let there = office.check_branch(2).await;
    for kept in &calls {
        assert_eq!(kept.line["answered_by"]["person"], "anna");
        assert_eq!(kept.popped, ["anna"]);
    }
    for line in &there {
        assert_eq!(line["answered_by"]["person"], "gleb");
        assert_eq!(line["card"], calls[0].line["card"], "one client");
        let seen = |login| office.desk(login).shown();
        let id = line["id"].as_str().expect("a call has an id");
        assert!(seen("gleb").contains_key(id));
        assert!(!seen("anna").contains_key(id), "her client, not her phone");
    }
    assert_eq!(calls[1].word("route_reason"), "owner");
    assert_eq!(there[1]["route_reason"], "nobody_left");
    office.close().await;
}
