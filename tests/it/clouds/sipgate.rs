//! sipgate.io from outside: signs what it posts, wants a token, rings when told to, and misbehaves on demand.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ringcard::{
    model::{call::CallResult, event::Direction},
    simulator::{
        message::Post,
        sipgate::{PLOTS, SETTINGS, Sipgate},
        story::{Plot, Story},
    },
};
use serde_json::{Value, json};

use super::{
    alike::{orders_are_not_taken, told_at_once, told_without_times},
    anna_clicks, block_roza, calls,
    host::{Emulator, Fault, lock, spoilt},
    mango::click,
    office,
};
use crate::{
    pages::office::{CLIENT, Office},
    support::{gateway::answer, scripted::eventually},
};

const TOKEN: &str = "Linden-token-7Qx2";
const API: (&str, &str) = ("token-L1", "linden-api-token");

/// The emulator.
#[derive(Clone)]
pub struct Cloud(Arc<Emulator<Sipgate, Story>>);

impl std::ops::Deref for Cloud {
    type Target = Emulator<Sipgate, Story>;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Cloud {
    /// Starts it; knows no gateway yet.
    pub async fn start() -> Self {
        let product = Sipgate {
            account: "berlin".to_owned(),
            token: TOKEN.to_owned(),
            run: 1,
        };
        let cloud = Self(Arc::new(Emulator::new(product, ())));
        let router = Router::new()
            .route("/v2/sessions/calls", post(call))
            .with_state(cloud.clone());
        cloud.serve(router, |_, _| {}).await;
        cloud
    }

    /// The account's table for the gateway.
    fn settings(&self) -> String {
        format!(
            "[[pbx]]\nname = 'berlin'\ntype = 'sipgate'\ntoken = '{TOKEN}'\nroute_calls = true\n\
             api_url = '{}/v2'\napi_token_id = '{}'\napi_token = '{}'\nprivate_network = true\n\
             ask_every_ms = 1\n{SETTINGS}",
            lock(&self.base),
            API.0,
            API.1
        )
    }
}

/// Rings the employee, then the client, who answers.
async fn call(State(cloud): State<Cloud>, head: HeaderMap, body: Bytes) -> Response {
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let wanted = format!("Basic {}", STANDARD.encode(format!("{}:{}", API.0, API.1)));
    if head
        .get("authorization")
        .is_none_or(|given| *given != *wanted)
    {
        cloud.host.complain("call: in nobody's name".to_owned());
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(refused) = cloud.host.ask("call", Duration::ZERO, said.clone()) {
        return refused;
    }
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    let (caller, callee) = (text("caller"), text("callee"));
    if caller != "+74950000041" || !callee.starts_with('+') {
        cloud.host.complain(format!("call: {said}"));
        return StatusCode::BAD_REQUEST.into_response();
    }
    let fault = cloud.host.fault("call").await;
    if fault == Some(Fault::Mute) {
        return StatusCode::PAYMENT_REQUIRED.into_response();
    }
    let story = click(cloud.next_call(), "201", &callee);
    if fault.is_none() {
        tokio::spawn(async move {
            for sent in cloud.product().tell(&story) {
                cloud.deliver(&sent.what).await;
            }
        });
    }
    spoilt(
        fault,
        json!({"sessionId": "ABCDEF"}).to_string(),
        "application/json",
    )
}

/// The office of an account there, which posts to it from now on.
async fn told(cloud: &Cloud) -> Office {
    let office = office(&cloud.settings()).await;
    cloud.is_told(office.gateway.url("/hooks/berlin"));
    office
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_is_one_call() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    assert_eq!(anna_clicks(&office, "berlin").await, 303);
    eventually("the order and the call are one", async || {
        let calls = calls(&office).await;
        matches!(calls.as_slice(), [(_, call)] if call.is_over())
    })
    .await;
    let all = calls(&office).await;
    let call = &all[0].1;
    assert_eq!(call.direction, Some(Direction::Out));
    assert_eq!(call.result, Some(CallResult::Answered));
    assert_eq!(call.answered_by, Some("201".into()));
    let said = cloud.host.last_said("call");
    assert_eq!(said, json!({"caller": "+74950000041", "callee": CLIENT}));
    assert_eq!((cloud.host.times("call"), cloud.host.wrong()), (1, vec![]));
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_taken_makes_no_call() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    let faults = [
        Fault::Status(503),
        Fault::TooMany,
        Fault::Page,
        Fault::Half,
        Fault::Mute,
        Fault::Slow(2_000),
    ];
    orders_are_not_taken((&office, "berlin"), &cloud.host, "call", &faults).await;
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sipgate_posts_stands_in_the_journal_and_strangers_get_nothing_in() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    let product = cloud.product();
    let tell = |story: &Story| product.tell(story);
    told_without_times((&office, "berlin"), &PLOTS, tell, |story| {
        product.ledger(story)
    })
    .await;
    let count = calls(&office).await.len();
    let newcomer = product
        .tell(&told_at_once(Plot::Answered, 77))
        .swap_remove(0)
        .what;
    let post = async |change: &dyn Fn(&mut Post)| {
        let mut post = newcomer.clone();
        change(&mut post);
        let url = office.gateway.url(&format!("/hooks/berlin{}", post.target));
        let mut request = office.gateway.client.post(url).body(post.body);
        if let Some((name, signature)) = post.signature {
            request = request.header(name, signature);
        }
        answer(request).await.status
    };
    assert_eq!(post(&|post| post.signature = None).await, 401);
    assert_eq!(post(&|post| post.body.push_str("&cause=busy")).await, 401);
    assert_eq!(
        post(&|post| post.target = "/Linden-token-7Qx3".to_owned()).await,
        404
    );
    assert_eq!(calls(&office).await.len(), count);
    assert_eq!(post(&|_| ()).await, 200);
    // What asks is answered before it is durable.
    eventually("whoever is let in stands in the journal", async || {
        calls(&office).await.len() == count + 1
    })
    .await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_to_a_new_call_rings_the_responsible_one_or_turns_the_caller_away() {
    let cloud = Cloud::start().await;
    let office = told(&cloud).await;
    assert_eq!(anna_clicks(&office, "berlin").await, 303); // makes Roza's card, and Anna responsible
    eventually("the call of the click is over", async || {
        let calls = calls(&office).await;
        !calls.is_empty() && calls.iter().all(|(_, call)| call.is_over())
    })
    .await;
    office.gateway.gateway().desk().refresh_now().await;
    // A slow machine may miss the time for looking up; a call asked about again would be given the answer
    // that it was given, so each question is of another call.
    let asked = std::cell::Cell::new(0);
    let ask = async |client: &str| {
        asked.set(asked.get() + 1);
        let mut told = told_at_once(Plot::Answered, asked.get());
        told.client = Some(client.to_owned());
        let post = cloud.product().question(&told);
        let url = office.gateway.url(&format!("/hooks/berlin{}", post.target));
        let (name, signature) = post.signature.expect("it is signed");
        let request = office.gateway.client.post(url).body(post.body);
        let said = answer(request.header(name, signature)).await;
        assert_eq!(said.status, 200);
        let address = format!("http://127.0.0.1:9/hooks/played/{TOKEN}");
        let wanted = format!("<Response onAnswer=\"{address}\" onHangup=\"{address}\">");
        assert!(said.text.contains(&wanted), "{}", said.text);
        said.text
    };
    eventually("the responsible manager's number rings", async || {
        ask(CLIENT)
            .await
            .contains("<Dial><Number>74950000041</Number></Dial>")
    })
    .await;
    let stranger = ask("+74950000098").await;
    assert!(stranger.ends_with("\"></Response>"), "{stranger}");
    block_roza(&office).await;
    eventually("the caller hears busy", async || {
        office.gateway.gateway().desk().refresh_now().await;
        ask(CLIENT).await.contains("<Reject reason=\"busy\"/>")
    })
    .await;
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    office.close().await;
}
