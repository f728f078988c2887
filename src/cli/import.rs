//! Brings in clients from a CSV file, and people, groups and lines from a TOML file.
//!
//! Both can be run again and again: what is there is brought up to date, nothing is doubled. A line
//! that cannot be used is told with its number and its reason, and does not stop the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;

use super::inspect;
use crate::{
    app::settings::Settings,
    flow,
    model::{
        ids::PersonId,
        people::Role,
        phone::{Number, NumberingPlan},
    },
    reports::spend,
    rules::routing::Strategy,
    store::{
        changes::{self, By},
        import::{self, Client, Group, Line, Office, Person, Taken},
    },
    web::i18n::{Language, Texts},
};

/// Clients taken in one transaction.
const BATCH: usize = 1_000;

/// What to bring in.
#[derive(Subcommand)]
pub enum Command {
    /// Clients from CSV with the columns phones, name, company, owner (a login), note
    Clients(Clients),
    /// What channels cost, from CSV with the columns channel, from, to, amount, currency
    Spend {
        /// File; `-` is standard input
        file: PathBuf,
    },
    /// People, groups and lines from a TOML file (README.md shows one)
    Office {
        /// File; `-` is standard input
        file: PathBuf,
    },
}

/// Which file, and how it writes numbers.
#[derive(clap::Args)]
pub struct Clients {
    /// File; `-` is standard input
    file: PathBuf,
    /// ISO 3166 country of national numbers
    #[arg(long, default_value = "RU")]
    country: String,
    /// Area code put before local numbers
    #[arg(long, default_value = "")]
    area_code: String,
}

/// Does it.
pub async fn run(settings: Settings, command: Command) -> Result<()> {
    let db = super::opened(&settings).await?;
    match command {
        Command::Clients(wanted) => {
            let people = import::logins(&db).await?;
            let read = read_clients(&wanted, &people)?;
            let mut taken = Taken::default();
            for batch in read.clients.chunks(BATCH) {
                let part = import::clients(&db, batch, flow::now()).await?;
                taken.created += part.created;
                taken.updated += part.updated;
                taken.torn.extend(part.torn);
            }
            report(&read, &taken)?;
        }
        Command::Spend { file } => {
            let bytes = inspect::bytes(&file)?;
            let text = std::str::from_utf8(&bytes).context("the file is not UTF-8")?;
            changes::note(&db, By::Found, None, flow::now()).await?;
            let done = spend::import(&db, text, flow::now()).await?;
            changes::note(&db, By::Command, None, flow::now()).await?;
            let mut told = io::stderr().lock();
            for (line, why) in &done.refused {
                let why = Texts::new(Language::English).word("spend-why", why);
                writeln!(told, "line {line}: {why}")?;
            }
            println!(
                "{}",
                json!({
                    "created": done.created,
                    "replaced": done.replaced,
                    "refused": done.refused.len(),
                })
            );
        }
        Command::Office { file } => {
            let office = read_office(&file)?;
            let known = import::logins(&db).await?.into_keys().collect();
            let groups = import::groups_known(&db).await?;
            all_known(&office, known, groups)?;
            changes::note(&db, By::Found, None, flow::now()).await?;
            import::office(&db, &office, flow::now()).await?;
            changes::note(&db, By::Command, None, flow::now()).await?;
            println!(
                "{}",
                json!({
                    "people": office.people.len(),
                    "groups": office.groups.len(),
                    "lines": office.lines.len(),
                })
            );
        }
    }
    db.close().await;
    Ok(())
}

/// What a file of clients says.
#[derive(Default)]
struct Read {
    clients: Vec<Client>,
    /// Line and reason.
    complaints: Vec<(u64, String)>,
    refused: u64,
}

fn report(read: &Read, taken: &Taken) -> Result<()> {
    let mut told = io::stderr().lock();
    for (line, why) in &read.complaints {
        writeln!(told, "line {line}: {why}")?;
    }
    for line in &taken.torn {
        writeln!(told, "line {line}: its numbers belong to several cards")?;
    }
    let refused = read.refused + taken.torn.len() as u64;
    println!(
        "{}",
        json!({ "created": taken.created, "updated": taken.updated, "refused": refused })
    );
    Ok(())
}

fn read_clients(wanted: &Clients, people: &BTreeMap<String, PersonId>) -> Result<Read> {
    let plan = NumberingPlan {
        country: wanted.country.clone(),
        area_code: wanted.area_code.clone(),
    };
    if let Some(problem) = plan.problem() {
        bail!(problem);
    }
    let bytes = inspect::bytes(&wanted.file)?;
    let text = std::str::from_utf8(&bytes).context("the file is not UTF-8")?;
    clients_of(text.trim_start_matches('\u{feff}'), &plan, people)
}

