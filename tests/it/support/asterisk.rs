//! A real Asterisk with SIPp around it: `tests/asterisk` says what it is made of.
//!
//! Each story has an instance of its own, with ports and folders of its own. 127.0.0.2 is the outside
//! world, 127.0.0.1 are the phones 101 to 105.

use std::{
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::scripted::eventually;

/// Secret of the manager user and token of the dialplan's questions.
pub const SECRET: &str = "laboratory";
/// Name of the account in the gateway.
pub const ACCOUNT: &str = "office";
/// Name of the account that hears the same Asterisk in the other way.
pub const BESIDE: &str = "beside";
/// And of the other one, where there are two.
pub const BRANCH: &str = "branch";

const WORLD: &str = "127.0.0.2";
const PHONES: &str = "127.0.0.1";
/// Longer than any story.
const FOR_EVER_MS: u32 = 600_000;

/// One Asterisk, running or not yet.
pub struct Lab {
    /// Name of its account.
    pub account: &'static str,
    id: String,
    chroot: PathBuf,
    /// Scenarios as rendered, sound, and what SIPp complained of.
    folder: PathBuf,
    sip: u16,
    ami: u16,
    http: u16,
    /// The same over TLS.
    ami_tls: u16,
    http_tls: u16,
    trunk: u16,
    phones: u16,
    rtp: u16,
    wishes: Wishes,
    /// Where the gateway listens for questions over FastAGI.
    agi: u16,
    /// And where for Asterisk to dial it.
    ari_out: u16,
    child: Option<Child>,
}

/// What a story wants to be other than usual.
#[derive(Clone, Copy, Default)]
pub struct Wishes {
    /// The gateway keeps its data in PostgreSQL.
    pub postgres: bool,
    /// Calls that ring elsewhere are sent on to the responsible manager.
    pub sends_on: bool,
    /// The dialplan asks over FastAGI.
    pub asks_by_agi: bool,
    /// How the gateway hears Asterisk over ARI.
    pub ari: Ari,
    /// There is a second Asterisk, with an account and a 101 of its own.
    pub branch: bool,
}

/// How the gateway hears Asterisk over ARI: always with another account beside, over AMI.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Ari {
    /// The story's own account is over AMI.
    #[default]
    Beside,
    /// The story's own account is over ARI.
    First,
    /// As `Beside`, and channels do not say which call they belong to.
    Unlinked,
    /// As `First`, and both accounts over TLS.
    Secured,
    /// As `Beside`, and Asterisk dials.
    DialsUs,
    /// The same over TLS.
    DialsUsSecured,
}

/// What SIPp plays.
#[derive(Clone)]
pub struct Scenario {
    file: &'static str,
    words: Vec<(&'static str, String)>,
    calls: u32,
    per_second: u32,
    twin: Option<u16>,
}

/// A SIPp that plays; it goes when this is dropped.
pub struct Playing {
    child: Child,
    errors: PathBuf,
    file: &'static str,
}

impl Scenario {
    fn new(file: &'static str) -> Self {
        Self {
            file,
            words: Vec::new(),
            calls: 1,
            per_second: 10,
            twin: None,
        }
    }

    fn with(mut self, word: &'static str, value: impl ToString) -> Self {
        self.words.push((word, value.to_string()));
        self
    }

    /// A phone that is picked up after this time and then talks until the other side hangs up.
    pub fn answers(after_ms: u32) -> Self {
        Self::new("phone.xml")
            .with("ANSWER_MS", after_ms)
            .with("TALK_MS", FOR_EVER_MS)
    }

    /// A phone that rings for ever.
    pub fn rings() -> Self {
        Self::answers(FOR_EVER_MS)
    }

    /// A phone that is busy.
    pub fn busy() -> Self {
        Self::new("busy.xml").with("STATUS", "486 Busy Here")
    }

    /// A phone that passes every call on to another one without ringing.
    pub fn forwards(to: &str) -> Self {
        Self::new("forward.xml").with("TARGET", to)
    }

