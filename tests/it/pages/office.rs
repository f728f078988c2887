//! A small company with a gateway: who works there, browsers they are signed in with, and calls.

use std::time::Duration;

use ringcard::{
    app::settings::Settings,
    flow,
    model::{
        event::{CallEvent, Cause, Clock, Direction, Fact, Party, Side, TransferKind},
        ids::{AccountName, CallId, CallKey, Extension, FactId, LegKey, PersonId},
        people::Role,
        phone::Number,
        time::Timestamp,
    },
    on_read, on_write,
    pbx::Enquiry,
    store::people::{self, NewPerson},
    web::{auth, pops},
};
use scraper::{Html, Selector};
use serde_json::Value;

use crate::support::{
    gateway::{Answer, TestGateway, answer},
    postgres,
    scripted::Scripted,
};

pub const CLIENT: &str = "+74950000011";
pub const CLIENT_SHOWN: &str = "+7 495 000-00-11";
/// A client who hides the number.
pub const WITHHELD: &str = "";
pub const CLIENT_MASKED: &str = "+7 495 •••-••-11";
const ACCOUNT: &str = "office";

/// People by role; Anna, Boris and Ivan are managers: Anna and Boris in sales with Helen at their
/// head, Ivan in service.
pub struct Office {
    pub gateway: TestGateway,
    pub anna: PersonId,
    pub ivan: PersonId,
}

impl Office {
    /// On a SQLite file.
    pub async fn open() -> Self {
        Self::staffed(TestGateway::start().await).await
    }

    /// The same company on PostgreSQL.
    pub async fn open_on_postgres() -> Self {
        let url = postgres::new_database().await;
        Self::staffed(TestGateway::start_with("", |settings| settings.store.url = url).await).await
    }

    /// With other settings.
    pub async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::staffed(TestGateway::start_with("", change).await).await
    }

    /// With an account at a PBX that takes every command.
    pub async fn open_with_pbx() -> Self {
        let account = Scripted::posting(ACCOUNT);
        Self::staffed(TestGateway::start_scripted(vec![account], |_| {}).await).await
    }

    /// People, lines and phones at this gateway.
    pub async fn staffed(gateway: TestGateway) -> Self {
        let person = async |login: &str, role| person(&gateway, login, role).await;
        let anna = person("anna", Role::Manager).await;
        let boris = person("boris", Role::Manager).await;
        let ivan = person("ivan", Role::Manager).await;
        for (login, role) in [
            ("helen", Role::Head),
            ("mark", Role::Marketer),
            ("quinn", Role::Quality),
            ("olga", Role::Owner),
            ("adam", Role::Administrator),
        ] {
            person(login, role).await;
        }
        for sql in [
            "insert into department (id, name) values (1, 'Sales'), (2, 'Service')",
            "update person set department = 1 where login in ('anna', 'boris', 'helen')",
            "update person set department = 2 where login = 'ivan'",
            "insert into line (id, account, did, name) values (1, 'office', '+74950000099', 'Site')",
            "insert into channel (id, name) values (1, 'Search ads')",
            "insert into line_channel (line, channel, valid_from) values (1, 1, 0)",
        ] {
            run(&gateway, sql).await;
        }
        for (extension, person) in [("201", anna), ("202", boris), ("203", ivan)] {
            let sql = format!(
                "insert into person_extension (account, extension, person)
                 values ('office', '{extension}', {})",
                person.0
            );
            run(&gateway, &sql).await;
        }
        let site = gateway.gateway().site();
        pops::refresh_people(&site.db, &site.hub).await.unwrap();
        Self {
            gateway,
            anna,
            ivan,
        }
    }

    /// Signs somebody in by a one-time link.
    pub async fn browser(&self, login: &str) -> Browser<'_> {
        let gateway = &self.gateway;
        let person = people::by_login(gateway.db(), login)
            .await
            .unwrap()
            .unwrap();
        let hour = Duration::from_secs(3_600);
        let token = auth::issue_link(gateway.db(), person.id, hour, flow::now())
            .await
            .unwrap();
        let signed_in = gateway.post(&format!("/sign-in/{token}"), "").await;
        assert_eq!(signed_in.status, 303);
        let cookie = signed_in.headers["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let mut browser = Browser {
            gateway,
            cookie,
            csrf: String::new(),
        };
        let desk = browser.page("/").await;
        browser.csrf = attribute(&desk, "meta[name=csrf]", "content");
        browser
    }

    /// A call that comes in now from `client`.
    pub fn call<'a>(&'a self, key: &'a str, client: &'a str) -> Call<'a> {
        Call {
            office: self,
            account: ACCOUNT,
            key,
            client,
            did: "+74950000099",
            started: flow::now(),
        }
    }

    /// Whose phones routing names for the client [`CLIENT`] on the line, and why. The first letter of
    /// the key is the minute of the question: long after the phone that the question before was given.
    pub async fn routed(&self, key: &str) -> (Vec<String>, String) {
        let number = |e164: &str| Number::E164 {
            e164: e164.to_owned(),
            ext: None,
        };
        let enquiry = Enquiry {
            account: ACCOUNT.into(),
            call: Some(CallKey::from(key)),
            client: Some(number(CLIENT)),
            did: Some(number("+74950000099")),
            attempt: 1,
            is_it: None,
            digits: String::new(),
            rung: Vec::new(),
            at: flow::now().plus_millis(60_000 * i64::from(key.as_bytes()[0])),
        };
        let answered = self.gateway.gateway().desk().enquire(&enquiry).await;
        let targets = answered.answer.targets.iter();
        let targets = targets.map(|target| target.as_str().to_owned()).collect();
        (targets, answered.answer.reason)
    }

    /// The id of a call by its key.
    pub async fn id(&self, key: &str) -> CallId {
        let row: (uuid::Uuid,) = on_read!(self.gateway.db(), pool => {
            sqlx::query_as("select call from call_key where key = $1")
                .bind(key)
                .fetch_one(pool)
                .await
        })
        .unwrap();
        CallId(row.0)
    }

    /// Rows of the audit: who did what to what.
    pub async fn audit(&self, action: &str) -> Vec<(Option<i64>, String)> {
        on_read!(self.gateway.db(), pool => {
            sqlx::query_as("select person, object from audit where action = $1 order by id")
                .bind(action)
                .fetch_all(pool)
                .await
        })
        .unwrap()
    }

    pub async fn run(&self, sql: &str) {
        run(&self.gateway, sql).await;
    }

    pub async fn close(self) {
        self.gateway.stop().await;
    }
}

