//! What those who run it see.

use crate::support::{
    gateway::{TestGateway, answer},
    scripted::Scripted,
};

#[tokio::test]
async fn a_fresh_gateway_is_alive_and_ready() {
    let gateway = TestGateway::start().await;
    let alive = gateway.get("/healthz").await;
    assert_eq!(alive.status, 200);
    assert!(alive.text.contains("\"status\":\"ok\""), "{}", alive.text);
    let ready = gateway.get("/readyz").await;
    let report: serde_json::Value = serde_json::from_str(&ready.text).unwrap();
    assert_eq!((ready.status, &report["ready"]), (200, &true.into()));
    for check in ["database", "migrations", "writer", "disk"] {
        assert_eq!(report["checks"][check], "ok");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_full_disk_is_said() {
    let gateway = TestGateway::start_scripted(Vec::new(), |settings| {
        settings.ops.min_free_mib = u64::MAX;
    })
    .await;
    let ready = gateway.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text.contains("MiB free"), "{}", ready.text);
    gateway.stop().await;
}

#[tokio::test]
async fn metrics_count_what_came_and_know_no_client() {
    let gateway = TestGateway::start_scripted(vec![Scripted::posting("office")], |_| {}).await;
    gateway.post("/hooks/office?sign=good", "start c1").await;
    gateway.post("/hooks/office?sign=bad", "start c1").await;
    let metrics = gateway.get("/metrics").await;
    assert_eq!(metrics.status, 200);
    let has = |start: &str| metrics.text.lines().any(|line| line.starts_with(start));
    assert!(has(
        "ringcard_ingest_events_total{provider=\"scripted\",way=\"webhook\",outcome=\"applied\"}"
    ));
    assert!(has(
        "ringcard_ingest_refused_total{provider=\"scripted\",reason=\"signature\"}"
    ));
    assert!(has("ringcard_ingest_ack_seconds_bucket"));
    assert!(has("ringcard_build_info"));
    // A line nobody has named yet is called by its number, which is ours; every test of this program
    // counts in the same place.
    let mut unnamed = metrics
        .text
        .lines()
        .filter(|line| !line.contains("line=\""));
    assert!(unnamed.all(|line| !line.contains("4950000011")));
    gateway.stop().await;
}

#[tokio::test]
async fn strangers_learn_the_status_only() {
    // This machine plays the proxy, so the sender is who the proxy says.
    let gateway = TestGateway::start_scripted(Vec::new(), |settings| {
        settings.server.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        settings.ops.token = "let-me-see".to_owned();
    })
    .await;
    let from = |path: &str| {
        gateway
            .client
            .get(gateway.url(path))
            .header("x-forwarded-for", "198.51.100.7, 192.0.2.9")
    };
    let ready = answer(from("/readyz")).await;
    assert_eq!(
        (ready.status, ready.text.as_str()),
        (200, "{\"ready\":true}")
    );
    assert_eq!(answer(from("/metrics")).await.status, 403);
    let unnamed = gateway.client.get(gateway.url("/metrics"));
    assert_eq!(answer(unnamed).await.status, 403);
    assert_eq!(
        answer(from("/metrics").bearer_auth("wrong")).await.status,
        403
    );
    assert_eq!(
        answer(from("/metrics").bearer_auth("let-me-see"))
            .await
            .status,
        200
    );
    gateway.stop().await;
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_may_name_the_sender() {
    let gateway = TestGateway::start().await;
    let lied = gateway
        .client
        .get(gateway.url("/metrics"))
        .header("x-forwarded-for", "198.51.100.7");
    assert_eq!(
        answer(lied).await.status,
        200,
        "the peer counts, not its words"
    );
    gateway.stop().await;
}
