//! Channels: which number belongs to which and when, which calls belong to one by where their clients came
//! from, what a target call is, and what they cost. Every
//! change is audited and stands in the log of changes; a change of the past moves figures.

mod rules;
mod spend;

use axum::{
    Form,
    extract::{Path, Query, State as Extract},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use jiff::{ToSpan, civil::Date};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    model::time::Timestamp,
    policy::{self, Action, Object},
    reports::channels::begin,
    rules::channels::{DAY_MINUTES, Span, TargetRule, Unfit},
    store::{
        changes::{self, By},
        channel_rules,
        channels::{self, Assignment, Channel, Reassignment},
        reports::{self, LineRow},
    },
    web::{
        Error, Site, State, Visitor, demand,
        format::Clock,
        i18n::Texts,
        layout::{self, Place},
        now,
        routes::{Access, Route},
        sight,
    },
};

const MANAGE: Access = Access::Right(Action::ManageChannels);

/// The routes of this page.
pub const ROUTES: &[Route] = &[
    Route::get("/channels", MANAGE, || get(show)),
    Route::post("/channels", MANAGE, || post(create)),
    Route::post("/channels/rules", MANAGE, || post(rules::change)),
    Route::post("/channels/{id}", MANAGE, || post(change)),
    Route::post("/lines/{id}/channel", MANAGE, || post(assign)),
    Route::get("/spend", MANAGE, || get(spend::show)),
    Route::post("/spend", MANAGE, || post(spend::import)),
    Route::post("/spend/remove", MANAGE, || post(spend::remove)),
];

const NAME_CHARS: usize = 80;

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    said: String,
}

/// How a form fared; each has its text.
const SAID: [&str; 6] = [
    "saved",
    "exists",
    "impossible",
    "empty",
    "taken",
    "unreadable",
];

async fn show(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Query(said): Query<Said>,
) -> Result<Markup, Error> {
    let channels = channels::all(&site.db).await?;
    let lines = reports::all_lines(&site.db).await?;
    let assigned = channels::assignments(&site.db).await?;
    let by_source = channel_rules::all(&site.db).await?;
    let is_waiting = channel_rules::is_waiting(&site.db).await?;
    let t = visitor.texts;
    let page = Page {
        visitor: &visitor,
        t,
        clock: Clock::new(&site.zone, t),
        channels: &channels,
    };
    let content = html! {
        div.heading {
            h1 { (t.say("channels-title")) }
            span {
                @if policy::can(&visitor.person, Action::RunInstallation, &Object::Whole).is_allowed() {
                    a.button href="/lines/recording" { (t.say("recorded-title")) } " "
                }
                a.button href="/spend" { (t.say("spend-title")) }
            }
        }
        @if SAID.contains(&said.said.as_str()) {
            p.done role="status" data-said=(said.said) { (t.word("channel-said", &said.said)) }
        }
        p.hint { (t.say("channels-hint")) }
        h2 { (t.say("channels-numbers")) }
        @for line in &lines {
            (page.line(line, assigned.iter().filter(|one| one.line == line.id)))
        }
        (rules::section(&visitor, (&by_source, is_waiting), &channels, &lines))
        h2 { (t.say("channels-rules")) }
        p.hint { (t.say("formula-target")) }
        @for channel in &channels { (page.channel(channel)) }
        form.filters action="/channels" method="post" {
            (layout::token(&visitor))
            label { span { (t.say("channel-new")) } input name="name" required maxlength=(NAME_CHARS); }
            button.primary type="submit" { (t.say("channel-add")) }
        }
    };
    Ok(layout::page(
        &visitor,
        Place::Lines,
        &t.say("channels-title"),
        &content,
    ))
}

struct Page<'a> {
    visitor: &'a Visitor,
    t: Texts,
    clock: Clock<'a>,
    channels: &'a [Channel],
}

