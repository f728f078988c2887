//! How far a test call has come, step by step, with what is wrong in words and where to mend it.
//!
//! Worked out anew from what is stored each time somebody asks: nothing is remembered for the watching.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{Account, Error, Site, Visitor, parts::Pen, sight, why};
use crate::{
    flow::dial::Link,
    model::{ids::CallId, time::Timestamp},
    pbx::Fault,
    store::{
        checkup::{self, Refusal},
        journal::{self, CallPage, Decision, Involved},
        people,
        pops::{self, Pop},
        recordings::{self, Recording},
        trace::{self, Heard},
    },
};

/// How a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has happened.
    Done,
    /// It has not happened yet.
    Waits,
    /// It went wrong, or will.
    Wrong,
    /// It need not happen.
    Aside,
}

impl Standing {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waits => "waits",
            Self::Wrong => "wrong",
            Self::Aside => "aside",
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Done => "✓",
            Self::Waits => "…",
            Self::Wrong => "✕",
            Self::Aside => "·",
        }
    }
}

/// One line of the trace.
pub struct Step {
    /// Which step, as a closed word.
    pub what: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// What happened, in words.
    pub text: String,
    /// When.
    pub at: Option<Timestamp>,
    /// What to do, and where.
    pub remedy: Option<(String, String)>,
}

impl Step {
    fn new(what: &'static str, standing: Standing, text: String) -> Self {
        Self {
            what,
            standing,
            text,
            at: None,
            remedy: None,
        }
    }

    fn at(mut self, micros: Option<i64>) -> Self {
        self.at = micros.map(Timestamp::from_micros);
        self
    }

    fn remedy(mut self, text: String, href: impl Into<String>) -> Self {
        self.remedy = Some((text, href.into()));
        self
    }
}

/// All that is known since somebody began to watch.
struct Told {
    account: String,
    link_down: Option<Fault>,
    refused: Vec<Refusal>,
    heard: Heard,
    call: Option<Seen>,
}

/// The call that is watched.
struct Seen {
    page: CallPage,
    involved: Vec<Involved>,
    names: BTreeMap<String, String>,
    has_channel: bool,
    decisions: Vec<Decision>,
    pops: Vec<Pop>,
    recordings: Vec<Recording>,
}

/// The steps of the first call of this account after `since`, as this visitor may see them.
pub async fn markup(
    site: &Site,
    visitor: &Visitor,
    account: &Account,
    since: Timestamp,
) -> Result<Markup, Error> {
    let told = read(site, account, since).await?;
    let pen = site.pen(visitor, sight::in_lists(visitor));
    Ok(shown(&pen, &steps(&pen, &told)))
}

async fn read(site: &Site, account: &Account, since: Timestamp) -> Result<Told, Error> {
    let (db, name) = (&site.db, account.name.as_str());
    site.machine.refusals.write(db).await?;
    let refused = checkup::refusals(db).await?.into_iter();
    let is_news = |one: &Refusal| one.account == name && one.last_at >= since.as_micros();
    let call = match trace::first_call(db, name, since).await? {
        Some(id) => seen(site, id).await?,
        None => None,
    };
    let link = account.link.as_ref().map(|link| link.borrow().clone());
    Ok(Told {
        account: name.to_owned(),
        link_down: match link {
            Some(Link::Down { why, .. }) => Some(why),
            _ => None,
        },
        refused: refused.filter(is_news).collect(),
        heard: trace::heard(db, name, since).await?,
        call,
    })
}

async fn seen(site: &Site, id: CallId) -> Result<Option<Seen>, Error> {
    let db = &site.db;
    let Some(page) = journal::call(db, id).await? else {
        return Ok(None);
    };
    let names = people::extensions_with_names(db, &page.row.account).await?;
    let without = checkup::lines_of_no_channel(db, super::now()).await?;
    let own = |(account, did): &(String, String)| {
        *account == page.row.account && Some(did) == page.row.did.as_ref()
    };
    Ok(Some(Seen {
        has_channel: !without.iter().any(own),
        involved: journal::involved(db, id).await?,
        names: names.into_iter().collect(),
        decisions: journal::decisions(db, id).await?,
        pops: pops::of_call(db, id).await?,
        recordings: recordings::of_call(db, id).await?,
        page,
    }))
}