    /// A phone that rings and is then declined.
    pub fn declines(after_ms: u32) -> Self {
        Self::new("refuse.xml")
            .with("STATUS", "603 Decline")
            .with("ANSWER_MS", after_ms)
    }

    /// A phone that answers, talks, and passes its caller on without asking.
    pub fn passes_on(after_ms: u32, talk_ms: u32, to: &str) -> Self {
        Self::new("transfer.xml")
            .with("ANSWER_MS", after_ms)
            .with("TALK_MS", talk_ms)
            .with("TARGET", to)
    }

    /// A phone that answers, holds its caller for a while and goes on talking.
    pub fn holds(after_ms: u32, talk_ms: u32, hold_ms: u32) -> Self {
        Self::new("hold.xml")
            .with("ANSWER_MS", after_ms)
            .with("TALK_MS", talk_ms)
            .with("HOLD_MS", hold_ms)
    }

    /// Calls a number and talks for this long.
    pub fn calls(from: &str, to: &str, talk_ms: u32) -> Self {
        Self::calling("call.xml", from, to).with("TALK_MS", talk_ms)
    }

    /// Calls a number and gives up this long after it began to ring.
    pub fn gives_up(from: &str, to: &str, wait_ms: u32) -> Self {
        Self::calling("abandon.xml", from, to).with("WAIT_MS", wait_ms)
    }

    /// Calls a number, and hears busy without ever hearing it ring.
    pub fn is_turned_away(from: &str, to: &str) -> Self {
        Self::calling("turned_away.xml", from, to)
    }

    /// Calls without showing the number.
    pub fn calls_withheld(to: &str, talk_ms: u32) -> Self {
        let mut scenario = Self::calls("anonymous", to, talk_ms);
        scenario.words.retain(|(word, _)| *word != "EXTRA");
        scenario.with("EXTRA", "Privacy: id")
    }

    fn calling(file: &'static str, from: &str, to: &str) -> Self {
        Self::new(file)
            .with("FROM", from)
            .with("TO", to)
            .with("NAME", "Client")
            .with("EXTRA", "X-Laboratory: yes")
    }

    /// Hangs up after talking for this long.
    pub fn talks(mut self, talk_ms: u32) -> Self {
        self.words.retain(|(word, _)| *word != "TALK_MS");
        self.with("TALK_MS", talk_ms)
    }

    /// So many calls, so many a second.
    pub fn times(mut self, calls: u32, per_second: u32) -> Self {
        (self.calls, self.per_second) = (calls, per_second);
        self
    }
}

impl Playing {
    /// What SIPp has complained of so far.
    pub fn complaints(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Ends it in the middle of what it plays. Its port is free afterwards.
    pub async fn break_off(mut self) {
        self.child
            .kill()
            .await
            .expect("a child of ours can be killed");
    }

    /// Waits until every call of the scenario is over, and says whether it went as written.
    pub async fn finish(mut self) {
        let status = timeout(Duration::from_secs(90), self.child.wait()).await;
        let went_well = matches!(&status, Ok(Ok(status)) if status.success());
        let complaint = self.complaints();
        assert!(
            went_well,
            "{} ended with {status:?}: {complaint}",
            self.file
        );
    }
}

impl Lab {
    /// Chooses ports and folders; nothing runs yet.
    pub fn plan(account: &'static str, wishes: Wishes) -> Self {
        let id = format!("it-{}", uuid::Uuid::now_v7().simple());
        let folder = std::env::temp_dir().join(format!("ringcard-{id}"));
        std::fs::create_dir_all(&folder).expect("a folder for scenarios");
        std::fs::write(folder.join("tone.alaw"), tone()).expect("the folder can be written");
        Self {
            account,
            id,
            chroot: chroot().clone(),
            folder,
            sip: free_ports(PHONES, 1),
            ami: free_tcp_port(),
            http: free_tcp_port(),
            ami_tls: free_tcp_port(),
            http_tls: free_tcp_port(),
            trunk: free_ports(WORLD, 1),
            phones: free_ports(PHONES, 5),
            // Asterisk steps over ports that are taken.
            rtp: 10_000 + rand::random_range(0..24) * 400,
            wishes,
            agi: free_tcp_port(),
            ari_out: free_tcp_port(),
            child: None,
        }
    }

