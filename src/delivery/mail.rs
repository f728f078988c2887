//! Messages as mail: a short text for people, through the mail server of the configuration.

use std::time::Duration;

use jiff::tz::TimeZone;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        self,
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::attempt::Ended;

/// The mail server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Its name; empty: no mail is sent.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept secret.
    pub tls: Security,
    /// Whom we are there; empty: nobody asks.
    pub user: String,
    /// The password of that user.
    pub password: String,
    /// Whom mail comes from.
    pub from: String,
    /// Language of the texts: `ru` or `en`.
    pub language: Language,
    /// How long one mail may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            tls: Security::Starttls,
            user: String::new(),
            password: String::new(),
            from: String::new(),
            language: Language::Ru,
            timeout_ms: 30_000,
        }
    }
}

/// How a connection is kept secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Begun in the open, then TLS; without TLS nothing is sent.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None: for a server on this machine.
    None,
}

/// Language of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Russian.
    Ru,
    /// English.
    En,
}

impl Settings {
    /// What is wrong with them, with the key.
    pub fn problem(&self) -> Option<(&'static str, &'static str)> {
        if self.host.is_empty() {
            return None;
        }
        if self.from.parse::<Mailbox>().is_err() {
            return Some(("mail.from", "must be an address such as calls@example.org"));
        }
        (self.timeout_ms < 100).then_some(("mail.timeout_ms", "must be at least 100"))
    }
}

/// Sends mail.
pub(super) struct Mailer {
    transport: Option<AsyncSmtpTransport<Tokio1Executor>>,
    settings: Settings,
    zone: TimeZone,
}

impl Mailer {
    pub(super) fn new(settings: &Settings, zone: TimeZone) -> Self {
        let transport = match transport(settings) {
            Ok(transport) => transport,
            Err(error) => {
                tracing::error!(%error, "mail cannot be sent");
                None
            }
        };
        Self {
            transport,
            settings: settings.clone(),
            zone,
        }
    }

    /// Sends one message to a mailbox. Its id is the same on every attempt, so mail servers and readers
    /// know a repetition.
    pub(super) async fn send(&self, to: &str, id: &str, (kind, body): (&str, &str)) -> Ended {
        let Some(transport) = &self.transport else {
            return Ended::failed("mail_off", true);
        };
        let Some(mail) = self.write(to, id, (kind, body)) else {
            return Ended::failed("address", false);
        };
        match transport.send(mail).await {
            Ok(_) => Ended::failed("", false),
            Err(error) => Ended {
                status: error.status().map(|code| i64::from(u16::from(code))),
                ..Ended::failed(word(&error), !error.is_permanent())
            },
        }
    }

    fn write(&self, to: &str, id: &str, (kind, body): (&str, &str)) -> Option<Message> {
        let message: Value = serde_json::from_str(body).ok()?;
        let from: Mailbox = self.settings.from.parse().ok()?;
        let domain = from.email.domain().to_owned();
        Message::builder()
            .from(from)
            .to(to.parse().ok()?)
            .message_id(Some(format!("<{id}@{domain}>")))
            .subject(self.subject(kind, &message["data"]))
            .header(ContentType::TEXT_PLAIN)
            .body(self.text(kind, &message["data"]))
            .ok()
    }

    fn subject(&self, kind: &str, data: &Value) -> String {
        let who = [
            &data["card"]["name"],
            &data["name"],
            &data["client"]["number"],
            &data["client"],
        ];
        let who = who
            .into_iter()
            .filter_map(Value::as_str)
            .find(|who| !who.is_empty());
        match who {
            // A name is a client's word: it must not begin another header.
            Some(who) => format!("{}: {}", self.title(kind), who.replace(['\r', '\n'], " ")),
            None => self.title(kind).to_owned(),
        }
    }