async fn person(gateway: &TestGateway, login: &str, role: Role) -> PersonId {
    let mut name = login.to_owned();
    name[..1].make_ascii_uppercase();
    let person = NewPerson {
        login,
        name: &name,
        role,
        language: "en",
    };
    people::create(gateway.db(), &person, flow::now())
        .await
        .unwrap()
}

async fn run(gateway: &TestGateway, sql: &str) {
    on_write!(gateway.db(), pool => {
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(pool).await.map(|_| ())
    })
    .unwrap();
}

/// A signed-in browser without script.
pub struct Browser<'a> {
    gateway: &'a TestGateway,
    pub cookie: String,
    pub csrf: String,
}

impl Browser<'_> {
    pub async fn get(&self, path: &str) -> Answer {
        let request = self.gateway.client.get(self.gateway.url(path));
        answer(request.header("cookie", &self.cookie)).await
    }

    /// GETs a page that must be there.
    pub async fn page(&self, path: &str) -> Html {
        let got = self.get(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text);
        Html::parse_document(&got.text)
    }

    /// POSTs a form with the token of the session.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = vec![("csrf", self.csrf.as_str())];
        form.extend_from_slice(fields);
        let request = self.gateway.client.post(self.gateway.url(path)).form(&form);
        answer(request.header("cookie", &self.cookie)).await
    }

    /// Opens a stream of pieces of a page.
    pub async fn pieces(&self, path: &str) -> Live {
        let request = self.gateway.client.get(self.gateway.url(path));
        let response = request.header("cookie", &self.cookie).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Live {
            response,
            rest: String::new(),
        }
    }

    /// Opens the live stream, after the frame with this id.
    pub async fn live(&self, query: &str, after: Option<&str>) -> Live {
        let request = self.gateway.client.get(self.gateway.url("/live"));
        let request = request.header("cookie", &self.cookie);
        let request = match after {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let url: Vec<(&str, &str)> = query.split('&').filter_map(|p| p.split_once('=')).collect();
        let response = request.query(&url).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Live {
            response,
            rest: String::new(),
        }
    }
}

