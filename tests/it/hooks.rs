//! What a PBX that posts gets for an answer, whatever it sends.

use std::time::Duration;

use ringcard::{on_read, on_write};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    gateway::{TestGateway, answer},
    scripted::{Scripted, eventually},
};

const GOOD: &str = "/hooks/office/events?sign=good";

async fn office() -> TestGateway {
    TestGateway::start_scripted(vec![Scripted::posting("office")], |settings| {
        settings.hooks.max_body_bytes = 2_000;
    })
    .await
}

/// Outcomes in the journal, oldest first.
async fn journal(gateway: &TestGateway) -> Vec<(String, String)> {
    on_read!(gateway.db(), pool => {
        sqlx::query_as("select outcome, reason from raw order by id").fetch_all(pool).await
    })
    .unwrap()
}

#[tokio::test]
async fn a_message_is_answered_when_it_is_in_the_journal() {
    let gateway = office().await;
    let accepted = gateway.post(GOOD, "start c1").await;
    assert_eq!(
        (accepted.status, accepted.text.as_str()),
        (200, "{\"ok\":true}")
    );
    assert_eq!(accepted.headers["content-type"], "application/json");
    assert_eq!(gateway.post(GOOD, "ping").await.status, 200);
    assert_eq!(gateway.post(GOOD, "odd").await.status, 200);
    let outcomes: Vec<String> = journal(&gateway)
        .await
        .into_iter()
        .map(|(outcome, _)| outcome)
        .collect();
    assert_eq!(outcomes, ["applied", "noted", "ignored"]);
    gateway.stop().await;
}

