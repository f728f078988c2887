use std::sync::atomic::{AtomicI64, Ordering};

use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use super::{
    verdict::{MOST_ATTEMPTS, PAUSES},
    *,
};
use crate::{
    model::{
        call::Call,
        event::{ConsentSaid, RecordingSource},
    },
    on_write,
    pbx::{
        Decoder, Intake, Pbx, PbxError,
        recording::{Fetch, RecordingSettings},
    },
    recordings::{audio::fixtures as sound, fixtures::Folder},
    rules::recorded::{Consent, LineRule},
    store::{
        self,
        recordings::{Recording, fixtures as told},
    },
};

/// An account whose recordings lie where the settings say.
struct FakePbx(RecordingSettings);

#[async_trait::async_trait]
impl Pbx for FakePbx {
    fn provider(&self) -> &'static str {
        "fake"
    }

    fn intake(&self) -> Intake {
        Intake::Webhook
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        unreachable!("recordings need no decoder")
    }

    async fn recording(
        &self,
        source: &RecordingSource,
        _now: Timestamp,
    ) -> Result<Fetch, PbxError> {
        self.0.fetch(source)
    }
}

/// A lane on its own database and folders, with a clock that stands still.
struct Bench {
    folder: Folder,
    db: Db,
    lane: Arc<Lane>,
    now: Arc<AtomicI64>,
}

impl Bench {
    async fn new() -> Self {
        let folder = Folder::new();
        let url = format!("sqlite:{}", folder.join("t.db").display());
        Self::on(folder, url).await
    }

    async fn on(folder: Folder, url: String) -> Self {
        std::fs::create_dir_all(folder.join("shared")).unwrap();
        let database = store::Settings {
            url,
            ..store::Settings::default()
        };
        let db = Db::open(&database).await.unwrap();
        db.migrate().await.unwrap();
        let settings = Settings {
            folder: folder.join("recordings"),
            settle_ms: 0,
            poll_ms: 20,
            max_size_mib: 1,
            ..Settings::default()
        };
        let account = RecordingSettings {
            folder: Some(folder.join("shared")),
            strip: "/var/spool/pbx".into(),
            hosts: vec!["127.0.0.1".into()],
            private_network: true,
            ..RecordingSettings::default()
        };
        let account: Arc<dyn Pbx> = Arc::new(FakePbx(account));
        let now = Arc::new(AtomicI64::new(1_000_000_000));
        let clock = now.clone();
        let lane = Lane::new(
            &settings,
            db.clone(),
            pbx::Accounts::from_iter([("office".into(), account)]),
            Vault::open(&settings.folder).unwrap(),
            http::Client::new(&http::Settings {
                answer_timeout_ms: 200,
                ..http::Settings::default()
            })
            .unwrap(),
            Arc::new(move || Timestamp::from_micros(clock.load(Ordering::Relaxed))),
        );
        Self {
            folder,
            db,
            lane: Arc::new(lane),
            now,
        }
    }

    async fn tell(&self, source: RecordingSource) -> CallId {
        told::tell(&self.db, "office", "rec-1", &source).await
    }

    async fn tell_file(&self, content: &[u8]) -> CallId {
        std::fs::write(self.folder.join("shared/a.wav"), content).unwrap();
        self.tell(RecordingSource::File("/var/spool/pbx/a.wav".into()))
            .await
    }

    async fn tell_link(&self, server: &MockServer) -> CallId {
        self.tell(RecordingSource::Link(server.uri() + "/rec"))
            .await
    }

    fn pass(&self, time: Duration) {
        self.now
            .fetch_add(time.as_micros() as i64, Ordering::Relaxed);
    }

    async fn recording(&self, call: CallId) -> Recording {
        rows::of_call(&self.db, call).await.unwrap().remove(0)
    }

    async fn state(&self, call: CallId) -> (RecordingState, String) {
        let recording = self.recording(call).await;
        (recording.state, recording.reason)
    }
}

