//! Calltouch from outside: posts where clients came from, gives its log of calls by pages, and misbehaves
//! on demand. Whatever comes first, a visit finds its call, and never makes one.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    response::Response,
    routing::get,
};
use jiff::{fmt::strtime, tz::TimeZone};
use ringcard::{
    flow,
    model::{event::Fact, time::Timestamp},
    on_read,
    simulator::message::encode,
    store::sources,
};
use serde_json::{Value, json};

use super::{
    first_reading,
    host::{Emulator, Fault, lock, spoilt},
    office, read_now,
};
use crate::{
    pages::{
        lines::period,
        office::{CLIENT, Office, all, attribute, text},
    },
    support::{
        gateway::TestGateway,
        postgres,
        scripted::{eventually, eventually_nothing},
    },
};

const TOKEN: &str = "Kd83nfhAq0-_zP51mWx7Lq";
const KEY: &str = "larch-key";
const SITE: &str = "70001";
/// The line of the site, and another number that is passed on to it.
const DID: &str = "+74950000099";
const TRACKED: &str = "+74950000098";
const OTHER: &str = "+74950000012";
const ALL_MS: u64 = 5;
/// Records of one page: the emulator gives fewer than it may.
const PAGE: usize = 2;

/// The emulator.
#[derive(Clone)]
struct Cloud(Arc<Emulator<(), Value>>);

impl std::ops::Deref for Cloud {
    type Target = Emulator<(), Value>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Cloud {
    async fn start() -> Self {
        let cloud = Self(Arc::new(Emulator::new((), ())));
        let router = Router::new()
            .route("/calls-service/RestAPI/{site}/getnodeid/", get(node))
            .route(
                "/node7/calls-service/RestAPI/{site}/calls-diary/calls",
                get(diary),
            )
            .with_state(cloud.clone());
        cloud.serve(router, |(), _| {}).await;
        cloud
    }

    fn settings(&self) -> String {
        let base = lock(&self.base).clone();
        format!(
            "{}site_id = '{SITE}'\napi_key = '{KEY}'\napi_url = '{base}'\n\
             node_url = '{base}/node{{node}}'\nprivate_network = true\n\
             [pbx.limits]\nall_every_ms = {ALL_MS}\n",
            account()
        )
    }
}

/// An account whose log nobody reads.
fn account() -> String {
    format!("[[pbx]]\nname = 'ads'\ntype = 'calltouch'\ntoken = '{TOKEN}'\npbx = ['office']\n")
}

fn asked(cloud: &Cloud, kind: &'static str, site: &str, query: &str) -> Option<Response> {
    if site != SITE {
        cloud.host.complain(format!("{kind}: site {site}"));
    }
    let limit = Duration::from_millis(ALL_MS);
    cloud.host.ask(kind, limit, json!(query))
}

async fn node(State(cloud): State<Cloud>, Path(site): Path<String>) -> Response {
    if let Some(refused) = asked(&cloud, "node", &site, "") {
        return refused;
    }
    let fault = cloud.host.fault("node").await;
    spoilt(fault, json!({"nodeId": 7}).to_string(), "application/json")
}

async fn diary(
    State(cloud): State<Cloud>,
    Path(site): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    if let Some(refused) = asked(&cloud, "diary", &site, &query) {
        return refused;
    }
    let url = reqwest::Url::parse(&format!("http://form/?{query}")).unwrap();
    let field = |name: &str| {
        let mut pairs = url.query_pairs().into_owned();
        pairs
            .find(|(own, _)| own == name)
            .map(|(_, value)| value)
            .unwrap_or_default()
    };
    if field("clientApiId") != KEY || field("limit") != "1000" {
        cloud.host.complain(format!("diary: {query}"));
    }
    for day in ["dateFrom", "dateTo"] {
        if strtime::parse("%d/%m/%Y", field(day)).is_err() {
            cloud.host.complain(format!("{day}: {query}"));
        }
    }
    let fault = cloud.host.fault("diary").await;
    let past = lock(&cloud.past);
    let page: usize = field("page").parse().unwrap();
    let records: Vec<&Value> = past.iter().skip(PAGE * (page - 1)).take(PAGE).collect();
    let said = json!({
        "page": page, "pageTotal": past.len().div_ceil(PAGE), "pageSize": PAGE,
        "recordsTotal": past.len(), "records": records,
    });
    spoilt(fault, said.to_string(), "application/json")
}

/// A visit as the webhook tells it.
#[derive(Clone, Copy)]
struct Told<'a> {
    id: &'a str,
    client: &'a str,
    did: &'a str,
    at: Timestamp,
    source: &'a str,
}