/// One line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(alias = "phone")]
    phones: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    company: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    note: String,
}

fn clients_of(
    text: &str,
    plan: &NumberingPlan,
    people: &BTreeMap<String, PersonId>,
) -> Result<Read> {
    // Sheet programs of countries with a decimal comma write semicolons.
    let head = text.lines().next().unwrap_or_default();
    let semicolons = head.matches(';').count() > head.matches(',').count();
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(if semicolons { b';' } else { b',' })
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader.headers()?.clone();
    let mut read = Read::default();
    for record in reader.records() {
        let (at_line, row) = match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                (line, record.deserialize::<Row>(Some(&headers)))
            }
            Err(error) => (error.position().map_or(0, csv::Position::line), Err(error)),
        };
        match row {
            // A wrong heading is wrong in every line.
            Err(error) if read.clients.is_empty() && is_about_headings(&error) => {
                bail!("columns must be phones, name, company, owner, note: {error}");
            }
            Err(error) => read.refuse(at_line, error.to_string()),
            Ok(row) => read.take(at_line, &row, plan, people),
        }
    }
    Ok(read)
}

fn is_about_headings(error: &csv::Error) -> bool {
    let text = error.to_string();
    text.contains("unknown field") || text.contains("missing field")
}

impl Read {
    fn refuse(&mut self, line: u64, why: String) {
        self.refused += 1;
        self.complaints.push((line, why));
    }

    fn take(
        &mut self,
        at_line: u64,
        row: &Row,
        plan: &NumberingPlan,
        people: &BTreeMap<String, PersonId>,
    ) {
        let owner = match row.owner.as_str() {
            "" => None,
            login => match people.get(login) {
                Some(person) => Some(*person),
                None => return self.refuse(at_line, format!("nobody has the login {login:?}")),
            },
        };
        let mut phones = BTreeSet::new();
        for written in row.phones.split([';', ',', '\n']).map(str::trim) {
            match plan.read(written) {
                Number::E164 { e164, ext } => {
                    phones.insert((e164, ext.unwrap_or_default()));
                }
                _ if written.is_empty() => {}
                _ => self
                    .complaints
                    .push((at_line, format!("{written:?} is no public number"))),
            }
        }
        if phones.is_empty() {
            return self.refuse(at_line, "no number that can be used".to_owned());
        }
        self.clients.push(Client {
            at_line,
            phones: phones.into_iter().collect(),
            name: row.name.clone(),
            company: row.company.clone(),
            note: row.note.clone(),
            owner,
        });
    }
}

/// The office file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OfficeFile {
    person: Vec<PersonEntry>,
    group: Vec<GroupEntry>,
    line: Vec<LineEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonEntry {
    login: String,
    name: String,
    role: String,
    #[serde(default = "russian")]
    language: String,
    department: Option<String>,
    deputy: Option<String>,
    /// Account to extensions.
    #[serde(default)]
    extensions: BTreeMap<String, Vec<String>>,
}

