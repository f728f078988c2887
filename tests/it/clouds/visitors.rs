//! Who the visitor behind a call is: asked of Mango while the call is young, told by Sipuni beside its calls.

use ringcard::{
    flow,
    model::{call::Call, time::Timestamp},
};
use serde_json::json;

use super::{
    calls,
    host::{Fault, lock},
    mango, office,
};
use crate::{
    pages::office::{CLIENT, Office},
    support::scripted::eventually_nothing,
};

/// A number that Mango shows to one visitor at a time.
const DYNAMIC: &str = "74950000007";

/// A call comes in by the dynamic number.
async fn comes_in(cloud: &mango::Cloud, call: &str, at: Timestamp) {
    let menu = json!({
        "entry_id": call, "call_id": format!("{call}-menu"), "timestamp": at.as_seconds(), "seq": 1,
        "call_state": "Appeared", "location": "ivr", "from": {"number": CLIENT.trim_start_matches('+')},
        "to": {"number": DYNAMIC, "line_number": DYNAMIC}, "dct": {"number": DYNAMIC, "type": 1},
    });
    let told = cloud.product().signed("/events/call", &menu.to_string());
    cloud.deliver(&told).await;
}

/// A call that began so, of which no message has said yet that its number is dynamic.
async fn came_in(cloud: &mango::Cloud, call: &str, at: Timestamp) {
    let menu = json!({
        "entry_id": call, "call_id": format!("{call}-menu"), "timestamp": at.as_seconds(), "seq": 1,
        "call_state": "Appeared", "location": "ivr", "from": {"number": CLIENT.trim_start_matches('+')},
        "to": {"number": DYNAMIC, "line_number": DYNAMIC},
    });
    let told = cloud.product().signed("/events/call", &menu.to_string());
    cloud.deliver(&told).await;
}

/// The menu of that call is over; every message says that the number is dynamic.
async fn goes_on(cloud: &mango::Cloud, call: &str, at: Timestamp) {
    let over = json!({
        "entry_id": call, "call_id": format!("{call}-menu"), "timestamp": at.as_seconds(), "seq": 2,
        "call_state": "Disconnected", "location": "ivr",
        "from": {"number": CLIENT.trim_start_matches('+')},
        "to": {"number": DYNAMIC, "line_number": DYNAMIC}, "dct": {"number": DYNAMIC, "type": 1},
        "disconnect_reason": 1110,
    });
    let told = cloud.product().signed("/events/call", &over.to_string());
    cloud.deliver(&told).await;
}

async fn call(office: &Office, key: &str) -> Call {
    let mut all = calls(office).await.into_iter();
    let found = all.find(|(known, _)| known == key);
    found.expect("the call is in the journal").1
}

async fn has_come(office: &Office, key: &str, tracking: &[(&str, &str)]) {
    let wanted: Vec<(String, String)> = tracking
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    eventually_nothing("the visitor of the call is known", async || {
        match call(office, key).await.tracking {
            told if told == wanted => Vec::new(),
            told => vec![format!("{told:?}, not {wanted:?}")],
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mango_is_asked_who_called_while_the_call_is_young() {
    let cloud = mango::Cloud::start().await;
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/office"));
    let visitor = json!({
        "uid": 77, "ip": "192.0.2.7", "ya_cid": "16900",
        "channel": {"source": "larch-ads", "medium": "cpc", "campaign": "autumn"},
    });
    lock(&cloud.visitors).insert(DYNAMIC.to_owned(), visitor);
    // Half an answer is no answer: it is asked again.
    cloud.host.fail("visitor", &[Fault::Half]);
    comes_in(&cloud, "e1", flow::now()).await;
    let told = [
        ("campaign", "autumn"),
        ("medium", "cpc"),
        ("source", "larch-ads"),
        ("visitor_id", "77"),
        ("yandex_client_id", "16900"),
    ];
    has_come(&office, "e1", &told).await;
    assert!(cloud.host.is_well());
    // One call, one visit by its name; what the next messages say is not asked about again.
    goes_on(&cloud, "e1", flow::now()).await;
    // A call of an hour ago tells nothing of who has the number now.
    comes_in(&cloud, "e2", flow::now().plus_millis(-3_600_000)).await;
    // Nor does one that has lasted for ten minutes when it is first said that its number is dynamic.
    came_in(&cloud, "e4", flow::now().plus_millis(-600_000)).await;
    goes_on(&cloud, "e4", flow::now()).await;
    // Nobody has the number any more.
    lock(&cloud.visitors).clear();
    comes_in(&cloud, "e3", flow::now()).await;
    eventually_nothing("nobody is asked for, and that is all", async || {
        let times = cloud.host.times("visitor");
        Vec::from_iter((times != 3).then(|| format!("asked {times} times")))
    })
    .await;
    for key in ["e2", "e3", "e4"] {
        assert_eq!(call(&office, key).await.tracking, [], "{key}");
    }
    let visits = visits(&office).await;
    assert_eq!(visits, [("larch-ads".to_owned(), Some("e1".to_owned()))]);
    assert_eq!(calls(&office).await.len(), 4);
    // Past calls are read meanwhile, too: how they are asked for is told elsewhere.
    let mut wrong = cloud.host.wrong();
    wrong.retain(|what| what.starts_with("visitor"));
    assert_eq!(wrong, Vec::<String>::new());
    office.close().await;
}

/// Sipuni's call tracking names no call: caller, line and time do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sipuni_tells_beside_its_calls_is_joined_to_them() {
    const TOKEN: &str = "Gw5_kT9eVx2Lq7Zs4Np8Rb";
    let office = office(&format!(
        "[[pbx]]\nname = 'lossy'\ntype = 'sipuni'\ntoken = '{TOKEN}'\n"
    ))
    .await;
    let told = json!({
        "ua_client_id": "7.8", "number": "74950000099", "source_id": CLIENT,
        "visitor_source": "https://search.example/",
        "visitor_target": "https://larch.example/?utm_source=Larch&utm_medium=cpc",
    });
    let path = format!("/hooks/lossy/{TOKEN}/tracking");
    let answer = office.gateway.post(&path, told.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(visits(&office).await, [("larch".to_owned(), None)]);
    // A call of another account is not the one, however well it fits.
    office.call("k1", CLIENT).answered_by("201").await;
    let own = office.call("k2", CLIENT).of("lossy");
    own.answered_by("201").await;
    eventually_nothing("the visit finds its call", async || {
        match visits(&office).await {
            found if found == [("larch".to_owned(), Some("k2".to_owned()))] => Vec::new(),
            found => vec![format!("{found:?}")],
        }
    })
    .await;
    office.close().await;
}

/// Sources of visits, and the keys of their calls.
async fn visits(office: &Office) -> Vec<(String, Option<String>)> {
    ringcard::on_read!(office.gateway.db(), pool => {
        sqlx::query_as(
            "select v.source, c.call_key from visit v left join call c on c.id = v.call order by v.at",
        )
        .fetch_all(pool)
        .await
        .unwrap()
    })
}