impl Told<'_> {
    async fn begins(&self, office: &Office) {
        self.post(office, "callconnected", "").await;
    }

    async fn ends(&self, office: &Office) {
        self.post(
            office,
            "calldisconnected",
            "&successful=true&targetCall=true",
        )
        .await;
    }

    async fn post(&self, office: &Office, phase: &str, more: &str) {
        let (id, seconds) = (self.id, self.at.as_seconds());
        let body = format!(
            "callId={id}&callerNumber={}&phoneNumber={}&utmSource={}&utmMedium=cpc&utmCampaign=autumn\
             &keyword=tables&callphase={phase}&timestamp={seconds}{more}",
            encode(self.client),
            encode(self.did),
            self.source,
        );
        let answer = office
            .gateway
            .post(&format!("/hooks/ads/{TOKEN}"), body)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

fn told<'a>(id: &'a str, client: &'a str) -> Told<'a> {
    Told {
        id,
        client,
        did: DID,
        at: flow::now(),
        source: "larch",
    }
}

/// State, key of the call, and rank of the join.
type Joined = (String, Option<String>, Option<i64>);

async fn visit(office: &Office, id: &str) -> Option<Joined> {
    on_read!(office.gateway.db(), pool => {
        sqlx::query_as(
            "select v.state, c.call_key, v.confidence from visit v left join call c on c.id = v.call \
             where v.account = 'ads' and v.visit = $1",
        )
        .bind(id)
        .fetch_optional(pool)
        .await
        .unwrap()
    })
}

/// Waits until the visit has come to this.
async fn comes_to(office: &Office, id: &str, state: &str, call: Option<(&str, i64)>) {
    let wanted: Joined = (
        state.to_owned(),
        call.map(|(key, _)| key.to_owned()),
        call.map(|(_, rank)| rank),
    );
    eventually_nothing("the visit finds its call", async || {
        match visit(office, id).await {
            Some(is) if is == wanted => Vec::new(),
            is => vec![format!("{id}: {is:?}, not {wanted:?}")],
        }
    })
    .await;
}

async fn count(office: &Office, sql: &'static str) -> i64 {
    let (count,): (i64,) = on_read!(office.gateway.db(), pool => {
        sqlx::query_as(sql).fetch_one(pool).await.unwrap()
    });
    count
}

async fn open(change: impl FnOnce(&mut ringcard::app::settings::Settings)) -> Office {
    Office::staffed(TestGateway::start_with(&account(), change).await).await
}

async fn finds_its_call(office: Office) {
    // Before the call, after it, doubled and out of order.
    told("v1", CLIENT).begins(&office).await;
    comes_to(&office, "v1", "waiting", None).await;
    office.call("k1", CLIENT).answered_by("201").await;
    comes_to(&office, "v1", "joined", Some(("k1", 2))).await;
    office.call("k2", OTHER).missed_by("201").await;
    let after = told("v2", OTHER);
    for _ in 0..2 {
        after.ends(&office).await;
        after.begins(&office).await;
    }
    comes_to(&office, "v2", "joined", Some(("k2", 2))).await;

    // A number that is not the call's: the client alone is less sure, and a better word takes its place.
    const THIRD: &str = "+74950000013";
    office.call("k3", THIRD).answered_by("202").await;
    let mut third = told("v3", THIRD);
    third.did = TRACKED;
    third.begins(&office).await;
    comes_to(&office, "v3", "joined", Some(("k3", 3))).await;
    third.did = DID;
    third.ends(&office).await;
    comes_to(&office, "v3", "joined", Some(("k3", 2))).await;

    // A nearer call takes it over, and a call that turns out to be another one takes it along.
    const FOURTH: &str = "+74950000014";
    let began = office.call("k4", FOURTH).minutes_ago(1);
    began.missed_by("201").await;
    told("v4", FOURTH).begins(&office).await;
    comes_to(&office, "v4", "joined", Some(("k4", 2))).await;
    let again = office.call("k5", FOURTH);
    again.answered_by("201").await;
    comes_to(&office, "v4", "joined", Some(("k5", 2))).await;
    let with = "k5".into();
    began.also("", "same", 2, Fact::SameCall { with }).await;
    comes_to(&office, "v4", "joined", Some(("k4", 2))).await;

    // A visit that names its call and no client waits for that call, whoever calls.
    let mut named = told("v6", "anonymous");
    named.did = TRACKED;
    named.post(&office, "callconnected", "&sipCallId=k6").await;
    comes_to(&office, "v6", "waiting", None).await;
    office.call("k6", "+74950000017").missed_by("202").await;
    comes_to(&office, "v6", "joined", Some(("k6", 1))).await;

    others_are_not_it(&office).await;
    assert_eq!(count(&office, "select count(*) from visit").await, 7);
    assert_eq!(
        count(&office, "select count(*) from call").await,
        7,
        "no visit has made a call"
    );
    what_says_something_counts(&office).await;
    office.close().await;
}

/// A call out is nobody's visit, even if it is named; a call that has become part of another one is.
async fn others_are_not_it(office: &Office) {
    let mut named = told("v7", "anonymous");
    named.did = TRACKED;
    named.post(office, "callconnected", "&sipCallId=k7").await;
    named.id = "v8";
    named.post(office, "callconnected", "&sipCallId=part").await;
    office
        .call("k7", "+74950000018")
        .goes_out_in_vain("202")
        .await;
    let whole = office.call("k8", "+74950000019");
    whole.missed_by("202").await;
    let with = "part".into();
    whole.also("", "same", 2, Fact::SameCall { with }).await;
    let now = flow::now();
    flow::attribution::once(office.gateway.db(), now)
        .await
        .unwrap();
    comes_to(office, "v8", "joined", Some(("k8", 1))).await;
    comes_to(office, "v7", "waiting", None).await;
}

/// Of the PBX only the visitor's number is known: that is sure, and says nothing of the source.
async fn what_says_something_counts(office: &Office) {
    const EMPTY: &str = "+74950000020";
    let call = office.call("k9", EMPTY);
    call.answered_by("201").await;
    let fields = vec![("visitor_id".to_owned(), "77".to_owned())];
    call.also("", "tracking", 3, Fact::Tracking { fields })
        .await;
    told("v9", EMPTY).begins(office).await;
    comes_to(office, "v9", "joined", Some(("k9", 2))).await;
    let db = office.gateway.db();
    let visits = sources::of_call(db, office.id("k9").await).await.unwrap();
    let said: Vec<&str> = visits.iter().map(|visit| visit.source.as_str()).collect();
    assert_eq!(said, ["larch", ""]);
    let (from, to) = (flow::now().plus_millis(-3_600_000), flow::now());
    let figures = sources::by_source(db, from, to, 10).await.unwrap();
    assert!(
        figures.iter().all(|one| one.source == "larch"),
        "{figures:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visit_finds_its_call_whatever_comes_first() {
    finds_its_call(open(|_| {}).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visit_finds_its_call_on_postgres_too() {
    let url = postgres::new_database().await;
    finds_its_call(open(|settings| settings.store.url = url).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fits_two_calls_or_none_is_kept_and_told_of_none() {
    let office = open(|_| {}).await;
    for key in ["k1", "k2"] {
        office.call(key, CLIENT).missed_by("201").await;
    }
    told("v1", CLIENT).begins(&office).await;
    comes_to(&office, "v1", "ambiguous", None).await;
    told("v2", OTHER).begins(&office).await;
    comes_to(&office, "v2", "waiting", None).await;
    let withheld = told("v3", "anonymous");
    withheld.begins(&office).await;
    comes_to(&office, "v3", "unmatched", None).await;

    // A day later nobody waits any more, and a call that comes then is another one.
    let later = flow::now().plus_millis(25 * 3_600_000);
    flow::attribution::once(office.gateway.db(), later)
        .await
        .unwrap();
    comes_to(&office, "v2", "unmatched", None).await;
    office.call("k3", OTHER).missed_by("201").await;
    flow::attribution::once(office.gateway.db(), later)
        .await
        .unwrap();
    comes_to(&office, "v2", "unmatched", None).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_pbx_says_with_its_call_is_joined_for_sure() {
    let office = open(|_| {}).await;
    let call = office.call("k1", CLIENT);
    call.answered_by("201").await;
    let fields = vec![("utm_source".to_owned(), "Birch".to_owned())];
    call.also("", "tracking", 3, Fact::Tracking { fields })
        .await;
    let row: (String, String, Option<i64>) = on_read!(office.gateway.db(), pool => {
        sqlx::query_as("select account, source, confidence from visit")
            .fetch_one(pool)
            .await
            .unwrap()
    });
    assert_eq!(row, ("office".to_owned(), "birch".to_owned(), Some(1)));
    office.close().await;
}

/// A record of the log.
fn record(id: u32, client: &str, at: Timestamp) -> Value {
    let zone = TimeZone::get("Europe/Moscow").unwrap();
    let at = jiff::Timestamp::from_microsecond(at.as_micros())
        .unwrap()
        .to_zoned(zone);
    json!({
        "callId": id, "callerNumber": client.trim_start_matches('+'),
        "phoneNumber": DID.trim_start_matches('+'), "date": strtime::format("%d/%m/%Y %H:%M:%S", &at).unwrap(),
        "duration": 20, "waitingConnect": 5, "successful": true, "utmSource": "larch", "sessionId": 9,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn visits_told_while_nobody_listened_are_read_from_the_log() {
    let cloud = Cloud::start().await;
    let office = office(&cloud.settings()).await;
    first_reading(&office, "ads").await;
    office
        .call("k1", CLIENT)
        .minutes_ago(5)
        .missed_by("201")
        .await;
    let ago = |minutes: i64| flow::now().plus_millis(-minutes * 60_000);
    lock(&cloud.past).extend([
        record(41, CLIENT, ago(5)),
        record(42, OTHER, ago(6)),
        record(43, OTHER, ago(90)),
        record(44, OTHER, ago(0)), // has not settled yet
        json!({"callerNumber": "no id"}),
    ]);
    for fault in [Fault::Status(503), Fault::Page, Fault::Half] {
        cloud.host.fail("diary", &[fault]);
        let standing = read_now(&office, "ads").await;
        assert!(standing.failing_since.is_some(), "{fault:?}");
    }
    cloud.host.fail("node", &[Fault::Page]);
    assert!(read_now(&office, "ads").await.failing_since.is_some());
    let standing = read_now(&office, "ads").await;
    assert_eq!((standing.failing_since, standing.why.as_str()), (None, ""));
    assert_eq!((standing.brought.found, standing.unread), (3, 1));
    comes_to(&office, "41", "joined", Some(("k1", 2))).await;
    comes_to(&office, "43", "waiting", None).await;

    // Read again, nothing is told again.
    let kept = "select count(*) from raw where source = 'history'";
    let before = count(&office, kept).await;
    read_now(&office, "ads").await;
    assert_eq!(count(&office, kept).await, before);
    assert_eq!(count(&office, "select count(*) from visit").await, 3);
    assert_eq!(count(&office, "select count(*) from call").await, 1);
    eventually("no request was wrong", async || cloud.host.is_well()).await;
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    assert_eq!(
        standing.unread,
        super::standing(&office, "ads").await.unread
    );
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_marketer_reads_sources_with_their_calls_behind_them() {
    let office = open(|_| {}).await;
    for (key, client) in [("k1", CLIENT), ("k2", OTHER)] {
        office.call(key, client).answered_by("201").await;
        told(key, client).begins(&office).await;
        comes_to(&office, key, "joined", Some((key, 2))).await;
    }
    office.call("k3", "+74950000015").missed_by("201").await;
    told("v4", "+74950000016").begins(&office).await;
    comes_to(&office, "v4", "waiting", None).await;
    let mark = office.browser("mark").await;
    let page = mark.page(&format!("/visits?{}", period())).await;
    let figure = |name: &str| text(&page, &format!("table.figures td[data-figure={name}]"));
    assert_eq!(
        (figure("calls"), figure("missed")),
        ("2".into(), "0".into())
    );
    assert!(text(&page, "[data-sure=line]").contains(" 2 (67"));
    assert_eq!(all(&page, "table.loose tr[data-state=waiting]").len(), 1);
    assert!(!page.html().contains("74950000016"), "numbers are masked");

    // The calls behind the figure, and nothing else; a dash asks for what nobody told.
    let address = attribute(&page, "td[data-figure=calls] a", "href");
    let list = mark.page(&address).await;
    assert_eq!(all(&list, "main > .scroll table.calls tbody tr").len(), 2);
    assert!(text(&list, "[data-came]").contains("larch · cpc · autumn · tables"));
    let other = mark
        .page(&address.replace("source=larch", "source=birch"))
        .await;
    assert_eq!(all(&other, "main > .scroll table.calls tbody tr").len(), 0);
    let unnamed = mark
        .page(&address.replace("source=larch", "source=-"))
        .await;
    assert_eq!(
        all(&unnamed, "main > .scroll table.calls tbody tr").len(),
        0
    );

    // The call's own page says it too.
    let call = mark
        .page(&format!("/calls/{}", office.id("k1").await))
        .await;
    assert_eq!(
        all(&call, "table.visit td"),
        ["larch", "cpc", "autumn", "tables"]
    );
    assert!(text(&call, "p[data-sure=line]").contains("ads"));
    office.close().await;
}