/// A live stream as a page hears it.
pub struct Live {
    response: reqwest::Response,
    rest: String,
}

impl Live {
    /// The next frame and its id; "lists changed" is not interesting here.
    pub async fn next(&mut self) -> (String, Value) {
        loop {
            let frame = tokio::time::timeout(Duration::from_secs(5), self.any())
                .await
                .expect("a frame comes");
            if frame.1["kind"] != "lists" {
                return frame;
            }
        }
    }

    /// Nothing but "lists changed" comes for a while.
    pub async fn is_quiet(&mut self) {
        let end = tokio::time::Instant::now() + Duration::from_millis(400);
        while let Ok((_, frame)) = tokio::time::timeout_at(end, self.any()).await {
            assert_eq!(frame["kind"], "lists", "{frame}");
        }
    }

    /// The next piece of which this holds.
    pub async fn piece(&mut self, what: &str, holds: impl Fn(&Html) -> bool) -> Html {
        let mut last = String::new();
        let come = async {
            loop {
                last = self.data().await.1;
                let piece = Html::parse_fragment(&last);
                if holds(&piece) {
                    return piece;
                }
            }
        };
        let come = tokio::time::timeout(Duration::from_secs(10), come).await;
        come.unwrap_or_else(|_| panic!("never came: {what}: {last}"))
    }

    /// The stream is ended by the server, whatever it still has to say.
    pub async fn ends(mut self) {
        let end = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        let ended = tokio::time::timeout(Duration::from_secs(10), end).await;
        ended.expect("the stream ends");
    }

    async fn any(&mut self) -> (String, Value) {
        let (id, data) = self.data().await;
        (id, serde_json::from_str(&data).unwrap())
    }

    async fn data(&mut self) -> (String, String) {
        loop {
            if let Some(end) = self.rest.find("\n\n") {
                let event: String = self.rest.drain(..end + 2).collect();
                let field = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(|value| value.trim().to_owned())
                };
                if let Some(data) = field("data:") {
                    let id = field("id:").unwrap_or_default();
                    return (id, data);
                }
                continue;
            }
            let chunk = self.response.chunk().await.unwrap();
            let chunk = chunk.expect("the stream stays open");
            self.rest.push_str(&String::from_utf8_lossy(&chunk));
        }
    }
}

/// One call, told fact by fact through the ordinary way in.
pub struct Call<'a> {
    office: &'a Office,
    account: &'a str,
    key: &'a str,
    client: &'a str,
    did: &'a str,
    started: Timestamp,
}

impl<'a> Call<'a> {
    /// The client dialled this number of ours.
    pub fn on(mut self, did: &'a str) -> Self {
        self.did = did;
        self
    }

    /// The call is another account's.
    pub fn of(mut self, account: &'a str) -> Self {
        self.account = account;
        self
    }

    /// The call began so many minutes ago.
    pub fn minutes_ago(mut self, minutes: i64) -> Self {
        self.started = self.started.plus_millis(-minutes * 60_000);
        self
    }

    /// The client's call rings at these phones.
    pub async fn rings(&self, extensions: &[&str], at_s: i64) {
        let number = |e164: &str| match e164 {
            WITHHELD => Number::Withheld,
            e164 => Number::E164 {
                e164: e164.to_owned(),
                ext: None,
            },
        };
        let parties = Fact::Parties {
            direction: Some(Direction::In),
            client: Some(number(self.client)),
            client_name: None,
            did: Some(number(self.did)),
        };
        let mut events = vec![self.event("", "parties", 0, parties)];
        for extension in extensions {
            let leg = Fact::Leg {
                party: Party::Person(Extension::from(*extension)),
                with: Some(Party::Client(number(self.client))),
                initiator: false,
            };
            events.push(self.event(extension, "leg", at_s, leg));
            events.push(self.event(extension, "rings", at_s, Fact::Rings));
        }
        self.tell(events).await;
    }

    /// The employee's own phone rings for a command of ours.
    pub async fn of_command(&self, command: &str, extension: &str) {
        let leg = Fact::Leg {
            party: Party::Person(Extension::from(extension)),
            with: None,
            initiator: true,
        };
        let with = CallKey::from(command);
        self.tell(vec![
            self.event("", "same", 0, Fact::SameCall { with }),
            self.event(extension, "leg", 0, leg),
            self.event(extension, "dialled", 0, Fact::Dialled { by: None }),
            self.event(extension, "rings", 0, Fact::Rings),
        ])
        .await;
    }