    /// Port of the manager interface.
    pub fn ami(&self) -> u16 {
        self.ami
    }

    /// Ports at which the gateway reaches manager interface and REST interface.
    pub fn reached(&self) -> [u16; 2] {
        match self.wishes.ari {
            Ari::Secured => [self.ami_tls, self.http_tls],
            _ => [self.ami, self.http],
        }
    }

    /// Port of the REST interface in clear text.
    pub fn http(&self) -> u16 {
        self.http
    }

    /// Where recordings lie on the PBX.
    pub fn recordings(&self) -> PathBuf {
        self.files().join("spool/monitor")
    }

    /// The account's entry in the configuration, and of the one that hears in the other way; the
    /// manager interface is reached at `ami`, the REST interface at `ari`.
    pub fn config(&self, ami: u16, ari: u16) -> String {
        let mut more = String::new();
        if self.wishes.sends_on {
            more.push_str("send_on_context = 'ringcard-sent-on'\n");
        }
        if self.wishes.asks_by_agi {
            more.push_str(&format!("agi_listen = '127.0.0.1:{}'\n", self.agi));
        }
        let tls = match self.wishes.ari {
            Ari::Secured => concat!(
                "\ntls = true\ntls_ca = '",
                env!("CARGO_MANIFEST_DIR"),
                "/tests/fixtures/tls/authority.pem'"
            ),
            _ => "",
        };
        let reached =
            |over: &str, port: u16| format!("over = '{over}'\naddress = '127.0.0.1:{port}'{tls}");
        let mut ways = [reached("ami", ami), reached("ari", ari)];
        match self.wishes.ari {
            Ari::First | Ari::Secured => ways.reverse(),
            Ari::DialsUs => ways[1] = self.dials_us(),
            Ari::DialsUsSecured => {
                ways[1] = self.dials_us();
                ways[1].push_str(concat!(
                    "\ntls = true\ntls_certificate = '",
                    env!("CARGO_MANIFEST_DIR"),
                    "/tests/fixtures/tls/server.pem'\ntls_key = '",
                    env!("CARGO_MANIFEST_DIR"),
                    "/tests/fixtures/tls/server.key'"
                ));
            }
            Ari::Beside | Ari::Unlinked => {}
        }
        let mut config = self.hears(self.account, &ways[0], &more);
        config.push_str(&format!(
            "[pbx.recordings]\nfolder = '{}'\nstrip = '/srv/ringcard/{}/spool/monitor'\n",
            self.recordings().display(),
            self.id,
        ));
        if self.has_beside() {
            config.push_str(&self.hears(BESIDE, &ways[1], ""));
        }
        config
    }

    fn dials_us(&self) -> String {
        format!("over = 'ari'\nari_listen = '127.0.0.1:{}'", self.ari_out)
    }

    /// Whether there is an account that hears this Asterisk in the other way.
    pub fn has_beside(&self) -> bool {
        self.account == ACCOUNT
    }

    /// An account that hears this Asterisk in this way.
    fn hears(&self, name: &str, reached: &str, more: &str) -> String {
        format!(
            "[[pbx]]\nname = '{name}'\ntype = 'asterisk'\n{reached}\n\
             secret = '{SECRET}'\nroute_token = '{SECRET}'\ntrunks = ['trunk']\n\
             click_timeout_ms = 4000\n{more}cel = '{}'\n",
            self.log().display(),
        )
    }

    /// The log of channel events.
    pub fn log(&self) -> PathBuf {
        self.files().join("log/cel-custom/ringcard.csv")
    }

    fn files(&self) -> PathBuf {
        self.chroot.join("srv/ringcard").join(&self.id)
    }

    /// Starts Asterisk, which asks `route_url` who should ring. Its files outlive it.
    pub fn boot(&mut self, route_url: &str) {
        self.boot_as(route_url, SECRET, SECRET);
    }

