//! Half an hour in which nothing of a PBX reaches us: afterwards no call is lost and none doubled, and the
//! page of accounts says how many its records have brought.

use std::{collections::BTreeMap, fmt::Write as _, sync::atomic::Ordering::SeqCst};

use ringcard::{
    flow,
    model::{
        call::{Call, CallResult, LegResult},
        time::Timestamp,
    },
    simulator::{
        ami::{Asterisk, PLOTS, Said},
        ami_server::AmiServer,
        dice::Dice,
        itoolabs::Itoolabs,
        ledger::Ledger,
        mango::Mango,
        message::{Post, Sent},
        onlinepbx::OnlinePbx,
        sipgate::Sipgate,
        sipuni::Sipuni,
        story::{Plot, Story, Tempo, World},
        twilio::Twilio,
        uis::Uis,
        zadarma::Zadarma,
    },
};

use super::{
    calls, first_reading, host::Emulator, hurry_recordings, itoolabs, mango, office, onlinepbx,
    read_now, recordings, sipgate, sipuni, standing, twilio, uis, zadarma,
};
use crate::{
    pages::office::{Office, attribute},
    support::{
        gateway::TestGateway,
        scripted::{eventually, eventually_nothing},
    },
};

const MINUTE_MS: i64 = 60_000;
/// One call in so many minutes, over two hours.
const CALLS: u64 = 60;
const EVERY_MS: i64 = 2 * MINUTE_MS;
const OUTAGE_MS: i64 = 30 * MINUTE_MS;

/// Two hours of an office, long enough ago to stand in any history.
fn stories(plots: &[Plot]) -> Vec<Story> {
    stories_of(plots, Tempo::NATURAL)
}

fn stories_of(plots: &[Plot], tempo: Tempo) -> Vec<Story> {
    let world = World::company(6, 200);
    // Not on a full second, and the same in every run: ledgers know milliseconds.
    let now = Timestamp::from_seconds(flow::now().as_seconds());
    let start = now.plus_millis(437 - 150 * MINUTE_MS);
    let mut dice = Dice::new(42);
    (0..CALLS)
        .map(|number| {
            let plot = plots[number as usize % plots.len()];
            let at = start.plus_millis(number as i64 * EVERY_MS);
            Story::draw(&mut dice, &world, plot, number, at, tempo)
        })
        .collect()
}

/// When the outage begins: in the middle of a call.
fn middle(stories: &[Story]) -> Timestamp {
    let mut later = stories.iter().skip(20);
    let story = later.find(|story| story.answered_ms.is_some() && story.click_ms.is_none());
    let story = story.expect("most are answered");
    story
        .start
        .plus_millis(story.answered_ms.unwrap_or_default() + 1_000)
}

/// What was withheld: messages, and the calls of which nothing or not all came.
struct Outage<T> {
    withheld: Vec<Sent<T>>,
    unheard: usize,
    maimed: usize,
}

/// Messages of the middle half hour are withheld; the others go out in order.
fn withhold<T>(told: Vec<Sent<T>>, from: Timestamp) -> (Vec<Sent<T>>, Outage<T>) {
    let until = from.plus_millis(OUTAGE_MS);
    let is_withheld = |sent: &Sent<T>| (from..until).contains(&sent.at);
    let mut calls: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    for sent in &told {
        let (all, lost) = calls.entry(sent.story).or_default();
        *all += 1;
        *lost += usize::from(is_withheld(sent));
    }
    let (withheld, sent): (Vec<_>, Vec<_>) = told.into_iter().partition(is_withheld);
    let lost_of =
        |wanted: fn(&(usize, usize)) -> bool| calls.values().filter(|of| wanted(of)).count();
    let outage = Outage {
        withheld,
        unheard: lost_of(|(all, lost)| lost == all),
        maimed: lost_of(|(all, lost)| *lost > 0 && lost < all),
    };
    assert!(
        outage.unheard >= 5 && outage.maimed >= 1,
        "the outage takes calls with it"
    );
    (sent, outage)
}