async fn host(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/rec"))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

fn wav() -> Vec<u8> {
    let one = sound::speech(&[(true, 1_000), (false, 1_000)]);
    let other = sound::speech(&[(false, 2_000)]);
    sound::wav(8_000, 2, &sound::interleaved(&one, &other))
}

/// The call is one of a line with this rule, which began after the rule did; it is known so much of it.
async fn of_line(bench: &Bench, call: CallId, rule: &LineRule, derived: &str) {
    on_write!(&bench.db, pool => {
        sqlx::query("insert into line (id, account, did, name) values (7, 'office', '+7', 'x')")
            .execute(pool)
            .await
            .unwrap();
        sqlx::query("update call set line = 7, started_at = 2000, derived = $2 where id = $1")
            .bind(call.0)
            .bind(derived)
            .execute(pool)
            .await
            .unwrap();
    });
    store::recorded::put(&bench.db, 7, rule, Timestamp::from_micros(1_000))
        .await
        .unwrap();
}

fn derived(consent: Option<ConsentSaid>) -> String {
    serde_json::to_string(&Call {
        consent,
        ..Call::default()
    })
    .unwrap()
}

#[tokio::test]
async fn a_line_that_is_not_recorded_has_nothing_fetched() {
    let bench = Bench::new().await;
    let call = bench.tell_file(&wav()).await;
    let never = LineRule {
        kept: false,
        ..LineRule::default()
    };
    of_line(&bench, call, &never, &derived(None)).await;
    bench.lane.work_due().await;
    let (state, reason) = bench.state(call).await;
    assert_eq!(
        (state, reason.as_str()),
        (RecordingState::Absent, "line_not_recorded")
    );
    let row = bench.recording(call).await;
    assert_eq!((row.sha256, row.size), (None, None));
    let (source,): (Option<String>,) = crate::on_read!(&bench.db, pool => {
        sqlx::query_as("select source from recording").fetch_one(pool).await.unwrap()
    });
    assert_eq!(source, None, "where it lies is forgotten");
}

#[tokio::test]
async fn a_call_before_the_rule_is_kept_as_it_was() {
    let bench = Bench::new().await;
    let call = bench.tell_file(&wav()).await;
    let never = LineRule {
        kept: false,
        ..LineRule::default()
    };
    of_line(&bench, call, &never, &derived(None)).await;
    on_write!(&bench.db, pool => {
        sqlx::query("update call set started_at = 999").execute(pool).await.unwrap();
    });
    bench.lane.work_due().await;
    assert_eq!(bench.state(call).await.0, RecordingState::Kept);
}

#[tokio::test]
async fn a_recording_without_the_consent_it_needs_is_withheld() {
    let asked = LineRule {
        consent: Consent::Asked,
        ..LineRule::default()
    };
    for (said, wanted) in [
        (None, RecordingState::Withheld),
        (Some(ConsentSaid::Heard), RecordingState::Withheld),
        (Some(ConsentSaid::Given), RecordingState::Kept),
        (Some(ConsentSaid::Refused), RecordingState::Absent),
    ] {
        let bench = Bench::new().await;
        let call = bench.tell_file(&wav()).await;
        of_line(&bench, call, &asked, &derived(said)).await;
        bench.lane.work_due().await;
        let row = bench.recording(call).await;
        assert_eq!(row.state, wanted, "{said:?}");
        let picture = rows::picture(&bench.db, row.id).await.unwrap();
        assert_eq!(picture.is_some(), wanted == RecordingState::Kept);
        if wanted == RecordingState::Withheld {
            store::recorded::release(&bench.db, row.id).await.unwrap();
            assert_eq!(bench.state(call).await.0, RecordingState::Kept);
            let shown = told::shown(&bench.db, call).await.2;
            assert_eq!(shown.as_deref(), Some("kept"));
        }
    }
}

#[tokio::test]
async fn a_file_of_the_shared_folder_is_kept_and_measured() {
    file_is_kept(Bench::new().await).await;
}

async fn file_is_kept(bench: Bench) {
    let call = bench.tell_file(&wav()).await;
    let mut heard = bench.lane.listen();
    assert_eq!(bench.lane.work_due().await, 1);
    let kept = bench.recording(call).await;
    assert_eq!(kept.state, RecordingState::Kept);
    assert_eq!(kept.duration_ms, Some(2_000));
    assert_eq!(kept.size, Some(wav().len() as i64));
    assert_eq!(kept.format.as_deref(), Some("wav_pcm"));
    let name = kept.sha256.clone().unwrap();
    let file = bench
        .folder
        .join("recordings")
        .join(&name[..2])
        .join(&name[2..4])
        .join(&name);
    assert_eq!(std::fs::read(file).unwrap(), wav());
    let picture = rows::picture(&bench.db, kept.id).await.unwrap().unwrap();
    assert_eq!(picture.peaks.len(), 2 * audio::PEAKS_PER_SIDE);
    let measures: audio::Measures = serde_json::from_str(&picture.measures).unwrap();
    assert_eq!(measures.sides[0].talk_share, 0.5);
    let (job, error, shown) = told::shown(&bench.db, call).await;
    assert_eq!(
        (job.as_str(), error.as_str(), shown.as_deref()),
        ("done", "", Some("kept"))
    );
    let states = [
        heard.recv().await.unwrap().state,
        heard.recv().await.unwrap().state,
    ];
    assert_eq!(states, [RecordingState::Fetching, RecordingState::Kept]);
    assert_eq!(bench.lane.work_due().await, 0);
}

#[tokio::test]
async fn a_link_is_fetched() {
    let bench = Bench::new().await;
    // The host's word for what it is does not count.
    let server = host(ResponseTemplate::new(200).set_body_raw(sound::mp3(20), "text/html")).await;
    let call = bench.tell_link(&server).await;
    bench.lane.work_due().await;
    let kept = bench.recording(call).await;
    assert_eq!(kept.state, RecordingState::Kept);
    assert_eq!(kept.format.as_deref(), Some("mp3"));
    assert_eq!(kept.duration_ms, Some(20 * 72));
}

#[tokio::test]
async fn gsm_is_kept_without_a_player() {
    let bench = Bench::new().await;
    let call = bench.tell_file(&sound::wav49(50)).await;
    bench.lane.work_due().await;
    let kept = bench.recording(call).await;
    assert_eq!(
        (kept.state, kept.reason.as_str()),
        (RecordingState::NoPlayer, "gsm")
    );
    assert_eq!(kept.duration_ms, Some(2_000));
    assert!(kept.sha256.is_some());
    assert_eq!(rows::picture(&bench.db, kept.id).await.unwrap(), None);
    assert_eq!(
        told::shown(&bench.db, call).await.2.as_deref(),
        Some("no_player")
    );
}

#[tokio::test]
async fn a_page_instead_of_audio_is_tried_again_and_then_refused() {
    page_is_refused(Bench::new().await).await;
}

async fn page_is_refused(bench: Bench) {
    let page = "<!DOCTYPE html><title>Not ready</title>";
    let server = host(ResponseTemplate::new(200).set_body_raw(page, "audio/mpeg")).await;
    let call = bench.tell_link(&server).await;
    let mut attempts = bench.lane.work_due().await;
    for pause in PAUSES {
        assert_eq!(
            bench.state(call).await,
            (RecordingState::Waiting, "web_page".into())
        );
        bench.pass(pause - Duration::from_millis(1));
        assert_eq!(
            bench.lane.work_due().await,
            0,
            "before {pause:?} have passed"
        );
        bench.pass(Duration::from_millis(1));
        attempts += bench.lane.work_due().await;
    }
    assert_eq!(attempts, 6);
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Refused, "web_page".into())
    );
    let (job, error, shown) = told::shown(&bench.db, call).await;
    assert_eq!((job.as_str(), error.as_str()), ("failed", "web_page"));
    assert_eq!(shown.as_deref(), Some("refused"));
    bench.pass(Duration::from_secs(86_400));
    assert_eq!(bench.lane.work_due().await, 0);
    assert_eq!(server.received_requests().await.unwrap().len(), 6);
}

