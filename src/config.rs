//! Reads the configuration file, lays environment variables over it and checks the result.
//!
//! It knows no section, key or provider by name: the settings type that is asked for says what may
//! stand there, through its default. So every key has a default, unknown keys are refused with a hint
//! and all problems are told at once. `app::Settings` puts the sections of the modules together.
//!
//! Left out: reading it again while running (`app::reload`).

use std::{
    collections::BTreeSet,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

/// Environment variables that begin so are keys: `RINGCARD__STORE__URL` is `url` in `[store]`.
pub const ENV_PREFIX: &str = "RINGCARD__";

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key as it is written in the file (`store.url`), or the variable's name.
    pub key: String,
    /// What is wrong with it and what to do.
    pub text: String,
}

/// Everything that is wrong; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => writeln!(f, "the configuration has a problem:")?,
            n => writeln!(f, "the configuration has {n} problems:")?,
        }
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "  {}: {}", problem.key, problem.text)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Text that must not be seen: Debug hides it, and it is known to the redaction of the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Says the secret, to the one who needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What was read.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The settings; a key with a problem has its default.
    pub settings: T,
    /// What is wrong so far. Whoever checks further adds to it, so that all is told at once.
    pub problems: Vec<Problem>,
    /// The file in effect, defaults included, with secrets as the references that were written.
    pub shown: Table,
    /// Every value that came through a secret key or reference, for the redaction of the log.
    pub secrets: Vec<Secret>,
}

/// Reads `file` (none: only defaults), lays `env` over it and resolves secrets.
///
/// An error is only what leaves nothing to look at: no file, or no TOML in it.
///
/// Keys whose default is a list of tables (`[[pbx]]`) are taken as they are, with secrets resolved;
/// whoever opens the entries checks them.
pub fn load<T>(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded<T>, Problems>
where
    T: Default + Serialize + DeserializeOwned,
{
    let text = match file {
        None => String::new(),
        Some(path) => fs::read_to_string(path).map_err(|error| unreadable(path, &error))?,
    };
    parse(&text, env)
}

/// [`load`] for text that is already here.
pub fn parse<T>(
    text: &str,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded<T>, Problems>
where
    T: Default + Serialize + DeserializeOwned,
{
    let template = Table::try_from(T::default()).expect("settings are tables of plain values");
    let given: Table = text.parse().map_err(|error: toml::de::Error| {
        Problems(vec![Problem {
            key: "file".to_owned(),
            text: error.to_string().trim_end().to_owned(),
        }])
    })?;
    let env: Vec<(String, String)> = env.into_iter().collect();
    let mut reader = Reader {
        template: &template,
        merged: template.clone(),
        shown: template.clone(),
        secrets: Vec::new(),
        problems: Vec::new(),
        fits: &|table| match T::deserialize(table) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.message().to_owned()),
        },
        env: &env,
    };
    reader.take_table(&given, &mut Vec::new());
    reader.take_env();
    let Reader {
        merged,
        shown,
        secrets,
        mut problems,
        ..
    } = reader;
    let settings = T::deserialize(merged).unwrap_or_else(|error| {
        // Each key fits alone, so this is a contradiction between keys.
        problems.push(Problem {
            key: "file".to_owned(),
            text: error.message().to_owned(),
        });
        T::default()
    });
    Ok(Loaded {
        settings,
        problems,
        shown,
        secrets,
    })
}

fn unreadable(path: &Path, error: &io::Error) -> Problems {
    Problems(vec![Problem {
        key: path.display().to_string(),
        text: format!("cannot be read: {error}"),
    }])
}

/// Walks what was given along the template.
struct Reader<'a> {
    template: &'a Table,
    merged: Table,
    shown: Table,
    secrets: Vec<Secret>,
    problems: Vec<Problem>,
    /// Whether the whole settings can be read from this table.
    fits: &'a dyn Fn(Table) -> Result<(), String>,
    env: &'a [(String, String)],
}