/// What is wrong with the journal, against the simulator's own ledger.
fn differences(ledgers: &[Ledger], calls: &[(String, Call)]) -> Vec<String> {
    let mut wrong = Vec::new();
    if calls.len() != ledgers.len() {
        wrong.push(format!(
            "{} calls instead of {}",
            calls.len(),
            ledgers.len()
        ));
    }
    for ledger in ledgers {
        let key = &ledger.call_key;
        let near = |one: Timestamp, other: Timestamp| {
            (one.as_micros() - other.as_micros()).abs() <= ledger.tolerance_ms * 1_000
        };
        let is_it = |call: &Call| {
            let client = call.client.as_ref().and_then(|client| client.e164());
            // However late the rest is told, the start has a time of its own.
            let started = (call.started_at.as_micros() - ledger.started_at.as_micros()).abs();
            let begins = near(call.started_at, ledger.started_at) && started < 60_000_000;
            begins && client == ledger.client.as_deref()
        };
        let mut own = calls.iter().filter(|(_, call)| is_it(call));
        let (Some((_, call)), None) = (own.next(), own.next()) else {
            wrong.push(format!("{key} {:?} is not there once", ledger.plot));
            continue;
        };
        let mut differ = |what: &str, wanted: String, found: String| {
            if wanted != found {
                wrong.push(format!(
                    "{key} {:?} {what}: {found} instead of {wanted}",
                    ledger.plot
                ));
            }
        };
        let text = |value: &dyn std::fmt::Debug| format!("{value:?}");
        differ(
            "direction",
            text(&Some(ledger.direction)),
            text(&call.direction),
        );
        // Told as it is written, if it is near enough.
        let ended = call.ended_at.map(|at| match near(at, ledger.ended_at) {
            true => ledger.ended_at,
            false => at,
        });
        let waits = call.wait_ms.zip(ledger.wait_ms);
        let wait =
            match waits.is_some_and(|(one, other)| (one - other).abs() <= ledger.tolerance_ms) {
                true => ledger.wait_ms,
                false => call.wait_ms,
            };
        differ("ended", text(&Some(ledger.ended_at)), text(&ended));
        if ledger.wait_ms.is_some() {
            differ("wait", text(&ledger.wait_ms), text(&wait));
        }
        let by = call.answered_by.as_ref().map(ToString::to_string);
        differ("answered by", text(&ledger.answered_by), text(&by));
        let answered = |result| result == Some(CallResult::Answered);
        differ(
            "answered",
            text(&answered(Some(ledger.result))),
            text(&answered(call.result)),
        );
        differ(
            "recordings",
            text(&ledger.recordings),
            text(&call.recordings.len()),
        );
        // Nobody's phone stands in it twice, and who talked is known.
        let phone = |leg: &ringcard::model::call::Leg| leg.extension().map(ToString::to_string);
        let mut phones: Vec<String> = call.legs.iter().filter_map(phone).collect();
        let count = phones.len();
        phones.sort();
        phones.dedup();
        // Who asks a colleague has two lines.
        if ledger.plot != Plot::AttendedTransfer {
            differ("phones", text(&count), text(&phones.len()));
        }
        if ledger.result == CallResult::Answered {
            let talked = |leg: &ringcard::model::call::Leg| leg.result == Some(LegResult::Answered);
            differ(
                "a leg of the talk",
                text(&true),
                text(&call.legs.iter().any(talked)),
            );
        }
    }
    wrong
}