    /// The same with a manager user and a token of the story's own.
    pub fn boot_as(&mut self, route_url: &str, secret: &str, token: &str) {
        let agi = match self.wishes.asks_by_agi {
            true => format!("agi://127.0.0.1:{}", self.agi),
            false => String::new(),
        };
        let unlinked = match self.wishes.ari {
            Ari::Unlinked => "yes",
            _ => "",
        };
        let secured = match self.wishes.ari {
            Ari::DialsUsSecured => "yes",
            _ => "no",
        };
        let child = Command::new("tests/asterisk/instance.sh")
            .env("LAB_CHROOT", &self.chroot)
            .env("LAB_ID", &self.id)
            .env("LAB_SIP_PORT", self.sip.to_string())
            .env("LAB_AMI_PORT", self.ami.to_string())
            .env("LAB_HTTP_PORT", self.http.to_string())
            .env("LAB_AMI_TLS_PORT", self.ami_tls.to_string())
            .env("LAB_HTTP_TLS_PORT", self.http_tls.to_string())
            .env("LAB_AMI_SECRET", secret)
            .env("LAB_TRUNK_PORT", self.trunk.to_string())
            .env("LAB_PHONE_PORT", self.phones.to_string())
            .env("LAB_RTP_PORT", self.rtp.to_string())
            .env("LAB_ROUTE_URL", route_url)
            .env("LAB_ROUTE_TOKEN", token)
            .env("LAB_AGI", agi)
            .env("LAB_ARI_OUT", self.ari_out.to_string())
            .env("LAB_ARI_OUT_TLS", secured)
            .env("LAB_UNLINKED", unlinked)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        self.child = Some(child.expect("tests/asterisk/instance.sh can be run"));
    }

    /// Kills Asterisk as a power cut would.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("a child of ours can be killed");
        }
    }

    /// Plays a phone that is called.
    pub fn phone(&self, extension: u16, scenario: Scenario) -> Playing {
        self.play(&scenario, PHONES, self.phones + extension - 101)
    }

    /// Registers a phone that has to.
    pub async fn register(&self, extension: u16) {
        let port = self.phones + extension - 101;
        let scenario = Scenario::new("register.xml")
            .with("FROM", extension)
            .with("PORT", port);
        self.play(&scenario, PHONES, free_ports(PHONES, 1))
            .finish()
            .await;
    }

    /// Plays the outside world: it calls, or is called.
    pub fn world(&self, scenario: Scenario) -> Playing {
        self.play(&scenario, WORLD, self.trunk)
    }

    /// Plays the outside world calling on a line of its own, beside what [`Lab::world`] plays.
    pub fn another_caller(&self, scenario: Scenario) -> Playing {
        self.play(&scenario, WORLD, free_ports(WORLD, 1))
    }

    /// Plays a phone that calls.
    pub fn phone_calls(&self, scenario: Scenario) -> Playing {
        self.play(&scenario, PHONES, free_ports(PHONES, 1))
    }

    /// Plays a phone that answers, asks a colleague on its second line and passes its caller on.
    pub async fn phone_that_asks_first(
        &self,
        extension: u16,
        colleague: &str,
        talk_ms: u32,
    ) -> (Playing, Playing) {
        let port = free_tcp_port();
        let twin = Some(port);
        let own = extension.to_string();
        let mut second = Scenario::calling("consult.xml", &own, colleague).with("TALK_MS", 2_000);
        let mut first = Scenario::passes_on(1_000, talk_ms, colleague);
        (first.file, first.twin, second.twin) = ("transfer_attended.xml", twin, twin);
        let second = self.phone_calls(second);
        // The second line listens for the first one's word, so it has to be there first.
        eventually("the second line listens", async || is_listened_on(port)).await;
        (self.phone(extension, first), second)
    }