impl Page<'_> {
    /// A number with its channels in order of time, and a form for another one.
    fn line<'b>(&self, line: &LineRow, has: impl Iterator<Item = &'b Assignment>) -> Markup {
        let t = self.t;
        html! {
            fieldset.assignments data-line=(line.id) {
                legend { strong { (line.name) } " " (line.did) " " small { (line.account) } }
                @for one in has { (self.assignment(line.id, Some(one))) }
                @if self.channels.is_empty() { p.hint { (t.say("channels-none")) } }
                @else { (self.assignment(line.id, None)) }
            }
        }
    }

    fn assignment(&self, line: i64, one: Option<&Assignment>) -> Markup {
        let t = self.t;
        let chosen = one.map(|one| one.channel);
        let from = one.map(|one| one.valid_from).filter(|from| *from != 0);
        let day = |micros: i64| self.clock.date(Timestamp::from_micros(micros)).to_string();
        // The last day is shown, the moment after it is kept.
        let to = one.and_then(|one| one.valid_to).map(|to| day(to - 1));
        html! {
            form.filters action={ "/lines/" (line) "/channel" } method="post" {
                (layout::token(self.visitor))
                @if let Some(one) = one { input type="hidden" name="take" value=(one.valid_from); }
                label { span { (t.say("filter-channel")) }
                    select name="channel" {
                        @for channel in self.channels {
                            option value=(channel.id) selected[chosen == Some(channel.id)] { (channel.name) }
                        }
                    }
                }
                label { span { (t.say("channel-from")) } input type="date" name="from" value=[from.map(day)]; }
                label { span { (t.say("channel-to")) } input type="date" name="to" value=[to]; }
                @match one {
                    Some(_) => {
                        button type="submit" name="act" value="put" { (t.say("save")) }
                        button.quiet type="submit" name="act" value="remove" { (t.say("channel-remove")) }
                    }
                    None => { button.primary type="submit" name="act" value="put" { (t.say("channel-assign")) } }
                }
            }
        }
    }

    fn channel(&self, channel: &Channel) -> Markup {
        let t = self.t;
        let rule = &channel.rule;
        html! {
            form.filters action={ "/channels/" (channel.id) } method="post" data-channel=(channel.id) {
                (layout::token(self.visitor))
                label { span { (t.say("channel-name")) } input name="name" required maxlength=(NAME_CHARS) value=(channel.name); }
                label { span { (t.say("rule-talk")) } input type="number" name="talk_s" min="0" max="86400" value=(rule.talk_s); }
                label { span { (t.say("rule-from")) } input type="time" name="from" value=(clock_time(rule.from_min)); }
                label { span { (t.say("rule-to")) } input type="time" name="to" value=(clock_time(rule.to_min % DAY_MINUTES)); }
                fieldset.days { legend { (t.say("rule-days")) }
                    @for (n, wanted) in rule.days.iter().enumerate() {
                        label { input type="checkbox" name={ "day" (n) } value="1" checked[*wanted]; (t.word("weekday", DAYS[n])) }
                    }
                }
                label { span { (t.say("rule-first")) } input type="checkbox" name="first" value="1" checked[rule.first_only]; }
                button type="submit" { (t.say("save")) }
            }
        }
    }
}

/// Words of the days of the week.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn clock_time(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

fn minutes(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..24).contains(&hours) && (0..60).contains(&minutes)).then_some(hours * 60 + minutes)
}

/// Back to the page with how it fared.
fn back(said: &str) -> Response {
    Redirect::to(&format!("/channels?said={said}")).into_response()
}

/// What others have changed meanwhile, by whatever way, is not this person's change.
async fn before(site: &Site) -> Result<(), Error> {
    changes::note(&site.db, By::Found, None, now()).await?;
    Ok(())
}

/// Who changed it stands in the audit, and what in the log of changes.
async fn noted(site: &Site, visitor: &Visitor, object: &str, what: &str) -> Result<(), Error> {
    sight::audited(site, visitor, "change", object, what).await?;
    changes::note(&site.db, By::Page(visitor.person.id), None, now()).await?;
    Ok(())
}

#[derive(Deserialize)]
struct New {
    name: String,
}

fn name_of(text: &str) -> Option<&str> {
    let name = text.trim();
    (!name.is_empty() && name.chars().count() <= NAME_CHARS).then_some(name)
}