#[tokio::test]
async fn a_host_that_comes_back_is_asked_again() {
    let bench = Bench::new().await;
    let server = MockServer::start().await;
    Mock::given(path("/rec"))
        .respond_with(ResponseTemplate::new(503))
        .up_to_n_times(2)
        .mount(&server)
        .await;
    Mock::given(path("/rec"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(wav()))
        .mount(&server)
        .await;
    let call = bench.tell_link(&server).await;
    bench.lane.work_due().await;
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Waiting, "host_error".into())
    );
    for pause in &PAUSES[..2] {
        bench.pass(*pause);
        bench.lane.work_due().await;
    }
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Kept, String::new())
    );
}

#[tokio::test]
async fn what_a_stop_breaks_off_can_be_begun_again_at_once() {
    let bench = Bench::new().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    let server = host(slow).await;
    let call = bench.tell_link(&server).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(Arc::clone(&bench.lane).run(stop.clone()));
    while bench.state(call).await.0 != RecordingState::Fetching {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let now = Timestamp::from_micros(bench.now.load(Ordering::Relaxed));
    assert!(
        !rows::is_due(&bench.db, now).await.unwrap(),
        "it is claimed"
    );
    stop.cancel();
    running.await.unwrap();
    assert!(
        rows::is_due(&bench.db, now).await.unwrap(),
        "nobody holds it"
    );
}

#[tokio::test]
async fn an_outage_of_hours_is_outlived() {
    let bench = Bench::new().await;
    let server = MockServer::start().await;
    Mock::given(path("/rec"))
        .respond_with(ResponseTemplate::new(502))
        .up_to_n_times(9)
        .mount(&server)
        .await;
    Mock::given(path("/rec"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(wav()))
        .mount(&server)
        .await;
    let call = bench.tell_link(&server).await;
    bench.lane.work_due().await;
    for hour in 0..8 {
        bench.pass(Duration::from_secs(3_600));
        assert_eq!(bench.lane.work_due().await, 1, "hour {hour}");
        assert_eq!(bench.state(call).await.0, RecordingState::Waiting);
    }
    bench.pass(Duration::from_secs(3_600));
    bench.lane.work_due().await;
    assert_eq!(bench.state(call).await.0, RecordingState::Kept);
}

#[tokio::test]
async fn a_host_that_never_comes_back_is_given_up_after_three_days() {
    let bench = Bench::new().await;
    let server = host(ResponseTemplate::new(502)).await;
    let call = bench.tell_link(&server).await;
    let mut hours = 0;
    while bench.lane.work_due().await == 1 {
        bench.pass(Duration::from_secs(3_600));
        hours += 1;
    }
    assert_eq!(hours, MOST_ATTEMPTS);
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Failed, "host_error".into())
    );
}