fn shown(pen: &Pen<'_>, steps: &[Step]) -> Markup {
    html! {
        ol.steps {
            @for step in steps {
                li.(step.standing.as_str()) data-step=(step.what) data-standing=(step.standing.as_str()) {
                    span.sign aria-hidden="true" { (step.standing.sign()) }
                    span {
                        (step.text)
                        @if let Some(at) = step.at { " " small { (pen.clock.time_s(at)) } }
                        @if let Some((text, href)) = &step.remedy { " " a href=(href) { (text) } }
                    }
                }
            }
        }
    }
}

fn steps(pen: &Pen<'_>, told: &Told) -> Vec<Step> {
    let mut steps = before(pen, told);
    match &told.call {
        Some(seen) => {
            steps.push(understood(pen, seen));
            steps.push(line(pen, seen));
            steps.extend(rung(pen, seen));
            steps.push(card(pen, seen));
            steps.push(routed(pen, seen));
            steps.extend(popped(pen, seen));
            steps.push(recorded(pen, seen));
        }
        None => {
            let t = pen.t;
            let waits = |what, text| Step::new(what, Standing::Waits, text);
            steps.push(waits("call", t.say("trace-call-waits")));
            steps.push(waits("rung", t.say("trace-rung-waits")));
            steps.push(waits("card", t.say("trace-card-waits")));
            steps.push(waits("pop", t.say("trace-pop-waits")));
        }
    }
    steps
}

/// Connection, refusals, messages.
fn before(pen: &Pen<'_>, told: &Told) -> Vec<Step> {
    use Standing::{Done, Waits, Wrong};
    let t = pen.t;
    let mut steps = Vec::new();
    let guide = format!("/setup/{}", told.account);
    if let Some(why) = &told.link_down {
        let text = t.fill("trace-link-down", &[("why", why::fault(t, why).into())]);
        steps.push(Step::new("link", Wrong, text).remedy(t.say("trace-link-remedy"), &guide));
    }
    for one in &told.refused {
        let n = [("n", one.times.into())];
        let (text, remedy) = match one.reason.as_str() {
            "signature" => (
                t.fill("trace-signature", &n),
                t.say("trace-signature-remedy"),
            ),
            "token" => (t.fill("trace-token", &n), t.say("trace-token-remedy")),
            reason => {
                let values = [
                    ("n", one.times.into()),
                    ("why", t.word("refusal", reason).into()),
                ];
                (t.fill("trace-refused", &values), t.say("health-title"))
            }
        };
        let place = match one.reason.as_str() {
            "signature" | "token" => guide.as_str(),
            _ => "/health",
        };
        let step = Step::new("refused", Wrong, text).at(Some(one.last_at));
        steps.push(step.remedy(remedy, place));
    }
    steps.push(match told.heard.messages {
        0 => Step::new("event", Waits, t.say("trace-event-waits")),
        n => Step::new("event", Done, t.count("trace-event", n))
            .at(told.heard.last_at.map(Timestamp::as_micros)),
    });
    if told.heard.dead > 0 {
        let text = t.count("trace-dead", told.heard.dead);
        steps.push(Step::new("dead", Wrong, text).remedy(t.say("letters-title"), "/dead-letters"));
    }
    steps
}

fn understood(pen: &Pen<'_>, seen: &Seen) -> Step {
    let t = pen.t;
    let row = &seen.page.row;
    let direction = t.word("direction", row.direction.as_deref().unwrap_or("unknown"));
    let values = [
        ("direction", direction.into()),
        ("client", pen.client_number(row).into()),
    ];
    let step = Step::new("call", Standing::Done, t.fill("trace-call", &values));
    let step = step.at(Some(row.started_at));
    step.remedy(t.say("trace-call-open"), format!("/calls/{}", row.id))
}

fn line(pen: &Pen<'_>, seen: &Seen) -> Step {
    let t = pen.t;
    let row = &seen.page.row;
    let guide = format!("/setup/{}#lines", row.account);
    match (&row.line_name, &row.did) {
        (Some(name), _) if seen.has_channel => {
            let text = t.fill("trace-line", &[("line", name.as_str().into())]);
            Step::new("line", Standing::Done, text)
        }
        (Some(name), _) => {
            let text = t.fill("trace-line-channel", &[("line", name.as_str().into())]);
            Step::new("line", Standing::Wrong, text).remedy(t.say("channels-title"), "/channels")
        }
        (None, Some(did)) => {
            let text = t.fill("trace-line-unknown", &[("number", did.as_str().into())]);
            Step::new("line", Standing::Wrong, text).remedy(t.say("trace-line-remedy"), guide)
        }
        (None, None) => Step::new("line", Standing::Aside, t.say("trace-line-untold")),
    }
}