    fn play(&self, scenario: &Scenario, ip: &str, port: u16) -> Playing {
        let file = self.render(scenario, port);
        let errors = file.with_extension("errors");
        let media = free_ports(ip, 2 * scenario.calls as u16 + 2);
        let mut command = Command::new("sipp");
        command
            .arg("-sf")
            .arg(&file)
            .args(["-i", ip, "-mi", ip, "-nostdin", "-trace_err"])
            .args(["-p", &port.to_string(), "-mp", &media.to_string()])
            .args([
                "-m",
                &scenario.calls.to_string(),
                "-r",
                &scenario.per_second.to_string(),
            ])
            .arg("-error_file")
            .arg(&errors);
        if let Some(twin) = scenario.twin {
            command.args(["-3pcc", &format!("127.0.0.1:{twin}")]);
        }
        let child = command
            .arg(format!("127.0.0.1:{}", self.sip))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        Playing {
            child: child.expect("sipp is installed"),
            errors,
            file: scenario.file,
        }
    }

    fn render(&self, scenario: &Scenario, port: u16) -> PathBuf {
        let source = Path::new("tests/asterisk/sipp").join(scenario.file);
        let mut text = std::fs::read_to_string(&source).expect("the scenario is there");
        let sound = self.folder.join("tone.alaw").display().to_string();
        let words = scenario
            .words
            .iter()
            .map(|(word, value)| (*word, value.as_str()));
        for (word, value) in words.chain([("SOUND", sound.as_str())]) {
            text = text.replace(&format!("@{word}@"), value);
        }
        let name = format!("{port}-{}-{}", uuid::Uuid::now_v7().simple(), scenario.file);
        let file = self.folder.join(name);
        std::fs::write(&file, text).expect("the folder can be written");
        file
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It has nothing to save: its files go too.
            let _ = child.start_kill();
        }
        let _ = std::fs::remove_dir_all(self.files());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Whether somebody listens on this TCP port of 127.0.0.1. Connecting would be taken for the twin.
fn is_listened_on(port: u16) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    // Local address, remote address, and 0A for "listens".
    let wanted = format!(":{port:04X} 00000000:0000 0A");
    sockets.contains(&wanted)
}

/// Four seconds of a 1 kHz tone in A-law (ITU-T G.711, table 5), so that recordings have something in
/// them.
fn tone() -> Vec<u8> {
    [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4].repeat(4_000)
}

/// Where the test laboratory's Asterisk is; made if it is not there yet.
fn chroot() -> &'static PathBuf {
    static CHROOT: OnceLock<PathBuf> = OnceLock::new();
    CHROOT.get_or_init(|| {
        let made = std::process::Command::new("tests/asterisk/chroot.sh")
            .stderr(Stdio::inherit())
            .output()
            .expect("tests/asterisk/chroot.sh can be run");
        assert!(
            made.status.success(),
            "no Asterisk: run tests/setup.sh test"
        );
        let path = String::from_utf8(made.stdout).expect("a path is text");
        PathBuf::from(path.trim())
    })
}

/// The next `count` ports of this process: below those that the system gives to whoever connects, each
/// handed out once, so that stories do not meet.
fn next_ports(count: u16) -> u16 {
    const FIRST: u16 = 20_000;
    const SPAN: u16 = 12_000;
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicU16::new(rand::random_range(0..SPAN)));
    loop {
        let first = next.fetch_add(count, Ordering::Relaxed) % SPAN;
        if first + count <= SPAN {
            return FIRST + first;
        }
    }
}

/// A TCP port of 127.0.0.1 that is free.
pub fn free_tcp_port() -> u16 {
    let mut tried = (0..200).map(|_| next_ports(1));
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    tried.find(is_free).expect("not every port is taken")
}

/// The first of `count` UDP ports in a row that are free.
fn free_ports(ip: &str, count: u16) -> u16 {
    let is_free = |first: &u16| {
        let mut ports = *first..*first + count;
        ports.all(|port| UdpSocket::bind((ip, port)).is_ok())
    };
    let mut tried = (0..200).map(|_| next_ports(count));
    tried.find(is_free).expect("not every port is taken")
}
