//! Conversations with a PBX, as recorded and redacted (or written) in fixture folders:
//!
//! * `settings.toml`: the account's table as in the configuration, with its `type`;
//! * `input.jsonl`: one line per message, in the order sent: `at` (arrival), then either `method`,
//!   `path`, `query`, `headers` and `body` of a request, or `bytes` of a stream, or the `frame` of text that a
//!   WebSocket brings; and what is expected of it:
//!   `refused`, `unreadable`, or its meaning in `means`;
//! * `facts.jsonl`: snapshot of what each line gives (`RINGCARD_BLESS=1` writes it anew; read the
//!   difference before you commit it);
//! * `calls.json`: the finished calls, written by hand;
//! * `records.jsonl`, if there is one: what the PBX's own list has of them, a record in each line.
//!
//! PBXes that are described in configuration have a folder between: `<provider>/<description>/<situation>/`.
//! Their settings are the file that people copy, `config/<provider>/<description>.toml`, with
//! `invented-<name>` for each secret `env:NAME`.

use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use jiff::tz::TimeZone;
use ringcard::{
    http,
    model::{event::CallEvent, ids::AccountName, phone::NumberingPlan, time::Timestamp},
    pbx::{
        Ability, DecodeError, Decoded, Input, PROVIDERS, Pbx, Provider, Refused, Request,
        SettingsError, Tools,
    },
};
use serde::Deserialize;
use serde_json::Value;
use tungstenite::{Message, WebSocket, protocol::Role};

/// One message of a conversation and what is expected of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    at: String,
    #[serde(default)]
    pub method: String,
    #[serde(default)]
    pub path: String,
    #[serde(default)]
    pub query: String,
    #[serde(default)]
    pub body: String,
    /// Names in lower case, and values.
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Bytes of a stream.
    bytes: Option<String>,
    /// What one message over a WebSocket holds.
    frame: Option<Value>,
    /// Fields of the form that the signature covers: all if this is not said, none if the message is not
    /// signed and only the secret path lets it in.
    pub signs: Option<Vec<String>>,
    /// The message must not be let in.
    #[serde(default)]
    pub refused: bool,
    /// The message is authentic and must become a dead letter.
    #[serde(default)]
    pub unreadable: bool,
    /// What it says, in the words of `meaning`.
    pub means: Option<Value>,
}

impl Line {
    /// A request at this moment.
    pub fn request_at(at: Timestamp, method: &str, path: &str, query: &str, body: &str) -> Self {
        Self {
            at: at.rfc3339(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            body: body.to_owned(),
            headers: Vec::new(),
            bytes: None,
            frame: None,
            signs: None,
            refused: false,
            unreadable: false,
            means: None,
        }
    }

    /// Whether it came over a connection that stays, and not as a request.
    pub fn is_streamed(&self) -> bool {
        self.bytes.is_some() || self.frame.is_some()
    }

    /// Its bytes, as they came over such a connection.
    pub fn streamed(&self) -> Option<Vec<u8>> {
        let framed = || self.frame.as_ref().map(|frame| framed(&frame.to_string()));
        let bytes = self.bytes.as_ref();
        bytes
            .map(|bytes| bytes.clone().into_bytes())
            .or_else(framed)
    }

    /// When it arrived.
    pub fn at(&self) -> Timestamp {
        Timestamp::parse_rfc3339(&self.at).expect("`at` is RFC 3339")
    }

    /// The same message, arriving at another moment.
    pub fn arriving(&self, at: Timestamp) -> Self {
        Self {
            at: at.rfc3339(),
            ..self.clone()
        }
    }

    /// The request, as the web layer hands it over.
    pub fn request(&self) -> Request {
        Request {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self.headers.clone(),
            body: self.body.clone().into(),
            remote: "192.0.2.10".to_owned(),
        }
    }
}

/// One whole frame of text from a server (RFC 6455 §5.2).
fn framed(text: &str) -> Vec<u8> {
    let mut pbx = WebSocket::from_raw_socket(Cursor::new(Vec::new()), Role::Server, None);
    pbx.send(Message::text(text)).expect("memory takes it");
    pbx.into_inner().into_inner()
}

/// What came of one message.
#[derive(Debug, Default)]
pub struct Heard {
    pub refused: Option<Refused>,
    pub error: Option<DecodeError>,
    pub decoded: Decoded,
}

impl Heard {
    /// Facts of requests and of streams alike.
    pub fn events(&self) -> impl Iterator<Item = &CallEvent> {
        let streamed = self.decoded.messages.iter();
        streamed
            .flat_map(|message| &message.events)
            .chain(&self.decoded.events)
    }
}

/// An account and what was said.
pub struct Conversation {
    pub provider: &'static Provider,
    /// `mango/answered`.
    pub name: String,
    /// Whether messages of this account are signed.
    pub signed: bool,
    /// Where the snapshot lies; `None` for conversations from outside the repository.
    pub folder: Option<PathBuf>,
    pub pbx: Arc<dyn Pbx>,
    /// The account's table.
    settings: String,
    pub lines: Vec<Line>,
    /// What the PBX's own list has of the calls.
    pub records: Vec<String>,
    /// Expected calls by key.
    pub calls: BTreeMap<String, Value>,
}

impl Conversation {
    /// The clock on the account's wall; `None` if it is set by its distance from Greenwich.
    pub fn zone(&self) -> Option<TimeZone> {
        let table: toml::Table = self.settings.parse().expect("settings are TOML");
        let told = ["time_zone", "time.zone"].map(|name| find(&table, name));
        let told = told.into_iter().flatten().next();
        TimeZone::get(told.unwrap_or("Europe/Moscow")).ok()
    }