/// Reads past calls, holds the journal against the ledger, reads again and hears what was withheld after
/// all: nothing changes any more.
async fn nothing_lost_and_nothing_doubled(
    (office, account): (&Office, &'static str),
    (ledgers, outage): (&[Ledger], Outage<Post>),
    deliver: impl AsyncFn(&Sent<Post>),
) {
    let before = calls(office).await.len();
    assert_eq!(before, ledgers.len() - outage.unheard, "what events told");
    let standing = read_now(office, account).await;
    assert_eq!(standing.failing_since, None, "{}", standing.why);
    assert_eq!(standing.brought.found, outage.unheard as u64);
    assert!(
        standing.brought.repaired <= outage.maimed as u64,
        "{standing:?}"
    );
    assert_eq!(standing.unread, 0);
    let page = office.browser("adam").await.page("/accounts").await;
    let own = format!("tr[data-account={account}] [data-found]");
    assert_eq!(
        attribute(&page, &own, "data-found"),
        outage.unheard.to_string()
    );
    assert_eq!(
        differences(ledgers, &calls(office).await),
        Vec::<String>::new()
    );

    let again = read_now(office, account).await;
    assert_eq!(
        (again.brought_at, again.brought),
        (standing.brought_at, standing.brought)
    );
    for message in &outage.withheld {
        deliver(message).await;
    }
    // A call that its record did not name is one with that of its late events after the next reading.
    read_now(office, account).await;
    assert_eq!(
        differences(ledgers, &calls(office).await),
        Vec::<String>::new()
    );
    let files: usize = ledgers.iter().map(|ledger| ledger.recordings).sum();
    eventually_nothing("every recording is kept", async || {
        // Two requests sent apart may arrive too near to each other: the cloud wants one later.
        hurry_recordings(office).await;
        let told = recordings(office).await;
        let count = (told.len() != files).then(|| format!("{} instead of {files}", told.len()));
        let others = told.iter().filter(|(state, _)| state.as_str() != "kept");
        count
            .into_iter()
            .chain(others.map(|other| format!("{other:?}")))
            .collect()
    })
    .await;
}

/// An office that hears this cloud and has read its records once.
async fn connected<P: Clone, R, O>(
    cloud: &Emulator<P, R, O>,
    settings: &str,
    account: &'static str,
) -> Office {
    let office = office(settings).await;
    cloud.is_told(office.gateway.url(&format!("/hooks/{account}")));
    first_reading(&office, account).await;
    office
}

/// Plays stories to an office whose cloud withholds half an hour of them, and whose own records then tell
/// everything. Returns the office, and how many calls were never heard of.
async fn half_an_hour_of<P: Clone, R, O>(
    cloud: &Emulator<P, R, O>,
    at: (String, &'static str),
    stories: &[Story],
    words: (
        impl FnMut(&P, &Story) -> Vec<Sent<Post>>,
        impl Fn(&P, &Story) -> Ledger,
    ),
    remember: impl Fn(&Story),
) -> (Office, usize) {
    let deliver = async |_: &Office, sent: &Sent<Post>| cloud.deliver(&sent.what).await;
    half_an_hour_heard(cloud, at, stories, words, remember, deliver).await
}

/// The same, with messages heard in a way of its own.
async fn half_an_hour_heard<P: Clone, R, O>(
    cloud: &Emulator<P, R, O>,
    (settings, account): (String, &'static str),
    stories: &[Story],
    (mut tell, ledger): (
        impl FnMut(&P, &Story) -> Vec<Sent<Post>>,
        impl Fn(&P, &Story) -> Ledger,
    ),
    remember: impl Fn(&Story),
    deliver: impl AsyncFn(&Office, &Sent<Post>),
) -> (Office, usize) {
    let office = connected(cloud, &settings, account).await;
    let product = cloud.product();
    let told = stories.iter().flat_map(|story| tell(&product, story));
    let (sent, outage) = withhold(told.collect(), middle(stories));
    for message in &sent {
        deliver(&office, message).await;
    }
    stories.iter().for_each(remember);
    let unheard = outage.unheard;
    let ledgers: Vec<Ledger> = stories
        .iter()
        .map(|story| ledger(&product, story))
        .collect();
    let deliver = async |message: &Sent<Post>| deliver(&office, message).await;
    nothing_lost_and_nothing_doubled((&office, account), (&ledgers, outage), deliver).await;
    assert_eq!(cloud.host.wrong(), Vec::<String>::new());
    (office, unheard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_mango_comes_back_from_its_statistics() {
    let cloud = mango::Cloud::start().await;
    let stories = stories(&ringcard::simulator::mango::PLOTS);
    let at = (cloud.settings(), "office");
    let words = (Mango::tell, Mango::ledger);
    let remember = |story: &Story| cloud.remember(story);
    let (office, _) = half_an_hour_of(&cloud, at, &stories, words, remember).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_uis_comes_back_from_its_report() {
    let cloud = uis::Cloud::start().await;
    let stories = stories(&ringcard::simulator::uis::PLOTS);
    let at = (cloud.settings(), "uis");
    let words = (Uis::tell, Uis::ledger);
    let remember = |story: &Story| cloud.remember(story);
    let (office, _) = half_an_hour_of(&cloud, at, &stories, words, remember).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_onlinepbx_comes_back_from_its_list() {
    let cloud = onlinepbx::Cloud::start().await;
    let mut stories = stories(&ringcard::simulator::onlinepbx::PLOTS);
    // The list does not say which calls have a file, and who got a call that was passed on.
    stories.retain(|story| story.passing.is_none());
    for story in &mut stories {
        story.recorded = story.answered_ms.is_some();
    }
    let at = (cloud.settings(), "larch");
    let words = (OnlinePbx::tell, OnlinePbx::ledger);
    let remember = |story: &Story| cloud.remember(story);
    let (office, _) = half_an_hour_of(&cloud, at, &stories, words, remember).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_twilio_comes_back_from_its_lists() {
    let cloud = twilio::Cloud::start().await;
    let mut stories = stories(&ringcard::simulator::twilio::PLOTS);
    // Passing on is another program's doing. A call begins when we are asked, and here all is told hours later:
    // so those that begin with a menu would have begun with their first ring.
    stories.retain(|story| {
        let first = story.rings.first().map_or(0, |ring| ring.from_ms);
        story.passing.is_none() && (story.caller.is_some() || first < 2_000)
    });
    // We order every call from the account's one line.
    for story in stories.iter_mut().filter(|story| story.caller.is_some()) {
        twilio::LINE.clone_into(&mut story.did);
    }
    let at = (cloud.settings(), "cedar");
    let words = (Twilio::tell, Twilio::ledger);
    let remember = |story: &Story| cloud.remember(story);
    let (office, _) = half_an_hour_of(&cloud, at, &stories, words, remember).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_sipgate_comes_back_from_its_list() {
    let cloud = sipgate::Cloud::start().await;
    let mut stories = stories(&ringcard::simulator::sipgate::PLOTS);
    // The list does not say whether somebody had talked before a call was sent on.
    stories.retain(|story| story.passing.is_none());
    let at = (cloud.settings(), "berlin");
    let ledger = |product: &Sipgate, story: &Story| Ledger {
        recordings: usize::from(story.recorded && story.answered_ms.is_some()),
        started_at: story.at(sipgate::begins_ms(story)),
        tolerance_ms: 1_000,
        ..product.ledger(story)
    };
    let remember = |story: &Story| cloud.remember(story);
    let words = (Sipgate::tell, ledger);
    let played = half_an_hour_heard(&cloud, at, &stories, words, remember, sipgate::hear);
    played.await.0.close().await;
}

async fn half_an_hour_of_sipuni(names_missed: bool) {
    let cloud = sipuni::Cloud::start().await;
    cloud.names_missed.store(names_missed, SeqCst);
    let stories = stories(&sipuni::plots());
    let mut dice = Dice::new(7);
    let at = (cloud.settings(), "lossy");
    let tell = |product: &Sipuni, story: &Story| product.tell(story, &mut dice);
    let remember = |story: &Story| cloud.remember(story);
    let words = (tell, Sipuni::ledger);
    let (office, _) = half_an_hour_of(&cloud, at, &stories, words, remember).await;
    office.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_sipuni_comes_back_from_its_table() {
    half_an_hour_of_sipuni(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_sipuni_comes_back_even_where_its_table_names_no_missed_call() {
    half_an_hour_of_sipuni(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_zadarma_comes_back_from_its_call_log() {
    let cloud = zadarma::Cloud::start().await;
    // An answer is when it is told, and here all is told at once: so talks are short.
    let short = Tempo {
        talk_ms: (2_000, 2_900),
    };
    let mut stories = stories_of(&ringcard::simulator::zadarma::PLOTS, short);
    for story in &mut stories {
        if let Some((from_ms, to_ms)) = story.hold.take() {
            story.end_ms -= to_ms - from_ms;
        }
    }
    let at = (cloud.settings(), "birch");
    let words = (Zadarma::tell, Zadarma::ledger);
    let remember = |story: &Story| cloud.remember(story);
    let (office, _) = half_an_hour_of(&cloud, at, &stories, words, remember).await;
    office.close().await;
}

/// How many answered calls are known with their wait, which only the list of past calls tells; each must be
/// right.
fn known_waits(stories: &[Story], calls: &[(String, Call)]) -> usize {
    let of = |story: &&Story| {
        let ledger = story.ledger("vats", "", 1_000);
        let is_it = |call: &Call| {
            let client = call.client.as_ref().and_then(|client| client.e164());
            call.started_at == ledger.started_at && client == ledger.client.as_deref()
        };
        let (_, call) = calls.iter().find(|(_, call)| is_it(call))?;
        let (wanted, found) = (ledger.wait_ms?, call.wait_ms?);
        assert!((wanted - found).abs() <= 1_000, "{wanted} {call:?}");
        Some(())
    };
    let answered = stories.iter().filter(|story| story.answered_ms.is_some());
    answered.filter_map(|story| of(&story)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_the_itoolabs_family_comes_back_from_its_list() {
    let cloud = itoolabs::Cloud::start().await;
    let stories = stories(&ringcard::simulator::itoolabs::PLOTS);
    let at = (cloud.settings(), "vats");
    let words = (Itoolabs::tell, Itoolabs::ledger);
    let remember = |story: &Story| cloud.remember(story);
    let played = half_an_hour_of(&cloud, at, &stories, words, remember);
    let (office, unheard) = played.await;
    let known = known_waits(&stories, &calls(&office).await);
    assert!(known * 2 >= unheard, "{known} of {unheard}");
    office.close().await;
}

/// What an Asterisk says and writes, in order, from this moment on until that one.
fn say(server: &AmiServer, log: &std::path::Path, told: &[Sent<Said>]) {
    let mut rows = String::new();
    for sent in told {
        match &sent.what {
            Said::Ami(block) => server.send(block),
            Said::Cel(row) => rows.push_str(row),
        }
    }
    let mut file = std::fs::OpenOptions::new().append(true).open(log).unwrap();
    std::io::Write::write_all(&mut file, rows.as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_an_hour_of_asterisk_comes_back_from_its_log() {
    let product = Asterisk {
        account: "pbx".to_owned(),
        trunk: "trunk".to_owned(),
        recordings: "/var/spool/asterisk/monitor".to_owned(),
        run: 1,
    };
    let (server, _clicks) = AmiServer::start("127.0.0.1:0", "ringcard", "outage-secret")
        .await
        .unwrap();
    let log = std::env::temp_dir().join(format!("ringcard-cel-{}.csv", uuid::Uuid::now_v7()));
    std::fs::write(&log, "").unwrap();
    let mut settings = String::new();
    write!(
        settings,
        "[[pbx]]\nname = 'pbx'\ntype = 'asterisk'\naddress = '{}'\nuser = 'ringcard'\n\
         secret = 'outage-secret'\ncel = '{}'\n",
        server.address(),
        log.display()
    )
    .unwrap();
    let gateway = TestGateway::start_with(&settings, |settings| {
        settings.dial.retry_first_ms = 10;
        settings.dial.retry_longest_ms = 50;
    });
    let office = Office::staffed(gateway.await).await;
    eventually("it is logged in", async || server.is_listed()).await;
    first_reading(&office, "pbx").await;

    let mut stories = stories(&PLOTS);
    stories.iter_mut().for_each(|story| story.recorded = false);
    let from = middle(&stories);
    let until = from.plus_millis(OUTAGE_MS);
    let mut told: Vec<Sent<Said>> = stories
        .iter()
        .flat_map(|story| product.tell(story))
        .collect();
    told.sort_by_key(|sent| sent.at);
    let events = told.iter().filter(|sent| matches!(sent.what, Said::Ami(_)));
    let (_, outage) = withhold(events.cloned().collect(), from);
    let (before, rest) = told.split_at(told.partition_point(|sent| sent.at < from));
    let (meanwhile, after) = rest.split_at(rest.partition_point(|sent| sent.at < until));
    let ledgers: Vec<Ledger> = stories.iter().map(|story| product.ledger(story)).collect();
    let over = |at: Timestamp| ledgers.iter().filter(|of| of.started_at < at).count();

    say(&server, &log, before);
    eventually("what came before is known", async || {
        calls(&office).await.len() == over(from)
    })
    .await;
    server.go_away();
    say(&server, &log, meanwhile);
    server.come_back();
    eventually("the log is read", async || {
        standing(&office, "pbx").await.brought_at.is_some()
    })
    .await;
    eventually("it is logged in again", async || server.is_listed()).await;
    let brought = standing(&office, "pbx").await;
    say(&server, &log, after);
    eventually_nothing("every call is known and over", async || {
        differences(&ledgers, &calls(&office).await)
    })
    .await;
    assert_eq!(brought.brought.found, outage.unheard as u64, "{brought:?}");
    assert!(
        brought.brought.repaired <= outage.maimed as u64,
        "{brought:?}"
    );
    let page = office.browser("adam").await.page("/accounts").await;
    let shown = attribute(&page, "tr[data-account=pbx] [data-found]", "data-found");
    assert_eq!(shown, outage.unheard.to_string());
    office.close().await;
    std::fs::remove_file(&log).unwrap();
}