    /// An employee who talks with the client passes them on blindly, and the other phone rings.
    pub async fn passes_on(&self, from: &str, to: &str, at_s: i64) {
        let transfers = Fact::Transfers {
            kind: TransferKind::Blind,
            to: Some(Extension::from(to)),
        };
        self.tell(vec![self.event(from, "transfers", at_s, transfers)])
            .await;
        self.rings(&[to], at_s + 1).await;
    }

    pub async fn answers(&self, extension: &str, at_s: i64) {
        let with = Party::Client(Number::E164 {
            e164: self.client.to_owned(),
            ext: None,
        });
        let talks = self.event(extension, "talks", at_s, Fact::Talks { with });
        self.tell(vec![talks]).await;
    }

    /// A phone stops ringing, or its talk ends.
    pub async fn leaves(&self, extension: &str, at_s: i64, cause: Cause) {
        let ends = Fact::Ends { cause, by: None };
        self.tell(vec![self.event(extension, "ends", at_s, ends)])
            .await;
    }

    pub async fn ends(&self, at_s: i64) {
        let over = Fact::Over {
            by: Some(Side::Client),
        };
        self.tell(vec![self.event("", "over", at_s, over)]).await;
    }

    /// Rings and is answered by one of the phones, and is over after a minute.
    pub async fn answered_by(&self, extension: &str) {
        self.rings(&[extension], 1).await;
        self.answers(extension, 6).await;
        self.leaves(extension, 66, Cause::Normal).await;
        self.ends(66).await;
    }

    /// Anything else the PBX tells of a phone, or (without one) of the whole call.
    pub async fn also(&self, extension: &str, what: &str, at_s: i64, fact: Fact) {
        self.tell(vec![self.event(extension, what, at_s, fact)])
            .await;
    }

    /// An employee calls the client in vain; the provider tells of the client's leg only.
    pub async fn goes_out_in_vain(&self, extension: &str) {
        let number = Number::E164 {
            e164: self.client.to_owned(),
            ext: None,
        };
        let parties = Fact::Parties {
            direction: Some(Direction::Out),
            client: Some(number.clone()),
            client_name: None,
            did: None,
        };
        let leg = Fact::Leg {
            party: Party::Client(number),
            with: Some(Party::Person(Extension::from(extension))),
            initiator: false,
        };
        let events = vec![
            self.event("", "parties", 0, parties),
            self.event("out", "leg", 0, leg),
            self.event("out", "rings", 0, Fact::Rings),
        ];
        self.tell(events).await;
        self.leaves("out", 20, Cause::NoAnswer).await;
        self.ends(20).await;
    }

    /// Rings in vain.
    pub async fn missed_by(&self, extension: &str) {
        self.rings(&[extension], 1).await;
        self.leaves(extension, 31, Cause::NoAnswer).await;
        self.ends(31).await;
    }

    fn event(&self, leg: &str, what: &str, at_s: i64, fact: Fact) -> CallEvent {
        CallEvent {
            account: AccountName::from(self.account),
            call: self.key.into(),
            leg: (!leg.is_empty()).then(|| LegKey::from(format!("{}/{leg}", self.key))),
            at: self.started.plus_millis(at_s * 1_000),
            clock: Clock::Exact,
            id: FactId::from(format!("{}/{leg}/{what}", self.key)),
            fact,
        }
    }

    async fn tell(&self, events: Vec<CallEvent>) {
        let flow = self.office.gateway.gateway().flow();
        flow.tell(self.account.into(), "story", events, flow::now())
            .await
            .unwrap();
    }
}

/// All elements of a selector.
pub fn all(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector)
        .map(|element| {
            let words = element.text().flat_map(str::split_whitespace);
            words.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// The text of the one element of a selector.
pub fn text(page: &Html, selector: &str) -> String {
    let mut found = all(page, selector);
    assert_eq!(found.len(), 1, "{selector}: {found:?}");
    found.remove(0)
}

/// An attribute of the first element of a selector.
pub fn attribute(page: &Html, selector: &str, name: &str) -> String {
    let parsed = Selector::parse(selector).unwrap();
    let element = page
        .select(&parsed)
        .next()
        .unwrap_or_else(|| panic!("no {selector}"));
    element.value().attr(name).unwrap_or_default().to_owned()
}