async fn create(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Form(new): Form<New>,
) -> Result<Response, Error> {
    demand(&visitor, Action::ManageChannels, &Object::Whole)?;
    let Some(name) = name_of(&new.name) else {
        return Ok(back("unreadable"));
    };
    before(&site).await?;
    if !channels::create(&site.db, name).await? {
        return Ok(back("exists"));
    }
    noted(&site, &visitor, "channels", "new").await?;
    Ok(back("saved"))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Rule {
    name: String,
    talk_s: String,
    from: String,
    to: String,
    first: String,
    day0: String,
    day1: String,
    day2: String,
    day3: String,
    day4: String,
    day5: String,
    day6: String,
}

impl Rule {
    fn read(&self) -> Option<TargetRule> {
        let to_min = match minutes(&self.to)? {
            // Midnight is the end of the day.
            0 => DAY_MINUTES,
            to_min => to_min,
        };
        let days = [
            &self.day0, &self.day1, &self.day2, &self.day3, &self.day4, &self.day5, &self.day6,
        ];
        let rule = TargetRule {
            talk_s: self.talk_s.parse().ok()?,
            first_only: self.first == "1",
            days: days.map(|day| day == "1"),
            from_min: minutes(&self.from)?,
            to_min,
        };
        rule.is_possible().then_some(rule)
    }
}

async fn change(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Form(form): Form<Rule>,
) -> Result<Response, Error> {
    demand(&visitor, Action::ManageChannels, &Object::Whole)?;
    let channels = channels::all(&site.db).await?;
    if !channels.iter().any(|channel| channel.id == id) {
        return Err(Error::NotFound);
    }
    let Some(name) = name_of(&form.name) else {
        return Ok(back("unreadable"));
    };
    let Some(rule) = form.read() else {
        return Ok(back("impossible"));
    };
    let channel = Channel {
        id,
        name: name.to_owned(),
        rule,
    };
    before(&site).await?;
    if !channels::change(&site.db, &channel).await? {
        return Ok(back("exists"));
    }
    noted(&site, &visitor, &format!("channel:{id}"), "rule").await?;
    Ok(back("saved"))
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Assign {
    take: String,
    channel: String,
    from: String,
    to: String,
    act: String,
}

impl Assign {
    /// The days as a span of time, the last one included.
    fn span(&self, site: &Site) -> Option<Span> {
        let day = |text: &str| match text {
            "" => Some(None),
            text => text.parse::<Date>().ok().map(Some),
        };
        let (from, to) = (day(&self.from)?, day(&self.to)?);
        let after = to.map(|to| to.checked_add(1.day()).unwrap_or(to));
        Some(Span {
            from: from.map_or(0, |from| begin(&site.zone, from).as_micros()),
            to: after.map(|after| begin(&site.zone, after).as_micros()),
        })
    }
}

async fn assign(
    Extract(site): Extract<State>,
    visitor: Visitor,
    Path(line): Path<i64>,
    Form(form): Form<Assign>,
) -> Result<Response, Error> {
    demand(&visitor, Action::ManageChannels, &Object::Whole)?;
    let lines = reports::all_lines(&site.db).await?;
    if !lines.iter().any(|one| one.id == line) {
        return Err(Error::NotFound);
    }
    let take = form.take.parse().ok();
    let put = match form.act.as_str() {
        "remove" => None,
        _ => {
            let channel: i64 = form.channel.parse().unwrap_or_default();
            let channels = channels::all(&site.db).await?;
            let known = channels.iter().any(|one| one.id == channel);
            match form.span(&site).filter(|_| known) {
                Some(span) => Some((channel, span)),
                None => return Ok(back("unreadable")),
            }
        }
    };
    let change = Reassignment { line, take, put };
    before(&site).await?;
    match channels::reassign(&site.db, &change).await? {
        Err(Unfit::Empty) => return Ok(back("empty")),
        Err(Unfit::Taken(_)) => return Ok(back("taken")),
        Ok(()) => {}
    }
    noted(&site, &visitor, &format!("line:{line}"), "channel").await?;
    Ok(back("saved"))
}
