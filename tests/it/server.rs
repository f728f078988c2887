//! What a slow or hostile client can hold of the server, told by real sockets.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    pages::office::Office,
    support::{gateway::TestGateway, scripted::Scripted},
};

const ASK: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// Much longer than any limit of these stories.
const LONG: Duration = Duration::from_secs(5);

/// How long a stop waits for open requests: what ends sooner did not wait for it.
const PATIENT_MS: u64 = 60_000;

/// A gateway with little patience for heads and bodies.
async fn impatient(max_connections: usize) -> TestGateway {
    TestGateway::start_scripted(vec![Scripted::posting("office")], |settings| {
        settings.server.max_connections = max_connections;
        settings.server.head_timeout_ms = 400;
        settings.server.body_timeout_ms = 400;
        settings.server.shutdown_ms = PATIENT_MS;
    })
    .await
}

async fn connect(gateway: &TestGateway) -> TcpStream {
    TcpStream::connect(gateway.gateway().address())
        .await
        .unwrap()
}

/// All that comes until the server closes, or `None` if it does not within [`LONG`].
async fn until_closed(stream: &mut TcpStream) -> Option<String> {
    let mut heard = Vec::new();
    // A reset is as good an end as any.
    let _ = timeout(LONG, stream.read_to_end(&mut heard)).await.ok()?;
    Some(String::from_utf8(heard).unwrap())
}

/// Asks and reads one answer; the connection stays.
async fn ask(stream: &mut TcpStream) -> String {
    stream.write_all(ASK).await.unwrap();
    let mut heard = [0; 4_096];
    let length = timeout(LONG, stream.read(&mut heard)).await;
    let length = length.expect("an answer comes").unwrap();
    String::from_utf8_lossy(&heard[..length]).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let gateway = impatient(100).await;
    let mut silent = connect(&gateway).await;
    let mut half = connect(&gateway).await;
    half.write_all(&ASK[..30]).await.unwrap();
    let (silent, half) = tokio::join!(until_closed(&mut silent), until_closed(&mut half));
    assert!(silent.is_some(), "who says nothing is let go");
    assert!(half.is_some(), "who stops half-way is let go");
    gateway.stop().await;
}

#[tokio::test]
async fn a_head_in_drops_wins_no_time() {
    let gateway = impatient(100).await;
    let mut slow = connect(&gateway).await;
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < LONG {
        sent += 1;
        if slow.write_all(b"x").await.is_err() {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(sent < 40, "{sent} drops were taken");
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_ends_the_request() {
    let gateway = impatient(100).await;
    for path in ["/sign-in", "/hooks/office?sign=good"] {
        let mut slow = connect(&gateway).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 20\r\n\
             content-type: application/x-www-form-urlencoded\r\n\r\nlogin="
        );
        slow.write_all(head.as_bytes()).await.unwrap();
        let answer = until_closed(&mut slow).await.expect("the request ends");
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn more_connections_than_places_wait_for_one() {
    let gateway = impatient(2).await;
    let mut first = connect(&gateway).await;
    let mut second = connect(&gateway).await;
    assert!(ask(&mut first).await.starts_with("HTTP/1.1 200"));
    assert!(ask(&mut second).await.starts_with("HTTP/1.1 200"));
    let mut third = connect(&gateway).await;
    third.write_all(ASK).await.unwrap();
    let mut heard = [0; 4_096];
    let at_once = timeout(Duration::from_millis(150), third.read(&mut heard)).await;
    assert!(at_once.is_err(), "there is no place yet");
    drop(first);
    let length = timeout(LONG, third.read(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert!(heard[..length].starts_with(b"HTTP/1.1 200"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_no_idle_connection() {
    let gateway = impatient(100).await;
    let mut idle = connect(&gateway).await;
    assert!(ask(&mut idle).await.starts_with("HTTP/1.1 200"));
    let began = Instant::now();
    gateway.stop().await;
    assert!(began.elapsed() < Duration::from_millis(PATIENT_MS / 2));
    assert_eq!(until_closed(&mut idle).await.as_deref(), Some(""));
}

#[tokio::test]
async fn a_live_stream_outlives_the_patience_for_heads_and_ends_at_a_stop() {
    let office = Office::open_with(|settings| {
        settings.server.head_timeout_ms = 300;
        settings.server.body_timeout_ms = 300;
        settings.server.shutdown_ms = PATIENT_MS;
    })
    .await;
    let anna = office.browser("anna").await;
    let mut live = anna.live("", None).await;
    assert_eq!(live.next().await.1["kind"], "sync");
    sleep(Duration::from_millis(1_000)).await;
    office.call("c1", "+74950000011").rings(&["201"], 0).await;
    assert_eq!(live.next().await.1["kind"], "pop");
    assert!(office.gateway.gateway().site().hub.pages() == 1);
    let began = Instant::now();
    drop(anna);
    office.close().await;
    assert!(
        began.elapsed() < Duration::from_millis(PATIENT_MS / 2),
        "open streams end"
    );
}