impl Reader<'_> {
    fn take_table(&mut self, given: &Table, path: &mut Vec<String>) {
        for (key, value) in given {
            path.push(key.clone());
            match (at(self.template, path), value) {
                (None, _) => {
                    let hint = self.hint(path);
                    self.problem(path, format!("unknown key{hint}"));
                }
                (Some(Value::Table(_)), Value::Table(inner)) => self.take_table(inner, path),
                (Some(Value::Table(_)), _) => {
                    self.problem(path, "must be a section, not a value".to_owned());
                }
                (Some(_), value) => self.take_value(value.clone(), path, Origin::File),
            }
            path.pop();
        }
    }

    fn take_value(&mut self, value: Value, path: &[String], origin: Origin) {
        let last = path.last().map_or("", String::as_str);
        let mut resolved = value.clone();
        self.resolve(&mut resolved, last, path, origin);
        // The key alone over the defaults: so one bad key hides no other.
        let mut alone = self.template.clone();
        put(&mut alone, path, resolved.clone());
        match (self.fits)(alone) {
            Ok(()) => {
                put(&mut self.merged, path, resolved);
                put(&mut self.shown, path, value);
            }
            Err(text) => self.problem(path, text),
        }
    }

    /// Replaces `env:` and `file:` references, in lists and tables too.
    fn resolve(&mut self, value: &mut Value, key: &str, path: &[String], origin: Origin) {
        match value {
            Value::String(text) => match self.referred(text) {
                None if is_secret(key) && origin == Origin::File && !text.is_empty() => {
                    let text =
                        "a secret does not belong into the file: write env:NAME or file:/path";
                    self.problem(path, text.to_owned());
                }
                None => {
                    if is_secret(key) {
                        self.secrets.push(Secret(text.clone()));
                    }
                }
                Some(Ok(found)) => {
                    self.secrets.push(Secret(found.clone()));
                    *text = found;
                }
                Some(Err(problem)) => self.problem(path, problem),
            },
            Value::Array(items) => {
                for (n, item) in items.iter_mut().enumerate() {
                    let below = below(path, &name_of(n, item));
                    self.resolve(item, key, &below, origin);
                }
            }
            Value::Table(table) => {
                for (key, item) in table.iter_mut() {
                    self.resolve(item, key, &below(path, key), origin);
                }
            }
            _ => {}
        }
    }

    /// What a reference stands for; `None` if the text is no reference.
    fn referred(&self, text: &str) -> Option<Result<String, String>> {
        if let Some(name) = text.strip_prefix("env:") {
            let found = self.env.iter().find(|(known, _)| known == name);
            return Some(
                found
                    .map(|(_, value)| value.clone())
                    .ok_or_else(|| format!("the environment has no variable {name}")),
            );
        }
        let path = PathBuf::from(text.strip_prefix("file:")?);
        Some(
            fs::read_to_string(&path)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| format!("{} cannot be read: {error}", path.display())),
        )
    }

    fn take_env(&mut self) {
        for (name, text) in self.env.iter().cloned() {
            let Some(key) = name.strip_prefix(ENV_PREFIX) else {
                continue;
            };
            let path: Vec<String> = key.to_lowercase().split("__").map(str::to_owned).collect();
            match at(self.template, &path) {
                None => {
                    let hint = self.hint(&path);
                    self.problems.push(Problem {
                        key: name,
                        text: format!("no such key{hint}"),
                    });
                }
                Some(Value::Table(_)) => self.problems.push(Problem {
                    key: name,
                    text: "names a section; name a key in it".to_owned(),
                }),
                Some(Value::String(_)) => {
                    self.take_value(Value::String(text), &path, Origin::Environment);
                }
                Some(_) => match format!("it = {text}").parse::<Table>() {
                    Ok(mut table) => {
                        let value = table.remove("it").expect("it was just put there");
                        self.take_value(value, &path, Origin::Environment);
                    }
                    Err(_) => self.problems.push(Problem {
                        key: name,
                        text: "must be written like a value in the file (number, true, [\"a\"])"
                            .to_owned(),
                    }),
                },
            }
        }
    }

    /// The nearest known key beside this one, or the same key in another section.
    fn hint(&self, path: &[String]) -> String {
        let (Some(wrong), parent) = (path.last(), &path[..path.len() - 1]) else {
            return String::new();
        };
        let here: Vec<&String> = match at(self.template, parent) {
            Some(Value::Table(table)) => table.keys().collect(),
            _ if parent.is_empty() => self.template.keys().collect(),
            _ => Vec::new(),
        };
        if let Some(near) = nearest(wrong, here.into_iter().map(String::as_str)) {
            return format!("; did you mean {near:?}?");
        }
        let elsewhere = self.template.iter().find(|(_, section)| {
            section
                .as_table()
                .is_some_and(|section| section.contains_key(wrong))
        });
        match elsewhere {
            Some((section, _)) => format!("; it stands in [{section}]"),
            None => String::new(),
        }
    }

    fn problem(&mut self, path: &[String], text: String) {
        self.problems.push(Problem {
            key: path.join("."),
            text,
        });
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    File,
    Environment,
}

fn below(path: &[String], key: &str) -> Vec<String> {
    let mut below = path.to_vec();
    below.push(key.to_owned());
    below
}

/// How an item of a list is called: by its own name, or by its place.
fn name_of(n: usize, item: &Value) -> String {
    let name = item.get("name").and_then(Value::as_str);
    name.map_or_else(|| (n + 1).to_string(), str::to_owned)
}

/// Whether a key of this name holds a secret wherever it stands.
pub fn is_secret(key: &str) -> bool {
    const WORDS: [&str; 6] = ["secret", "secrets", "password", "token", "salt", "api_key"];
    WORDS
        .iter()
        .any(|word| key == *word || key.ends_with(&format!("_{word}")))
}

fn at<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let mut value = table.get(first)?;
    for key in rest {
        value = value.as_table()?.get(key)?;
    }
    Some(value)
}

fn put(table: &mut Table, path: &[String], value: Value) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut here = table;
    for key in parents {
        let entry = here
            .entry(key.clone())
            .or_insert_with(|| Value::Table(Table::new()));
        let Value::Table(inner) = entry else {
            return; // the walk has seen a section here
        };
        here = inner;
    }
    here.insert(last.clone(), value);
}