fn russian() -> String {
    "ru".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupEntry {
    name: String,
    strategy: String,
    members: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineEntry {
    account: String,
    number: String,
    name: String,
    group: Option<String>,
    channel: Option<String>,
}

fn read_office(file: &Path) -> Result<Office> {
    let bytes = inspect::bytes(file)?;
    let text = std::str::from_utf8(&bytes).context("the file is not UTF-8")?;
    office_of(text)
}

fn office_of(text: &str) -> Result<Office> {
    let file: OfficeFile = toml::from_str(text)?;
    let mut problems = Vec::new();
    for person in &file.person {
        if Role::parse(&person.role).is_none() {
            let roles: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
            let (login, role) = (&person.login, &person.role);
            problems.push(format!(
                "{login}: role {role:?} is none of {}",
                roles.join(", ")
            ));
        }
        if !["ru", "en"].contains(&person.language.as_str()) {
            problems.push(format!("{}: language must be ru or en", person.login));
        }
    }
    for group in &file.group {
        if Strategy::parse(&group.strategy).is_none() {
            problems.push(format!(
                "{}: strategy must be round_robin, longest_idle or simultaneous",
                group.name
            ));
        }
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    Ok(Office {
        people: file.person.into_iter().map(person).collect(),
        groups: file
            .group
            .into_iter()
            .map(|group| Group {
                name: group.name,
                strategy: group.strategy,
                members: group.members,
            })
            .collect(),
        lines: file.line.into_iter().map(line).collect(),
    })
}

/// Whoever and whatever is named must be in the file or in the database.
fn all_known(
    office: &Office,
    mut logins: BTreeSet<String>,
    mut groups: BTreeSet<String>,
) -> Result<()> {
    logins.extend(office.people.iter().map(|person| person.login.clone()));
    groups.extend(office.groups.iter().map(|group| group.name.clone()));
    let mut problems = Vec::new();
    for person in &office.people {
        let deputy = person.deputy.iter();
        for unknown in deputy.filter(|login| !logins.contains(*login)) {
            problems.push(format!(
                "{}: nobody has the login {unknown:?}",
                person.login
            ));
        }
    }
    for group in &office.groups {
        let members = group.members.iter();
        for unknown in members.filter(|login| !logins.contains(*login)) {
            problems.push(format!("{}: nobody has the login {unknown:?}", group.name));
        }
    }
    for line in &office.lines {
        let group = line.group.iter();
        for unknown in group.filter(|group| !groups.contains(*group)) {
            problems.push(format!("{}: there is no group {unknown:?}", line.name));
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => bail!("{}", problems.join("\n")),
    }
}

fn person(entry: PersonEntry) -> Person {
    let extensions = entry.extensions.into_iter().flat_map(|(account, phones)| {
        phones
            .into_iter()
            .map(move |phone| (account.clone(), phone))
    });
    Person {
        role: Role::parse(&entry.role).map_or("manager", Role::as_str),
        login: entry.login,
        name: entry.name,
        language: entry.language,
        department: entry.department,
        deputy: entry.deputy,
        extensions: extensions.collect(),
    }
}

/// Numbers of ours stand in the table as decoders tell them: E.164 wherever they can be read.
fn line(entry: LineEntry) -> Line {
    let did = match NumberingPlan::default().read(&entry.number) {
        Number::E164 { e164, .. } => e164,
        _ => entry.number,
    };
    Line {
        account: entry.account,
        did,
        name: entry.name,
        group: entry.group,
        channel: entry.channel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> BTreeMap<String, PersonId> {
        BTreeMap::from([("anna".to_owned(), PersonId(1))])
    }

    #[test]
    fn clients_are_read_from_either_kind_of_csv() {
        for text in [
            "phones,name,owner\n\"+7 495 000-00-11; 8 495 000 00 12 доб. 5\",Client One,anna\n",
            "name;phone;owner\nClient One;+7 495 000-00-11, 8 495 000 00 12 доб. 5;anna\n",
        ] {
            let read = clients_of(text, &NumberingPlan::default(), &people()).unwrap();
            assert!(read.complaints.is_empty(), "{:?}", read.complaints);
            let client = &read.clients[0];
            assert_eq!(client.owner, Some(PersonId(1)));
            assert_eq!(
                client.phones,
                [
                    ("+74950000011".to_owned(), String::new()),
                    ("+74950000012".to_owned(), "5".to_owned())
                ]
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_line() {
        let text = "phones,name,owner\n\
                    nonsense,A,\n\
                    +74950000011,B,nobody\n\
                    +74950000012 ; 12,C,anna\n";
        let read = clients_of(text, &NumberingPlan::default(), &people()).unwrap();
        assert_eq!((read.clients.len(), read.refused), (1, 2));
        let lines: Vec<u64> = read.complaints.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 2, 3, 4]);
        let wrong = clients_of("tel,name\n1,A\n", &NumberingPlan::default(), &people());
        assert!(wrong.is_err_and(|error| error.to_string().contains("phones")));
    }

    #[test]
    fn an_office_is_read_and_checked() {
        let office = office_of(
            "[[person]]\nlogin = \"anna\"\nname = \"Anna\"\nrole = \"manager\"\n\
             extensions = { office = [\"101\"] }\n\
             [[group]]\nname = \"sales\"\nstrategy = \"round_robin\"\nmembers = [\"anna\"]\n\
             [[line]]\naccount = \"office\"\nnumber = \"8 495 000-00-01\"\nname = \"Main\"\n",
        )
        .unwrap();
        assert_eq!(
            office.people[0].extensions,
            [("office".to_owned(), "101".to_owned())]
        );
        assert_eq!(office.lines[0].did, "+74950000001");
        let unknown = office_of(
            "[[group]]\nname = \"sales\"\nstrategy = \"round_robin\"\nmembers = [\"anna\"]\n",
        )
        .unwrap();
        let told = all_known(&unknown, BTreeSet::new(), BTreeSet::new()).unwrap_err();
        assert!(told.to_string().contains("anna"));
        assert!(all_known(&office, BTreeSet::new(), BTreeSet::new()).is_ok());
        let wrong = office_of("[[person]]\nlogin = \"a\"\nname = \"A\"\nrole = \"boss\"\n");
        assert!(wrong.is_err_and(|error| error.to_string().contains("administrator")));
    }
}