#[tokio::test]
async fn a_store_that_is_away_costs_no_recording() {
    let bench = Bench::new().await;
    let call = bench.tell_file(&wav()).await;
    // Where the recording's folder has to be, something else stands.
    let name = audio::inspect(&mut std::io::Cursor::new(wav()))
        .unwrap()
        .sha256;
    let in_the_way = bench.folder.join("recordings").join(&name[..2]);
    std::fs::write(&in_the_way, b"").unwrap();
    bench.lane.work_due().await;
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Waiting, "store".into())
    );
    std::fs::remove_file(in_the_way).unwrap();
    bench.pass(PAUSES[0]);
    bench.lane.work_due().await;
    assert_eq!(bench.state(call).await.0, RecordingState::Kept);
}

#[tokio::test]
async fn a_busy_host_is_left_alone_as_long_as_it_asks() {
    let bench = Bench::new().await;
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "60");
    let server = host(busy).await;
    bench.tell_link(&server).await;
    bench.lane.work_due().await;
    bench.pass(Duration::from_secs(59));
    assert_eq!(bench.lane.work_due().await, 0);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.lane.work_due().await, 1);
}

#[tokio::test]
async fn a_redirect_to_a_forbidden_host_is_final() {
    let bench = Bench::new().await;
    let away = ResponseTemplate::new(302).insert_header("location", "http://localhost:9/rec");
    let server = host(away).await;
    let call = bench.tell_link(&server).await;
    bench.lane.work_due().await;
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Failed, "host_not_allowed".into())
    );
}

#[tokio::test]
async fn a_slow_host_is_tried_again() {
    let bench = Bench::new().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(30));
    let server = host(slow).await;
    let call = bench.tell_link(&server).await;
    bench.lane.work_due().await;
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Waiting, "too_slow".into())
    );
}

#[tokio::test]
async fn a_huge_file_is_final() {
    let bench = Bench::new().await;
    let huge = ResponseTemplate::new(200).set_body_bytes(vec![0; 1024 * 1024 + 1]);
    let server = host(huge).await;
    let call = bench.tell_link(&server).await;
    bench.lane.work_due().await;
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Failed, "too_large".into())
    );
    let left = std::fs::read_dir(bench.folder.join("recordings/.incoming")).unwrap();
    assert_eq!(left.count(), 0, "half-fetched files go");
}