    /// The account with another clock on its wall; `None` if it has none.
    pub fn in_zone(&self, zone: &str) -> Option<Arc<dyn Pbx>> {
        let mut table: toml::Table = self.settings.parse().expect("settings are TOML");
        match find(&table, "time.zone") {
            Some(_) => {
                _ = table["time"]
                    .as_table_mut()?
                    .insert("zone".to_owned(), zone.into())
            }
            None => _ = table.insert("time_zone".to_owned(), zone.into()),
        }
        try_open(self.provider, table).ok()
    }

    /// Lets one request in and decodes it with a new decoder, as a webhook handler does.
    pub fn hear(&self, line: &Line) -> Heard {
        hear_request(&*self.pbx, &line.request(), line.at())
    }

    /// Hears every line in order: requests each by itself, streams by one decoder.
    pub fn hear_all(&self) -> Vec<Heard> {
        let mut stream = self.pbx.decoder();
        self.lines
            .iter()
            .map(|line| match line.streamed() {
                None => self.hear(line),
                Some(bytes) => {
                    let mut heard = Heard::default();
                    let input = Input::Bytes(&bytes);
                    heard.error = stream.feed(input, line.at(), &mut heard.decoded).err();
                    heard
                }
            })
            .collect()
    }

    /// What the list tells, read long after.
    pub fn hear_records(&self) -> Vec<Heard> {
        let latest = self.lines.iter().map(Line::at).max().unwrap_or_default();
        let now = latest.plus_millis(24 * 3_600_000);
        let read = |record: &String| hear_record(&*self.pbx, record.as_bytes(), now);
        self.records.iter().map(read).collect()
    }

    /// All facts in order.
    pub fn events(&self) -> Vec<CallEvent> {
        let heard = self.hear_all();
        heard.iter().flat_map(Heard::events).cloned().collect()
    }
}

/// Verifies, then decodes.
pub fn hear_request(pbx: &dyn Pbx, request: &Request, now: Timestamp) -> Heard {
    if let Err(refused) = pbx.verify(request, now) {
        return Heard {
            refused: Some(refused),
            ..Heard::default()
        };
    }
    decode(pbx, request, now)
}

/// Decodes without asking whether the request is authentic.
pub fn decode(pbx: &dyn Pbx, request: &Request, now: Timestamp) -> Heard {
    let mut heard = Heard::default();
    let input = Input::Request(request);
    heard.error = pbx.decoder().feed(input, now, &mut heard.decoded).err();
    heard
}

/// A text in a table, by its path.
fn find<'t>(table: &'t toml::Table, path: &str) -> Option<&'t str> {
    let mut names = path.split('.');
    let first = table.get(names.next()?)?;
    names
        .try_fold(first, |value, name| value.get(name))?
        .as_str()
}