fn rung(pen: &Pen<'_>, seen: &Seen) -> Vec<Step> {
    use Standing::{Done, Waits, Wrong};
    let t = pen.t;
    let row = &seen.page.row;
    let rang = seen.involved.iter().filter(|one| one.rang == 1);
    let mut steps: Vec<Step> = rang
        .map(|one| {
            let text = t.fill("trace-rung", &[("name", one.name.as_str().into())]);
            Step::new("rung", Done, text)
        })
        .collect();
    for extension in seen.page.call.extensions() {
        if !seen.names.contains_key(extension.as_str()) {
            let values = [("extension", extension.as_str().into())];
            let guide = format!("/setup/{}?extension={extension}#people", row.account);
            let step = Step::new("rung", Wrong, t.fill("trace-rung-nobody", &values));
            steps.push(step.remedy(t.say("trace-rung-remedy"), guide));
        }
    }
    if steps.is_empty() {
        steps.push(match row.phase.as_str() {
            "ended" => Step::new("rung", Wrong, t.say("trace-rung-none")),
            _ => Step::new("rung", Waits, t.say("trace-rung-waits")),
        });
    }
    steps
}

fn card(pen: &Pen<'_>, seen: &Seen) -> Step {
    let t = pen.t;
    match (&seen.page.row.card, &seen.page.more.match_reason) {
        (Some(_), Some(why)) if why == "created" => {
            Step::new("card", Standing::Done, t.say("trace-card-new"))
        }
        (Some(_), Some(why)) => {
            let text = t.fill("trace-card", &[("why", t.word("match", why).into())]);
            Step::new("card", Standing::Done, text)
        }
        (Some(_), None) => Step::new("card", Standing::Done, t.say("trace-card-open")),
        (None, _) if seen.page.row.client.is_none() => {
            Step::new("card", Standing::Aside, t.say("trace-card-withheld"))
        }
        (None, _) => Step::new("card", Standing::Waits, t.say("trace-card-waits")),
    }
}

fn routed(pen: &Pen<'_>, seen: &Seen) -> Step {
    let t = pen.t;
    match seen.decisions.last() {
        None => Step::new("route", Standing::Aside, t.say("trace-route-none")),
        Some(decision) => {
            let targets: Vec<String> = serde_json::from_str(&decision.targets).unwrap_or_default();
            let values = [
                ("targets", targets.join(", ").into()),
                ("why", t.word("routed", &decision.reason).into()),
            ];
            let text = match targets.is_empty() {
                true => t.fill("trace-route-nobody", &values),
                false => t.fill("trace-route", &values),
            };
            Step::new("route", Standing::Done, text).at(Some(decision.at))
        }
    }
}

fn popped(pen: &Pen<'_>, seen: &Seen) -> Vec<Step> {
    use Standing::{Aside, Done, Waits, Wrong};
    let t = pen.t;
    let row = &seen.page.row;
    if seen.pops.is_empty() {
        let comes_in = matches!(row.direction.as_deref(), None | Some("in"));
        return vec![match (comes_in, row.phase.as_str()) {
            (false, _) => Step::new("pop", Aside, t.say("trace-pop-out")),
            (true, "ended") => Step::new("pop", Wrong, t.say("trace-pop-none")),
            (true, _) => Step::new("pop", Waits, t.say("trace-pop-waits")),
        }];
    }
    let step = |pop: &Pop| {
        let name = [("name", pop.name.as_str().into())];
        match (pop.painted_at, pop.delivered_at) {
            (Some(at), _) => Step::new("pop", Done, t.fill("trace-pop-seen", &name)).at(Some(at)),
            (None, Some(at)) => {
                Step::new("pop", Done, t.fill("trace-pop-sent", &name)).at(Some(at))
            }
            (None, None) => Step::new("pop", Wrong, t.fill("trace-pop-no-page", &name)),
        }
    };
    seen.pops.iter().map(step).collect()
}

fn recorded(pen: &Pen<'_>, seen: &Seen) -> Step {
    let t = pen.t;
    let Some(recording) = seen.recordings.first() else {
        return Step::new("recording", Standing::Aside, t.say("trace-recording-none"));
    };
    let state = recording.state;
    let standing = match state.as_str() {
        _ if state.is_here() => Standing::Done,
        "failed" | "refused" => Standing::Wrong,
        "absent" => Standing::Aside,
        _ => Standing::Waits,
    };
    let mut text = t.word("recording-state", state.as_str());
    if !recording.reason.is_empty() && !state.is_here() {
        text = format!("{text} {}", t.word("recording-reason", &recording.reason));
    }
    Step::new("recording", standing, text)
}
