//! The invented company of the demo: people, groups, lines, and clients it already knows.

use anyhow::Result;

use crate::{
    app::settings::Settings,
    flow,
    simulator::story::invented_number,
    store::{
        Db,
        import::{self, Client, Group, Line, Office, Person},
    },
};

/// Login of the manager whose phone rings most.
pub const MANAGER: &str = "anna";
/// Whose eyes the demo can be seen with: login, and who that is.
pub const VISITORS: [(&str, &str); 6] = [
    (MANAGER, "a manager whose phone rings"),
    ("irina", "the head of the department"),
    ("marina", "a marketer"),
    ("kira", "quality control"),
    ("artem", "the administrator"),
    ("oleg", "the owner, who sees all"),
];

/// Accounts, each with its own numbers.
pub const ACCOUNTS: [&str; 3] = ["office", "cloud", "branch"];
/// Extensions of the managers.
pub const EXTENSIONS: [&str; 6] = ["201", "202", "203", "204", "205", "206"];
/// How many clients exist; the first of them are known from the beginning.
pub const CLIENTS: usize = 60;
const KNOWN: usize = 36;

/// Numbers that clients dial at an account.
pub fn dids(account: usize) -> Vec<String> {
    (0..2)
        .map(|n| invented_number(1 + 2 * account + n))
        .collect()
}

/// What things are called.
pub struct Words {
    language: &'static str,
    managers: [(&'static str, &'static str); 6],
    /// Login, name and role of those whose phones do not ring.
    others: [(&'static str, &'static str, &'static str); 5],
    department: &'static str,
    group: &'static str,
    /// Name of a line and of the channel it stands for.
    lines: [(&'static str, &'static str); 6],
    names: &'static [&'static str],
    companies: &'static [&'static str],
}

impl Words {
    /// In `ru` or `en`.
    pub fn of(language: &str) -> Self {
        if language == "en" { ENGLISH } else { RUSSIAN }
    }
}

const RUSSIAN: Words = Words {
    language: "ru",
    managers: [
        (MANAGER, "Анна Лебедева"),
        ("boris", "Борис Орлов"),
        ("vera", "Вера Соколова"),
        ("gleb", "Глеб Морозов"),
        ("daria", "Дарья Ким"),
        ("egor", "Егор Власов"),
    ],
    others: [
        ("irina", "Ирина Белова", "head"),
        ("marina", "Марина Ветрова", "marketer"),
        ("kira", "Кира Лунина", "quality"),
        ("artem", "Артём Сычёв", "administrator"),
        ("oleg", "Олег Титов", "owner"),
    ],
    department: "Продажи",
    group: "Отдел продаж",
    lines: [
        ("Главный номер", "Сайт"),
        ("Номер на картах", "Карты"),
        ("Номер в рекламе", "Контекстная реклама"),
        ("Номер на щите", "Наружная реклама"),
        ("Филиал", "Рекомендации"),
        ("Филиал, буклет", "Буклет"),
    ],
    names: &[
        "Павел Громов",
        "Мария Зотова",
        "Сергей Ильин",
        "Ольга Краснова",
        "Тимур Ахметов",
        "Нина Фролова",
        "Виктор Жуков",
        "Алла Юдина",
        "Денис Рябов",
        "Елена Цветкова",
        "Михаил Носов",
        "Юлия Панова",
    ],
    companies: &["", "", "Окна Плюс", "", "Строй-Лад", "Кафе «Липа»"],
};