/// Reads a record of past calls.
pub fn hear_record(pbx: &dyn Pbx, record: &[u8], now: Timestamp) -> Heard {
    let mut heard = Heard::default();
    let input = Input::Records(record);
    heard.error = pbx.decoder().feed(input, now, &mut heard.decoded).err();
    heard
}

/// Every committed conversation. Each provider must have at least one.
pub fn committed() -> Vec<Conversation> {
    let mut all = Vec::new();
    for provider in PROVIDERS {
        let folder = Path::new("tests/fixtures/pbx").join(provider.name);
        let own = situations(&folder);
        for situation in &own {
            let settings = text(&situation.join("settings.toml"));
            all.push(read(provider, situation, provider.name, &settings));
        }
        let mut described = 0;
        for description in folders(&folder) {
            let name = description.file_name().expect("a folder has a name");
            let name = name.to_string_lossy();
            for situation in situations(&description) {
                let group = format!("{}/{name}", provider.name);
                all.push(read(provider, &situation, &group, &shipped(&group)));
                described += 1;
            }
        }
        assert!(
            own.len() + described > 0,
            "{} has no fixtures",
            provider.name
        );
    }
    all
}

/// Folders right below this one, sorted.
fn folders(below: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(below);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", below.display()));
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn situations(below: &Path) -> Vec<PathBuf> {
    let mut folders = folders(below);
    folders.retain(|path| path.join("input.jsonl").is_file());
    folders
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The table of the account in the file that people copy (`webhook/onlinepbx`), with invented secrets.
pub fn shipped(description: &str) -> String {
    let path = format!("config/{description}.toml");
    let file: toml::Table = text(Path::new(&path)).parse().expect("it is TOML");
    let accounts = file["pbx"].as_array().expect("it has an account");
    let [toml::Value::Table(table)] = accounts.as_slice() else {
        panic!("{path} has one account");
    };
    let mut table = table.clone();
    table.remove("name").expect("the account has a name");
    table.iter_mut().for_each(|(_, value)| invent(value));
    table.to_string()
}

/// `env:ACME_TOKEN` becomes `invented-acme-token`.
fn invent(value: &mut toml::Value) {
    match value {
        toml::Value::String(text) => {
            if let Some(name) = text.strip_prefix("env:") {
                *text = format!("invented-{}", name.to_lowercase().replace('_', "-"));
            }
        }
        toml::Value::Array(items) => items.iter_mut().for_each(invent),
        toml::Value::Table(table) => table.iter_mut().for_each(|(_, item)| invent(item)),
        _ => {}
    }
}

/// Committed conversations, and those of a folder of samples if one is named by
/// `RINGCARD_PROTOCOL_SAMPLES` (documents with the providers' messages that are not ours to publish).
pub fn all() -> Vec<Conversation> {
    let mut all = committed();
    if let Some(folder) = std::env::var_os("RINGCARD_PROTOCOL_SAMPLES") {
        all.extend(samples(Path::new(&folder)));
    }
    all
}

fn read(provider: &'static Provider, folder: &Path, group: &str, settings: &str) -> Conversation {
    let lines = text(&folder.join("input.jsonl"));
    let lines = lines.lines().map(|line| {
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    });
    let records = fs::read_to_string(folder.join("records.jsonl")).unwrap_or_default();
    let situation = folder.file_name().expect("a folder has a name");
    let calls = text(&folder.join("calls.json"));
    Conversation {
        provider,
        name: format!("{group}/{}", situation.to_string_lossy()),
        signed: is_signed(provider, group, settings),
        folder: Some(folder.to_owned()),
        pbx: open(provider, settings),
        settings: settings.to_owned(),
        lines: lines.collect(),
        records: records.lines().map(str::to_owned).collect(),
        calls: by_key(serde_json::from_str(&calls).expect("calls.json is JSON")),
    }
}

/// Of a PBX that is described the description says whether its messages are signed.
fn is_signed(provider: &Provider, group: &str, settings: &str) -> bool {
    let settings: toml::Table = settings.parse().expect("settings are TOML");
    let is_described = group != provider.name;
    provider.abilities.contains(&Ability::Signature)
        && (!is_described || settings.contains_key("signature"))
}

/// Opens an account from the text of its table.
pub fn open(provider: &Provider, settings: &str) -> Arc<dyn Pbx> {
    let table = settings.parse().expect("settings.toml is TOML");
    try_open(provider, table).expect("the settings can be used")
}

fn try_open(provider: &Provider, mut table: toml::Table) -> Result<Arc<dyn Pbx>, SettingsError> {
    let name = table.remove("type").expect("settings.toml says its type");
    assert_eq!(name.as_str(), Some(provider.name));
    let plan: NumberingPlan = table
        .remove("numbers")
        .map(|numbers| numbers.try_into().expect("[numbers] is a numbering plan"))
        .unwrap_or_default();
    let account = AccountName::from(provider.name);
    (provider.open)(account, table, tools(plan))
}

/// One client serves all: making it takes longer than most conversations.
fn tools(plan: NumberingPlan) -> Tools {
    static HTTP: LazyLock<http::Client> = LazyLock::new(|| {
        http::Client::new(&http::Settings::default()).expect("a client needs nothing")
    });
    Tools {
        plan,
        http: HTTP.clone(),
    }
}

fn by_key(calls: Vec<Value>) -> BTreeMap<String, Value> {
    let named = calls.into_iter().map(|call| {
        let key = call["call_key"].as_str().expect("a call has a key");
        (key.to_owned(), call)
    });
    named.collect()
}

/// Accounts of the sample folders, and how their paths become ours.
struct Samples {
    folder: &'static str,
    provider: &'static str,
    /// Empty for a PBX that is described: then they are those of the description. `{key}` stands for the key of the
    /// folder that checks signatures.
    settings: &'static str,
    path: fn(&str) -> String,
    /// Whether events tell no time: then they arrive while their call goes on, and the rest afterwards.
    arrives_live: bool,
    /// Puts a meaning into the words of `meaning`.
    reword: fn(&mut serde_json::Map<String, Value>),
}

const SAMPLES: [Samples; 13] = [
    Samples {
        folder: "mango",
        provider: "mango",
        settings: "type = 'mango'\nvpbx_api_key = 'mango-key-0001'\nvpbx_api_salt = 'mango-salt-0001'",
        path: |path| path.trim_start_matches("/mango").to_owned(),
        arrives_live: false,
        reword: |_| {},
    },
    Samples {
        folder: "megafon",
        provider: "itoolabs",
        settings: "type = 'itoolabs'\ncrm_token = 'crm-token-0001'\n\
            [users]\n'a.ivanova' = '201'\n'b.petrov' = '202'",
        path: |path| path.trim_start_matches("/hooks/megafon").to_owned(),
        arrives_live: true,
        reword: |_| {},
    },
    Samples {
        folder: "sipuni",
        provider: "sipuni",
        settings: "type = 'sipuni'\ntoken = 'sip-tok-0001'",
        path: |path| {
            let path = path.trim_start_matches("/hooks/sipuni/");
            if let Some(token) = path.strip_prefix("/hooks/sipuni-ct/") {
                return format!("/{token}/tracking");
            }
            let path = path.trim_start_matches("/route/sipuni/");
            format!("/{}", path.replace("/manager/", "/route/"))
        },
        arrives_live: false,
        reword: |_| {},
    },
    Samples {
        folder: "uis",
        provider: "uis",
        settings: "type = 'uis'\ntoken = 'uis-tok-0001'\naccess_token = 'uis-access-token-0001'\n\
            [employees]\n5001 = '201'\n5002 = '202'",
        path: |path| match path.strip_prefix("/route/uis/") {
            Some(token) => format!("/{token}/route"),
            None => path.trim_start_matches("/hooks/uis").to_owned(),
        },
        arrives_live: false,
        reword: |means| {
            // A second talk is told like the first: that the client was passed on shows in the call.
            if means["kind"] == "transferred" {
                means.insert("kind".to_owned(), "answered".into());
                means.remove("transfer_from");
            }
            // A recording has no id but the end of its link.
            if let Some(Value::String(url)) = means.remove("url") {
                let id = url.trim_end_matches('/').rsplit('/').next();
                means.insert("recording_id".to_owned(), id.into());
            }
            means.remove("duration_s");
            means.remove("request_id"); // of another program: not one of our commands
            means.retain(|_, value| !value.is_null());
        },
    },
    Samples {
        folder: "zadarma",
        provider: "zadarma",
        settings: "type = 'zadarma'\ntoken = 'zd-tok-0001-of-samples'\napi_key = 'zadarma-key-0001'\n\
            api_secret = 'zadarma-secret-0001'\nroute_calls = true",
        path: last_part,
        arrives_live: false,
        reword: answered_twice,
    },
    Samples {
        folder: "novofon",
        provider: "novofon",
        settings: "type = 'novofon'\ntoken = 'nf-tok-0001-of-samples'\napi_key = 'novofon-key-0001'\n\
            api_secret = 'novofon-secret-0001'\nroute_calls = true",
        path: last_part,
        arrives_live: false,
        reword: answered_twice,
    },
    Samples {
        folder: "onlinepbx",
        provider: "onlinepbx",
        settings: "type = 'onlinepbx'\ntoken = 'opbx-tok-0001'\ndomain = 'pbx000001.onpbx.ru'\n\
            api_key = 'auth-key-0001'\napi_url = 'http://127.0.0.1:9'\n\
            recordings = { private_network = true }",
        path: |path| match path.strip_prefix("/route/onlinepbx/") {
            Some(token) => format!("/{token}/command"),
            None => path.trim_start_matches("/hooks/onlinepbx").to_owned(),
        },
        arrives_live: false,
        reword: answered_twice,
    },
    Samples {
        folder: "onlinepbx",
        provider: "webhook",
        settings: "",
        path: |path| match path.strip_prefix("/route/onlinepbx/opbx-tok-0001") {
            Some(_) => "/invented-onlinepbx-token/command".to_owned(),
            None => path.replace(
                "/hooks/onlinepbx/opbx-tok-0001",
                "/invented-onlinepbx-token",
            ),
        },
        arrives_live: false,
        reword: answered_twice,
    },
    Samples {
        folder: "twilio",
        provider: "twilio",
        settings: "type = 'twilio'\nhook_url = 'https://gw.example.com/hooks/twilio'\n\
            account_sid = 'AC00000000000000000000000000000011'\n\
            auth_token = '00112233445566778899aabbccddeeff'\notherwise = ['+12025550171']\n\
            recordings = { private_network = true }",
        path: |path| path.trim_start_matches("/hooks/twilio").to_owned(),
        arrives_live: false,
        reword: |_| {},
    },
    Samples {
        folder: "calltouch",
        provider: "calltouch",
        settings: "type = 'calltouch'\ntoken = 'ct-tok-0001-of-samples'",
        path: last_part,
        arrives_live: false,
        reword: |means| {
            // The end of a call is the PBX's to tell: of it the same is kept as of the start.
            means.insert("kind".to_owned(), "tracking".into());
            means
                .retain(|name, _| ["kind", "client", "did", "utm_source"].contains(&name.as_str()));
        },
    },
    Samples {
        folder: "sipgate",
        provider: "sipgate",
        settings: "type = 'sipgate'\ntoken = 'sg-tok-0001-of-samples'\n\
            hook_url = 'https://gw.example.com/hooks/sipgate'\npublic_key = \"\"\"\n{key}\"\"\"\n\
            route_calls = true\n[numbers]\ncountry = 'DE'",
        path: |_| "/sg-tok-0001-of-samples".to_owned(),
        arrives_live: false,
        reword: |_| {},
    },
    Samples {
        folder: "zammad",
        provider: "zammad",
        settings: "type = 'zammad'\ntoken = 'TESTTOKEN0000000000000000000000'\n\
            [users]\n'Mona Muster' = '101'\n[numbers]\ncountry = 'DE'",
        path: |path| path.trim_start_matches("/api/v1/cti").to_owned(),
        arrives_live: false,
        reword: |_| {},
    },
    Samples {
        folder: "binotel",
        provider: "webhook",
        settings: "",
        path: |path| path.replace("/hooks/binotel/bt-tok-0001", "/invented-binotel-token"),
        arrives_live: false,
        reword: |_| {},
    },
];

/// Messages of samples that are not heard. Of Twilio: two that give a call of the others another outcome, to be
/// played alone; and a recording whose address does not name the call, as those made by us do.
const LEFT_OUT: [&str; 3] = [
    "05-dial-action-no-answer.http",
    "07-recording-completed.http",
    "11-voice-incoming-anonymous.http",
];

/// A second answer is told like the first: that the client was passed on shows in the call.
fn answered_twice(means: &mut serde_json::Map<String, Value>) {
    if means["kind"] == "transferred" {
        means.insert("kind".to_owned(), "answered".into());
    }
    means.remove("transfer_from");
}

/// `/hooks/office/token` is `/token`, which is too short for us.
fn last_part(path: &str) -> String {
    let (_, last) = path.rsplit_once('/').expect("a path has a slash");
    format!("/{last}-of-samples")
}

fn samples(root: &Path) -> Vec<Conversation> {
    let conversations = SAMPLES.iter().map(|samples| {
        let folder = root.join(samples.folder);
        let json = |name: &str| -> Vec<Value> {
            let path = folder.join(name);
            let described = path.is_file().then(|| serde_json::from_str(&text(&path)));
            let mut described: Value = described.map_or(Value::Null, |told| {
                told.expect("samples are described in JSON")
            });
            let list = described
                .get_mut("calls")
                .map(Value::take)
                .unwrap_or(described);
            list.as_array().cloned().unwrap_or_default()
        };
        let provider = PROVIDERS
            .iter()
            .find(|known| known.name == samples.provider);
        let provider = provider.expect("sample accounts are of known providers");
        let (group, settings) = match samples.settings {
            "" => {
                let group = format!("{}/{}", samples.provider, samples.folder);
                let settings = shipped(&group);
                (group, settings)
            }
            settings => {
                let key = fs::read_to_string(folder.join("test-public-key.pem"));
                let settings = settings.replace("{key}", &key.unwrap_or_default());
                (samples.provider.to_owned(), settings)
            }
        };
        // Who tells of no calls has none described.
        let calls = json("calls.json");
        let expected = entries(json("expected.json"), &calls);
        let arrives = |n: usize, entry: &Value| {
            let live = samples
                .arrives_live
                .then(|| live_arrival(entry, &calls, &expected));
            // Arrival is not recorded: after everything that the samples tell of, in their order.
            let after = Timestamp::from_seconds(1_773_732_000 + 10 * n as i64);
            live.flatten().unwrap_or(after)
        };
        let mut lines: Vec<Line> = expected
            .iter()
            .filter(|entry| entry["dir"] == "provider->gateway" || entry["kind"] == "request")
            .filter(|entry| !LEFT_OUT.iter().any(|file| entry["file"] == **file))
            .enumerate()
            .map(|(n, entry)| sample_line(&folder, entry, samples, arrives(n, entry)))
            .collect();
        assert!(
            lines.len() >= 2,
            "{} is not a sample folder",
            folder.display()
        );
        let pbx = open(provider, &settings);
        if pbx.secret_path_parts() > 0 {
            // How far a signature reaches besides is held by fixtures of ours.
            lines
                .iter_mut()
                .for_each(|line| line.signs = Some(Vec::new()));
        }
        Conversation {
            provider,
            name: format!("samples/{}", samples.folder),
            signed: is_signed(provider, &group, &settings),
            folder: None,
            pbx,
            settings,
            lines,
            records: Vec::new(),
            calls: by_key(calls.iter().map(in_milliseconds).collect()),
        }
    });
    conversations.collect()
}

/// What is expected of each message to us. Where a folder does not say it, its messages are those of its calls,
/// and those whose signature is said to be wrong.
fn entries(expected: Vec<Value>, calls: &[Value]) -> Vec<Value> {
    if expected
        .iter()
        .any(|entry| entry["dir"] == "provider->gateway")
    {
        return expected;
    }
    let entry = |file: &Value, auth: &str| serde_json::json!({"file": file, "dir": "provider->gateway", "auth": auth});
    let forged = expected
        .iter()
        .filter(|entry| entry["signature_ok"] == false);
    let forged = forged.map(|known| entry(&known["file"], "bad"));
    let told = calls.iter().filter_map(|call| call["messages"].as_array());
    let told = told.flatten().map(|file| entry(file, "good"));
    forged.chain(told).collect()
}

/// When an event may have arrived while its call went on: in the order of the files, evenly from the start
/// to the end that its record tells.
fn live_arrival(entry: &Value, calls: &[Value], expected: &[Value]) -> Option<Timestamp> {
    let is_event = [
        "lookup",
        "leg_ringing",
        "answered",
        "leg_ended",
        "transferred",
    ]
    .iter()
    .any(|kind| entry["canonical"]["kind"] == **kind);
    let is_of = |call: &Value, entry: &Value| {
        let mut messages = call["messages"].as_array().into_iter().flatten();
        messages.position(|file| *file == entry["file"])
    };
    let call = calls
        .iter()
        .find(|call| is_of(call, entry).is_some() && is_event)?;
    let started = call["started_at"].as_i64()?;
    let end = |entry: &Value| {
        let told = &entry["canonical"];
        Some(told["started"].as_i64()? + told["duration_s"].as_i64()?)
    };
    let own = expected.iter().filter(|entry| is_of(call, entry).is_some());
    let lasts_ms = 1_000 * (own.filter_map(end).max()? - started);
    let count = call["messages"].as_array()?.len() as i64;
    let place = is_of(call, entry)? as i64;
    Some(Timestamp::from_seconds(started).plus_millis(lasts_ms * place / count))
}

fn sample_line(folder: &Path, entry: &Value, samples: &Samples, at: Timestamp) -> Line {
    let file = entry["file"].as_str().expect("an entry names its file");
    let raw = fs::read_to_string(folder.join(file)).expect("the file is there");
    let (head, body) = raw.split_once("\r\n\r\n").expect("a request has a head");
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut line = Line::request_at(at, method, &(samples.path)(path), query, body);
    let headers = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "));
    line.headers = headers
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    line.refused = entry["auth"] == "bad" || entry["signature_ok"] == false;
    line.unreadable = entry["answer"]["status"] == 400;
    let means = entry.get("canonical").and_then(Value::as_object).cloned();
    line.means = means.map(|mut means| {
        (samples.reword)(&mut means);
        means.into()
    });
    line
}

fn is_nobodys(number: &Value) -> bool {
    let plan = NumberingPlan::default();
    let told = number.as_str().filter(|text| text.starts_with('+'));
    told.is_some_and(|text| plan.read(text).e164().is_none())
}

/// A call of a sample folder in the units of ours; `may_differ` names what need not fit.
fn in_milliseconds(call: &Value) -> Value {
    let mut ours = serde_json::Map::new();
    let loose = call["may_differ"].as_array().into_iter().flatten();
    let loose: Vec<&str> = loose.filter_map(|entry| entry["field"].as_str()).collect();
    let seconds = |value: &Value| Timestamp::from_seconds(value.as_i64().expect("unix seconds"));
    for (name, value) in call.as_object().expect("a call is an object") {
        let is_told = !loose.contains(&name.as_str());
        match name.as_str() {
            "wait_s" | "ring_s" | "talk_s" | "hold_s" if is_told => {
                let ms = value.as_i64().map(|seconds| seconds * 1_000);
                ours.insert(name.replace("_s", "_ms"), ms.into());
            }
            "started_at" if is_told && !value.is_null() => {
                ours.insert(name.clone(), seconds(value).rfc3339().into());
            }
            "transfers" if is_told => {
                let mut transfers = value.clone();
                for transfer in transfers.as_array_mut().into_iter().flatten() {
                    transfer["at"] = seconds(&transfer["at"]).rfc3339().into();
                    if transfer["kind"] == "unknown" {
                        // With us a passing-on is blind unless a consultation was told.
                        transfer["kind"] = "blind".into();
                    }
                }
                ours.insert(name.clone(), transfers);
            }
            "hangup_by" if value == "unknown" => {}
            // Made up so that no country can have it: with us that is nobody's number.
            "client" if is_nobodys(value) => {}
            "client" if value.is_null() && is_told => {
                ours.insert(name.clone(), "withheld".into());
            }
            // Of several readings of a result ours is the one that is written there.
            "call_key" | "result" => {
                ours.insert(name.clone(), value.clone());
            }
            "direction" | "client" | "did" | "answered_by" | "hangup_by" | "recordings"
                if is_told =>
            {
                ours.insert(name.clone(), value.clone());
            }
            _ => {}
        }
    }
    Value::Object(ours)
}
