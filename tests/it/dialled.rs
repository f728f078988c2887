//! Accounts that we dial: what is seen of them from outside.

use ringcard::on_read;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::support::{
    gateway::TestGateway,
    scripted::{Scripted, eventually},
};

async fn journal(gateway: &TestGateway) -> Vec<(String, String)> {
    on_read!(gateway.db(), pool => {
        sqlx::query_as("select source, outcome from raw order by id").fetch_all(pool).await
    })
    .unwrap()
}

async fn link(gateway: &TestGateway) -> serde_json::Value {
    let ready = gateway.get("/readyz").await;
    // A PBX that is away is no reason not to take messages from the others.
    assert_eq!(ready.status, 200);
    let report: serde_json::Value = serde_json::from_str(&ready.text).unwrap();
    report["pbx"]["office"].clone()
}

#[tokio::test]
async fn a_pbx_comes_goes_and_comes_again() {
    let pbx = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = pbx.local_addr().unwrap();
    let records = vec!["start h1".to_owned(), "start h2".to_owned()];
    let account = Scripted::dialled("office", address.to_string(), records);
    let gateway = TestGateway::start_scripted(vec![account], |settings| {
        settings.dial.retry_first_ms = 10;
    })
    .await;
    assert_eq!(link(&gateway).await["up"], false);

    let (stream, _) = pbx.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut said = String::new();
    stream.read_line(&mut said).await.unwrap();
    assert_eq!(said, "hello\n", "the decoder speaks first");
    // Cut in the middle of a word.
    stream.write_all(b"welcome\nstart c1\ngibb").await.unwrap();
    stream.write_all(b"erish\n").await.unwrap();
    eventually("it is said to stand", async || {
        link(&gateway).await["up"] == true
    })
    .await;
    eventually("two records and two lines are kept", async || {
        journal(&gateway).await.len() == 4
    })
    .await;
    let mut kept = journal(&gateway).await;
    kept.sort();
    assert_eq!(kept[0], ("history".to_owned(), "applied".to_owned()));
    assert_eq!(kept[2], ("scripted".to_owned(), "applied".to_owned()));
    assert_eq!(kept[3], ("scripted".to_owned(), "undecodable".to_owned()));

    drop(stream);
    eventually("it is said to be gone", async || {
        link(&gateway).await["why"] == "the PBX closed the connection"
    })
    .await;
    let (mut stream, _) = pbx.accept().await.unwrap();
    stream.write_all(b"welcome\nstart c2\n").await.unwrap();
    eventually("messages flow again", async || {
        journal(&gateway).await.len() == 5
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_decoder_that_panics_costs_its_connection_only() {
    let pbx = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = pbx.local_addr().unwrap().to_string();
    let account = Scripted::dialled("office", address, Vec::new());
    let gateway = TestGateway::start_scripted(vec![account], |settings| {
        settings.dial.retry_first_ms = 10;
    })
    .await;
    let (mut stream, _) = pbx.accept().await.unwrap();
    stream.write_all(b"start c1\npanic\n").await.unwrap();
    let (mut stream, _) = pbx.accept().await.unwrap();
    stream.write_all(b"welcome\nstart c2\n").await.unwrap();
    eventually("it is said to stand", async || {
        link(&gateway).await["up"] == true
    })
    .await;
    eventually("what came afterwards is kept", async || {
        !journal(&gateway).await.is_empty()
    })
    .await;
    gateway.stop().await;
}