const ENGLISH: Words = Words {
    language: "en",
    managers: [
        (MANAGER, "Anna Lebedeva"),
        ("boris", "Boris Orlov"),
        ("vera", "Vera Sokolova"),
        ("gleb", "Gleb Morozov"),
        ("daria", "Daria Kim"),
        ("egor", "Egor Vlasov"),
    ],
    others: [
        ("irina", "Irina Belova", "head"),
        ("marina", "Marina Vetrova", "marketer"),
        ("kira", "Kira Lunina", "quality"),
        ("artem", "Artem Sychev", "administrator"),
        ("oleg", "Oleg Titov", "owner"),
    ],
    department: "Sales",
    group: "Sales desk",
    lines: [
        ("Main number", "Website"),
        ("Number on maps", "Maps"),
        ("Number in ads", "Search ads"),
        ("Number on the billboard", "Billboard"),
        ("Branch", "Word of mouth"),
        ("Branch, leaflet", "Leaflet"),
    ],
    names: &[
        "Paul Gromov",
        "Maria Zotova",
        "Sergei Ilyin",
        "Olga Krasnova",
        "Timur Akhmetov",
        "Nina Frolova",
        "Victor Zhukov",
        "Alla Yudina",
        "Denis Ryabov",
        "Elena Tsvetkova",
        "Michael Nosov",
        "Julia Panova",
    ],
    companies: &["", "", "Windows Plus", "", "Build & Co", "Linden Café"],
};

/// Puts the company into an empty database.
pub async fn found(settings: &Settings, words: &Words) -> Result<()> {
    let db = Db::open(&settings.store).await?;
    db.migrate().await?;
    import::office(&db, &office(words), flow::now()).await?;
    let logins = import::logins(&db).await?;
    let owners: Vec<_> = words
        .managers
        .iter()
        .filter_map(|(login, _)| logins.get(*login).copied())
        .collect();
    let clients: Vec<Client> = (0..KNOWN)
        .map(|n| Client {
            at_line: n as u64 + 1,
            phones: vec![(invented_number(100 + n), String::new())],
            name: name_of(words, n),
            company: words.companies[n % words.companies.len()].to_owned(),
            note: String::new(),
            // Two of three already have their manager.
            owner: owners.get(n % (owners.len() + 3)).copied(),
        })
        .collect();
    import::clients(&db, &clients, flow::now()).await?;
    db.close().await;
    Ok(())
}

/// A name that no other known client has: later rounds of the list put given names before other family
/// names, of the same sex, since they take turns.
fn name_of(words: &Words, n: usize) -> String {
    let names = words.names;
    let (given, _) = names[n % names.len()].split_once(' ').unwrap_or_default();
    let other = names[(n + 2 * (n / names.len())) % names.len()];
    let (_, family) = other.split_once(' ').unwrap_or_default();
    format!("{given} {family}")
}

fn office(words: &Words) -> Office {
    let person = |login: &str, name: &str, role, extensions| Person {
        login: login.to_owned(),
        name: name.to_owned(),
        role,
        language: words.language.to_owned(),
        department: Some(words.department.to_owned()),
        deputy: None,
        extensions,
    };
    let mut people: Vec<Person> = words
        .managers
        .iter()
        .zip(EXTENSIONS)
        .map(|((login, name), extension)| {
            let everywhere = ACCOUNTS.map(|account| (account.to_owned(), extension.to_owned()));
            person(login, name, "manager", everywhere.to_vec())
        })
        .collect();
    let others = words.others.iter();
    people.extend(others.map(|(login, name, role)| person(login, name, role, Vec::new())));
    let members = words.managers.iter().map(|(login, _)| (*login).to_owned());
    let lines = ACCOUNTS.iter().enumerate().flat_map(|(account, name)| {
        let of_account = &words.lines[2 * account..2 * account + 2];
        dids(account)
            .into_iter()
            .zip(of_account)
            .map(move |(did, (line, channel))| Line {
                account: (*name).to_owned(),
                did,
                name: (*line).to_owned(),
                group: Some(words.group.to_owned()),
                channel: Some((*channel).to_owned()),
            })
    });
    Office {
        people,
        groups: vec![Group {
            name: words.group.to_owned(),
            strategy: "longest_idle".to_owned(),
            members: members.collect(),
        }],
        lines: lines.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_known_clients_have_one_name() {
        for words in [RUSSIAN, ENGLISH] {
            let names: BTreeSet<String> = (0..KNOWN).map(|n| name_of(&words, n)).collect();
            assert_eq!(names.len(), KNOWN);
            assert!(names.contains(words.names[0]));
        }
    }
}