#[tokio::test]
async fn what_is_no_recording_is_refused_at_once() {
    let bench = Bench::new().await;
    let call = bench.tell_file(b"\x89PNG\r\n\x1a\n").await;
    bench.lane.work_due().await;
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Refused, "not_audio".into())
    );
}

#[tokio::test]
async fn a_shared_file_with_nothing_in_it_is_looked_at_twice() {
    let bench = Bench::new().await;
    let call = bench.tell_file(&sound::wav(8_000, 1, &[])).await;
    bench.lane.work_due().await;
    let silent = |state| (state, "no_sound".to_owned());
    assert_eq!(bench.state(call).await, silent(RecordingState::Waiting));
    bench.pass(PAUSES[0]);
    bench.lane.work_due().await;
    assert_eq!(bench.state(call).await, silent(RecordingState::Absent));
}

#[tokio::test]
async fn a_path_out_of_the_folder_is_final() {
    let bench = Bench::new().await;
    let call = bench
        .tell(RecordingSource::File("/etc/passwd".into()))
        .await;
    bench.lane.work_due().await;
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Failed, "not_allowed".into())
    );
}

#[tokio::test]
async fn an_account_that_is_gone_is_said() {
    let bench = Bench::new().await;
    let source = RecordingSource::File("a.wav".into());
    let call = told::tell(&bench.db, "closed", "rec-1", &source).await;
    bench.lane.work_due().await;
    assert_eq!(
        bench.state(call).await,
        (RecordingState::Failed, "no_account".into())
    );
}

#[tokio::test]
async fn a_dead_workers_job_is_taken_over_and_its_late_word_ignored() {
    dead_worker_is_replaced(Bench::new().await).await;
}

async fn dead_worker_is_replaced(bench: Bench) {
    let call = bench.tell_file(&wav()).await;
    let now = (bench.lane.clock)();
    let lease = now.plus_millis(60_000);
    let dead = rows::claim(&bench.db, now, lease, 1)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(bench.lane.work_due().await, 0, "the lease holds");
    bench.pass(Duration::from_secs(60));
    assert_eq!(bench.lane.work_due().await, 1);
    let kept = bench.recording(call).await;
    let state = RecordingState::Failed;
    rows::give_up(&bench.db, &dead, kept.id, state, "late")
        .await
        .unwrap();
    assert!(!rows::renew(&bench.db, &dead, lease).await.unwrap());
    assert_eq!(bench.recording(call).await, kept);
    assert_eq!(told::shown(&bench.db, call).await.0, "done");
}

#[tokio::test]
async fn jobs_of_one_recording_go_one_after_another() {
    let bench = Bench::new().await;
    let call = bench.tell_file(&wav()).await;
    told::tell_again(&bench.db, "office", "rec-1", call).await;
    let now = (bench.lane.clock)();
    let claimed = rows::claim(&bench.db, now, now.plus_millis(60_000), 10)
        .await
        .unwrap();
    assert_eq!(claimed.len(), 1);
    assert!(rows::drop_job(&bench.db, &claimed[0]).await.unwrap());
    let next = rows::claim(&bench.db, now, now.plus_millis(60_000), 10)
        .await
        .unwrap();
    assert_eq!(next.len(), 1);
    assert!(next[0].id > claimed[0].id);
}

#[tokio::test]
async fn the_same_sound_told_twice_is_one_file() {
    let bench = Bench::new().await;
    let first = bench.tell_file(&wav()).await;
    let second = bench.tell_file(&wav()).await;
    assert_eq!(bench.lane.work_due().await, 2);
    let (first, second) = (bench.recording(first).await, bench.recording(second).await);
    assert_eq!(first.sha256, second.sha256);
    assert_ne!(first.id, second.id);
}

#[tokio::test]
async fn the_lane_runs_until_it_is_stopped() {
    let bench = Bench::new().await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(bench.lane.clone().run(stop.clone()));
    let mut heard = bench.lane.listen();
    let call = bench.tell_file(&wav()).await;
    while heard.recv().await.unwrap().state != RecordingState::Kept {}
    assert_eq!(bench.recording(call).await.state, RecordingState::Kept);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn it_is_the_same_on_postgresql() {
    let cluster = crate::bench::cluster::Cluster::start("").unwrap();
    let bench = || Bench::on(Folder::new(), cluster.database().unwrap());
    file_is_kept(bench().await).await;
    page_is_refused(bench().await).await;
    dead_worker_is_replaced(bench().await).await;
}