#[tokio::test]
async fn who_is_not_genuine_is_turned_away_and_leaves_nothing_behind() {
    let gateway = office().await;
    for (path, status) in [
        ("/hooks/nobody/events?sign=good", 404),
        ("/hooks/office/nowhere", 404),
        ("/hooks/office/events?sign=bad", 401),
        ("/hooks/office/events?sign=old", 401),
        ("/hooks/office", 401),
    ] {
        assert_eq!(
            gateway.post(path, "start c1").await.status,
            status,
            "{path}"
        );
    }
    let put = answer(gateway.client.put(gateway.url(GOOD)).body("start c1")).await;
    assert_eq!(
        (put.status, &put.headers["allow"]),
        (405, &"GET, POST".parse().unwrap())
    );
    assert_eq!(journal(&gateway).await, []);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_not_understood_is_a_clear_no_and_a_dead_letter() {
    let gateway = office().await;
    let refused = gateway.post(GOOD, "gibberish").await;
    assert_eq!(refused.status, 400);
    assert!(refused.text.contains("word"), "{}", refused.text);
    assert_eq!(gateway.post(GOOD, &b"\xff\xfe\x00"[..]).await.status, 400);
    assert_eq!(gateway.post(GOOD, "panic").await.status, 400);
    let journal = journal(&gateway).await;
    assert!(journal.iter().all(|(outcome, _)| outcome == "undecodable"));
    assert_eq!(journal.len(), 3);
    // And it goes on.
    assert_eq!(gateway.post(GOOD, "start c1").await.status, 200);
    gateway.stop().await;
}

#[tokio::test]
async fn too_large_and_too_many_are_refused() {
    let gateway = TestGateway::start_scripted(vec![Scripted::posting("office")], |settings| {
        settings.hooks.max_body_bytes = 2_000;
        settings.hooks.per_second = 1;
        settings.hooks.burst = 2;
    })
    .await;
    assert_eq!(gateway.post(GOOD, "x".repeat(2_001)).await.status, 413);
    let unannounced = futures_util::stream::iter(
        std::iter::repeat_n("y".repeat(500), 5).map(Ok::<_, std::io::Error>),
    );
    let streamed = reqwest::Body::wrap_stream(unannounced);
    assert_eq!(gateway.post(GOOD, streamed).await.status, 413);
    // Strangers do not use up the account's rate.
    for _ in 0..5 {
        let stranger = gateway.post("/hooks/office?sign=bad", "ping").await;
        assert_eq!(stranger.status, 401);
    }
    assert_eq!(gateway.post(GOOD, "ping").await.status, 200);
    assert_eq!(gateway.post(GOOD, "ping").await.status, 200);
    let limited = gateway.post(GOOD, "ping").await;
    assert_eq!(limited.status, 429);
    assert_eq!(limited.headers["retry-after"], "5");
    gateway.stop().await;
}

#[tokio::test]
async fn a_question_is_answered_and_its_answer_is_kept() {
    let gateway = office().await;
    for sql in [
        "insert into person (id, login, name, role, created_at) values (1, 'a', 'A', 'manager', 0)",
        "insert into person_extension values ('office', '101', 1)",
        "insert into card (id, name, owner, created_at, updated_at) \
         values (x'018f0000000070008000000000000001', 'Client One', 1, 0, 0)",
        "insert into card_phone select '+74950000011', '', id, 'own' from card",
    ] {
        on_write!(gateway.db(), pool => sqlx::query(sql).execute(pool).await.map(|_| ())).unwrap();
    }
    gateway.gateway().desk().refresh_now().await;
    let told = gateway.post(GOOD, "ask +74950000011").await;
    assert_eq!((told.status, told.text.as_str()), (200, "owner 101"));
    let stranger = gateway
        .post("/hooks/office?sign=bad", "ask +74950000011")
        .await;
    assert_eq!(stranger.status, 401);
    eventually("the question is in the journal", async || {
        journal(&gateway).await.len() == 1
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_answered_just_before_a_stop_is_kept() {
    let mut gateway = office().await;
    for call in 0..5 {
        let told = gateway.post(GOOD, format!("ask +7495000001{call}")).await;
        assert_eq!(told.status, 200);
    }
    gateway.restart().await;
    assert_eq!(journal(&gateway).await.len(), 5);
    let sql = "select count(*) from decision";
    let (decisions,): (i64,) =
        on_read!(gateway.db(), pool => sqlx::query_as(sql).fetch_one(pool).await).unwrap();
    assert_eq!(decisions, 5);
    gateway.stop().await;
}

#[tokio::test]
async fn when_the_store_takes_nothing_the_sender_is_told_to_come_again() {
    let gateway = TestGateway::start_scripted(vec![Scripted::posting("office")], |settings| {
        settings.writer.patience_ms = 100;
    })
    .await;
    gateway.db().close().await;
    let away = gateway.post(GOOD, "start c1").await;
    assert_eq!(away.status, 503);
    assert_eq!(away.headers["retry-after"], "5");
    let ready = gateway.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text.contains("database"), "{}", ready.text);
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart() {
    let mut gateway = office().await;
    for call in 0..20 {
        let accepted = gateway.post(GOOD, format!("start c{call}")).await;
        assert_eq!(accepted.status, 200);
    }
    gateway.restart().await;
    assert_eq!(journal(&gateway).await.len(), 20);
    gateway.stop().await;
}

/// Speaks to the socket itself; `half_closed`: says after the request that nothing more will come.
async fn spoken(gateway: &TestGateway, request: &str, half_closed: bool) -> String {
    let address = gateway.gateway().address();
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    if half_closed {
        socket.shutdown().await.unwrap();
    }
    let mut answer = String::new();
    let whole = socket.read_to_string(&mut answer);
    let in_time = tokio::time::timeout(Duration::from_secs(5), whole).await;
    in_time.expect("the connection ends").unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn who_closes_his_half_still_gets_the_answer() {
    let gateway = office().await;
    let posted = |length: usize, connection: &str| {
        format!(
            "POST {GOOD} HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\n\
             Content-Length: {length}\r\n\r\nstart c1"
        )
    };
    let whole = spoken(&gateway, &posted(8, "keep-alive"), true).await;
    assert_eq!(whole, "HTTP/1.1 200 OK");
    let torn = spoken(&gateway, &posted(60, "close"), true).await;
    assert_eq!(torn, "HTTP/1.1 400 Bad Request");
    assert_eq!(
        journal(&gateway).await.len(),
        1,
        "what is torn leaves nothing"
    );
    gateway.stop().await;
}