/// The name most like `wrong`, if any is near enough to be meant.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(wrong.len()) / 4)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(ca != *cb))
                .min(above + 1)
                .min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

/// Every key of a table as `section.key`, for comparing a file with the defaults.
pub fn keys(table: &Table) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                found.extend(
                    keys(inner)
                        .into_iter()
                        .map(|below| format!("{key}.{below}")),
                );
            }
            _ => {
                found.insert(key.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        store: Store,
        hooks: Hooks,
        pbx: Vec<Table>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Store {
        url: String,
        read_connections: u32,
    }

    impl Default for Store {
        fn default() -> Self {
            Self {
                url: "sqlite:a.db".into(),
                read_connections: 4,
            }
        }
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Hooks {
        body_bytes: u64,
        proxies: Vec<String>,
        admin_token: String,
    }

    fn parse_sample(text: &str, env: &[(&str, &str)]) -> Result<Loaded<Sample>, Problems> {
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let loaded = parse(text, env)?;
        match loaded.problems.is_empty() {
            true => Ok(loaded),
            false => Err(Problems(loaded.problems)),
        }
    }

    #[test]
    fn nothing_given_is_the_default() {
        let loaded = parse_sample("", &[("PATH", "/bin")]).unwrap();
        assert_eq!(loaded.settings, Sample::default());
    }

    #[test]
    fn the_environment_beats_the_file() {
        let loaded = parse_sample(
            "[store]\nurl = \"sqlite:b.db\"\nread_connections = 2\n",
            &[
                ("RINGCARD__STORE__READ_CONNECTIONS", "8"),
                ("RINGCARD__HOOKS__PROXIES", "[\"10.0.0.1\"]"),
            ],
        )
        .unwrap();
        assert_eq!(loaded.settings.store.url, "sqlite:b.db");
        assert_eq!(loaded.settings.store.read_connections, 8);
        assert_eq!(loaded.settings.hooks.proxies, ["10.0.0.1"]);
    }

    #[test]
    fn all_problems_are_told_at_once_with_hints() {
        let problems = parse_sample(
            "[store]\nurI = \"x\"\nread_connections = \"four\"\nbody_bytes = 3\n[hook]\n",
            &[("RINGCARD__HOOKS__BODY_BITES", "1")],
        )
        .unwrap_err();
        let told: Vec<String> = problems
            .0
            .iter()
            .map(|problem| format!("{}: {}", problem.key, problem.text))
            .collect();
        assert!(told.contains(&"store.urI: unknown key; did you mean \"url\"?".to_owned()));
        assert!(
            told.iter()
                .any(|t| t.starts_with("store.read_connections: invalid type: string")),
            "{told:?}"
        );
        assert!(told.contains(&"store.body_bytes: unknown key; it stands in [hooks]".to_owned()));
        assert!(told.contains(&"hook: unknown key; did you mean \"hooks\"?".to_owned()));
        assert!(told.contains(
            &"RINGCARD__HOOKS__BODY_BITES: no such key; did you mean \"body_bytes\"?".to_owned()
        ));
        assert_eq!(told.len(), 5);
    }

    #[test]
    fn secrets_are_references_and_stay_hidden() {
        let text = "[[pbx]]\nname = \"a\"\nsecret = \"env:A_SECRET\"\n";
        let loaded = parse_sample(text, &[("A_SECRET", "hush-hush")]).unwrap();
        assert_eq!(loaded.settings.pbx[0]["secret"].as_str(), Some("hush-hush"));
        assert!(loaded.shown.to_string().contains("env:A_SECRET"));
        assert!(!format!("{:?}", loaded.secrets).contains("hush"));
        assert_eq!(loaded.secrets[0].expose(), "hush-hush");

        let literal = parse_sample("[[pbx]]\nsecret = \"hush\"\n", &[]).unwrap_err();
        assert!(literal.to_string().contains("env:NAME"), "{literal}");
        assert!(!literal.to_string().contains("hush"));
        let missing = parse_sample(text, &[]).unwrap_err();
        assert!(missing.to_string().contains("A_SECRET"), "{missing}");
        // A variable is no file: it may carry the value itself.
        let given = parse_sample("", &[("RINGCARD__HOOKS__ADMIN_TOKEN", "hush")]).unwrap();
        assert_eq!(given.settings.hooks.admin_token, "hush");
        assert_eq!(given.secrets.len(), 1);
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let path = std::env::temp_dir().join(format!("ringcard-{}", uuid::Uuid::now_v7()));
        fs::write(&path, "from-a-file\n").unwrap();
        let text = format!("[[pbx]]\npassword = \"file:{}\"\n", path.display());
        let loaded = parse_sample(&text, &[]).unwrap();
        assert_eq!(
            loaded.settings.pbx[0]["password"].as_str(),
            Some("from-a-file")
        );
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn broken_toml_is_told_with_its_place() {
        let problems = parse_sample("[store\nurl = 1", &[]).unwrap_err();
        assert!(problems.to_string().contains("line 1"), "{problems}");
    }
}