    fn text(&self, kind: &str, data: &Value) -> String {
        let mut text = format!("{}\n", self.title(kind));
        let mut line = |names: [&str; 2], value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let name = match self.settings.language {
                    Language::Ru => names[0],
                    Language::En => names[1],
                };
                text.push_str(&format!("{name}: {value}\n"));
            }
        };
        let said = |value: &Value| value.as_str().map(str::to_owned);
        let number = said(&data["client"]["number"]).or_else(|| said(&data["client"]));
        line(["Номер", "Number"], number);
        line(
            ["Клиент", "Client"],
            said(&data["card"]["name"]).or_else(|| said(&data["name"])),
        );
        line(["Компания", "Company"], said(&data["card"]["company"]));
        line(["Линия", "Line"], said(&data["line"]["name"]));
        line(
            ["Время", "Time"],
            said(&data["started_at"]).map(|at| self.local(&at)),
        );
        let person = said(&data["card"]["owner"]["name"]).or_else(|| said(&data["person"]["name"]));
        line(["Ответственный", "Responsible"], person);
        line(
            ["Срок", "Due"],
            said(&data["due_at"]).map(|at| self.local(&at)),
        );
        line(["Открыть", "Open"], said(&data["page"]));
        text
    }

    /// A moment by the company's clock.
    fn local(&self, at: &str) -> String {
        match at.parse::<jiff::Timestamp>() {
            Ok(at) => at
                .to_zoned(self.zone.clone())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string(),
            Err(_) => at.to_owned(),
        }
    }

    fn title<'a>(&self, kind: &'a str) -> &'a str {
        let (ru, en) = match kind {
            "call.started" => ("Новый звонок", "New call"),
            "call.ringing" => ("Звонок на телефоне", "A phone rings"),
            "call.answered" => ("На звонок ответили", "Call answered"),
            "call.ended" => ("Звонок окончен", "Call ended"),
            "call.missed" => ("Пропущенный звонок", "Missed call"),
            "call.changed" => ("Звонок уточнён", "Call changed"),
            "call.merged" => ("Звонки объединены", "Calls merged"),
            "recording.ready" => ("Запись готова", "Recording ready"),
            "card.created" => ("Новый клиент", "New client"),
            "card.changed" => ("Карточка изменена", "Card changed"),
            "card.merged" => ("Карточка стала частью другой", "Card merged into another"),
            "card.parted" => ("Карточка снова отдельная", "Card parted from another"),
            "task.created" => ("Нужно перезвонить", "Call back"),
            "task.changed" => ("Перезвон изменён", "Call-back changed"),
            "task.escalated" => ("Перезвон просрочен", "Call-back overdue"),
            "task.done" => ("Перезвон закрыт", "Call-back done"),
            other => (other, other),
        };
        match self.settings.language {
            Language::Ru => ru,
            Language::En => en,
        }
    }
}

fn transport(
    settings: &Settings,
) -> Result<Option<AsyncSmtpTransport<Tokio1Executor>>, smtp::Error> {
    if settings.host.is_empty() {
        return Ok(None);
    }
    let parameters = || TlsParameters::new(settings.host.clone());
    let tls = match settings.tls {
        Security::Starttls => Tls::Required(parameters()?),
        Security::Tls => Tls::Wrapper(parameters()?),
        Security::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&*settings.host)
        .port(settings.port)
        .tls(tls)
        .timeout(Some(Duration::from_millis(settings.timeout_ms)));
    if !settings.user.is_empty() {
        let password = SecretString::from(settings.password.clone());
        builder = builder.credentials(Credentials::new(
            settings.user.clone(),
            password.expose_secret().to_owned(),
        ));
    }
    Ok(Some(builder.build()))
}

/// Why a mail was not taken, as a closed word.
fn word(error: &smtp::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_permanent() {
        "mail_refused"
    } else if error.is_transient() {
        "mail_later"
    } else if error.is_tls() {
        "mail_tls"
    } else {
        "unreachable"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer(language: Language) -> Mailer {
        let settings = Settings {
            from: "Ringcard <calls@company.example>".to_owned(),
            language,
            ..Settings::default()
        };
        Mailer::new(&settings, TimeZone::UTC)
    }

    #[test]
    fn a_missed_call_is_told_to_people() {
        let body = r#"{"type":"call.missed","data":{
            "client":{"number":"+74950000011"},"card":{"name":"Nina\r\nBcc: other@company.example","company":"Svet",
            "owner":{"id":1,"name":"Anna"}},"line":{"name":"Site"},
            "started_at":"2026-03-17T06:15:00.000Z","page":"https://calls.company.example/calls/1"}}"#;
        let told = ("call.missed", body);
        let mail = mailer(Language::En)
            .write("head@company.example", "msg_1", told)
            .unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        for part in [
            "Message-ID: <msg_1@company.example>",
            "To: head@company.example",
            "Subject: Missed call: Nina",
            "Number: +74950000011",
            "Responsible: Anna",
            "Time: 2026-03-17 06:15:00",
            "Open: https://calls.company.example/calls/1",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("\r\nBcc:"), "{head}");
        let russian = mailer(Language::Ru);
        assert_eq!(
            russian.subject(
                "call.missed",
                &serde_json::json!({"client": {"number": "+74950000011"}})
            ),
            "Пропущенный звонок: +74950000011"
        );
    }

    #[test]
    fn a_mailbox_that_is_none_is_told_nothing() {
        let told = ("call.missed", "{}");
        assert!(
            mailer(Language::En)
                .write("nobody", "msg_1", told)
                .is_none()
        );
    }
}
