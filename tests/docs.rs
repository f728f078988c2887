//! Holds what documentation says to the program: links lead somewhere, pages, commands, options, keys
//! and metrics are there, and the words the handbooks print bold are the words on the screen.
//!
//! In `docs/handbook/` bold is kept for words of the interface; an arrow between two of them is a way
//! through it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ringcard::{
    telemetry,
    web::{api, routes},
};

/// Folders of a machine: code that begins with one of these names a file and no page.
const ROOTS: &[&str] = &[
    "etc", "mnt", "var", "run", "usr", "tmp", "opt", "dev", "path", "your",
];
/// Endings of files, so that `sample.conf` is no key.
const FILES: &[&str] = &[
    "toml", "md", "rs", "conf", "csv", "json", "yaml", "log", "key", "sha256", "db", "sh", "py",
    "txt", "service", "wav", "pem", "deb",
];

/// A text of the repository.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Lines outside fenced blocks, as one text.
    fn prose(&self) -> String {
        self.split(false).join("\n")
    }

    /// Lines inside fenced blocks.
    fn examples(&self) -> Vec<&str> {
        self.split(true)
    }

    fn split(&self, wanted: bool) -> Vec<&str> {
        let mut is_inside = false;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_inside = !is_inside;
            } else if is_inside == wanted {
                lines.push(line);
            }
        }
        lines
    }

    /// Code within prose.
    fn code(&self) -> Vec<String> {
        let prose = self.prose();
        let parts: Vec<&str> = prose.split('`').collect();
        let spans = parts.iter().skip(1).step_by(2);
        spans.map(|span| one_line(span)).collect()
    }

    /// Blocks of TOML.
    fn tables(&self) -> Vec<String> {
        let blocks = self.text.split("```toml\n").skip(1);
        let ends = blocks.filter_map(|rest| rest.split("```").next());
        ends.map(ToOwned::to_owned).collect()
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text that people read.
fn pages() -> Vec<Page> {
    let mut paths = vec!["README.md", "ARCHITECTURE.md", "CHANGELOG.md"]
        .into_iter()
        .map(PathBuf::from)
        .collect::<Vec<_>>();
    for folder in ["docs", "deploy", "recordings"] {
        found(Path::new(folder), &mut paths);
    }
    let read = |path: PathBuf| Page {
        text: fs::read_to_string(root().join(&path)).unwrap(),
        path,
    };
    paths.into_iter().map(read).collect()
}

fn found(folder: &Path, paths: &mut Vec<PathBuf>) {
    let mut here: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| folder.join(entry.unwrap().file_name()))
        .collect();
    here.sort();
    for path in here {
        if root().join(&path).is_dir() {
            found(&path, paths);
        } else if path.extension().is_some_and(|end| end == "md") {
            paths.push(path);
        }
    }
}

fn handbook(language: &str) -> Vec<Page> {
    let end = format!(".{language}.md");
    let is_one =
        |page: &Page| page.path.starts_with("docs/handbook") && page.name().ends_with(&end);
    let found: Vec<Page> = pages().into_iter().filter(is_one).collect();
    assert!(found.len() >= 4, "four readers have a handbook each");
    found
}

/// Tells all faults at once.
fn none(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Targets of links, without those to other sites.
fn links(page: &Page) -> Vec<String> {
    let prose = page.prose();
    let after = prose.split("](").skip(1);
    let targets = after.filter_map(|rest| rest.split(')').next());
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(ToOwned::to_owned)
        .collect()
}

/// What a heading is called in an address.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    for page in pages() {
        for link in links(&page) {
            let (file, part) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.path.clone(),
                file => page.path.parent().unwrap().join(file),
            };
            let target = root().join(target);
            if !target.exists() {
                faults.push(format!("{}: {link} is not there", page.name()));
            } else if !part.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                if !headings.any(|line| anchor(line.trim_start_matches('#')) == part) {
                    faults.push(format!("{}: {link} has no such heading", page.name()));
                }
            }
        }
    }
    none(&faults);
}

#[test]
fn every_document_is_found_from_the_first_page() {
    let index = pages()
        .into_iter()
        .find(|page| page.path == Path::new("docs/README.md"));
    let index = index.unwrap();
    let linked: BTreeSet<PathBuf> = links(&index)
        .iter()
        .map(|link| link.split('#').next().unwrap_or(link))
        .map(|file| root().join("docs").join(file).canonicalize().unwrap())
        .collect();
    let mut faults = Vec::new();
    for page in pages() {
        let is_document = page.path.starts_with("docs") && page.path != index.path;
        if is_document && !linked.contains(&root().join(&page.path).canonicalize().unwrap()) {
            faults.push(format!("docs/README.md does not name {}", page.name()));
        }
    }
    none(&faults);
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains("](docs/README.md)"));
}

/// Whether an address of a document fits a path of the router.
fn fits(address: &str, path: &str) -> bool {
    let address: Vec<&str> = address.trim_end_matches('/').split('/').collect();
    let path: Vec<&str> = path.split('/').collect();
    address.len() == path.len()
        && address
            .iter()
            .zip(&path)
            .all(|(said, known)| known.starts_with('{') || said == known)
}

#[test]
fn every_page_named_is_in_the_table_of_routes() {
    let mut known: Vec<String> = routes::all().map(|route| route.path.to_owned()).collect();
    let of_api = api::endpoints().into_iter();
    known.extend(of_api.map(|endpoint| endpoint.path.to_owned()));
    // Operations, the root of the API, and what PBXes post to: an account, and a token or words of its own.
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/v1",
        "/api/v1/docs",
        "/api/v1/openapi.json",
        "/hooks/{account}",
        "/hooks/{account}/{rest}",
    ] {
        known.push(path.to_owned());
    }
    let mut faults = Vec::new();
    for page in pages() {
        for code in page.code() {
            let address = code.split(['?', ' ']).next().unwrap_or_default();
            let first = address.split('/').nth(1).unwrap_or_default();
            let is_page = address.starts_with('/') && address.len() > 1;
            if !is_page || ROOTS.contains(&first) || address.starts_with("/events") {
                continue;
            }
            if !known.iter().any(|path| fits(address, path)) {
                faults.push(format!("{}: {address} is no page", page.name()));
            }
        }
    }
    none(&faults);
}

/// What the program says of its commands, asked once each.
#[derive(Default)]
struct Manual(BTreeMap<Vec<String>, String>);

impl Manual {
    fn of(&mut self, command: &[String]) -> &str {
        self.0.entry(command.to_vec()).or_insert_with(|| {
            let output = Command::new(env!("CARGO_BIN_EXE_ringcard"))
                .args(command)
                .arg("--help")
                .output()
                .unwrap();
            assert!(output.status.success(), "{command:?} --help");
            String::from_utf8(output.stdout).unwrap()
        })
    }

    /// Names of what may follow, if this command only is a group of others.
    fn below(&mut self, command: &[String]) -> Vec<String> {
        let help = self.of(command);
        let Some((_, list)) = help.split_once("Commands:\n") else {
            return Vec::new();
        };
        let lines = list.lines().take_while(|line| line.starts_with("  "));
        let names = lines.filter(|line| !line.starts_with("   "));
        names
            .filter_map(|line| line.split_whitespace().next())
            .map(ToOwned::to_owned)
            .collect()
    }

    /// What is wrong with a command line of a document, without `ringcard` itself.
    fn fault(&mut self, words: &[&str]) -> Option<String> {
        let mut command: Vec<String> = Vec::new();
        let mut is_value = false;
        for word in words {
            if let Some(flag) = word.strip_prefix("--") {
                let flag = format!("--{}", flag.split('=').next().unwrap_or_default());
                let help = self.of(&command);
                let mut known = help.split([' ', ',', '\n', '=']);
                if !known.any(|one| one == flag) {
                    return Some(format!("{command:?} has no {flag}"));
                }
                is_value = true;
                continue;
            }
            let below = self.below(&command);
            if below.iter().any(|name| name == word) {
                command.push((*word).to_owned());
            } else if !below.is_empty() && !is_value {
                return Some(format!("{command:?} has no {word}"));
            }
            is_value = false;
        }
        None
    }
}

/// Command lines in a text: what follows `ringcard` where it is called.
fn called(line: &str) -> Option<Vec<&str>> {
    let at = line.find("ringcard ")?;
    let before = line[..at].chars().last();
    if !matches!(before, None | Some(' ' | '(' | '`')) {
        return None;
    }
    let rest = line[at + "ringcard ".len()..].trim_start();
    // `compose exec ringcard ringcard ...` names a container first.
    let rest = rest.strip_prefix("ringcard ").unwrap_or(rest);
    let rest = rest
        .split(['#', '|', ')', '>', '"'])
        .next()
        .unwrap_or_default();
    Some(rest.split_whitespace().collect())
}

#[test]
fn every_command_named_is_there() {
    let mut manual = Manual::default();
    let mut faults = Vec::new();
    let mut seen = 0;
    for page in pages() {
        let code = page.code();
        let spans = code.iter().map(String::as_str);
        let spans = spans.filter(|code| code.starts_with("ringcard "));
        for line in spans.chain(page.examples()) {
            let Some(words) = called(line) else { continue };
            seen += 1;
            if let Some(fault) = manual.fault(&words) {
                faults.push(format!("{}: {line}: {fault}", page.name()));
            }
        }
    }
    none(&faults);
    assert!(seen > 40, "{seen} commands were found");
}

/// The shipped configuration, which a test of its own holds to the program.
fn configuration() -> toml::Table {
    let text = fs::read_to_string(root().join("config/ringcard.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

/// A key that a piece of code names: `section.key` or `[section] key`.
fn key_of<'a>(code: &'a str, known: &toml::Table) -> Option<(&'a str, &'a str)> {
    if let Some((section, key)) = code
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        return Some((section, key));
    }
    let code = code.split(" = ").next()?;
    let (section, key) = code.split_once('.')?;
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let is_file = FILES.contains(&key);
    let looks_so = known.contains_key(section) || key.contains('_');
    (is_word(section) && is_word(key) && !is_file && looks_so).then_some((section, key))
}

#[test]
fn every_key_named_is_in_the_configuration() {
    let known = configuration();
    let has = |section: &str, key: &str| {
        let table = known.get(section).and_then(toml::Value::as_table);
        table.is_some_and(|table| table.contains_key(key))
    };
    let mut faults = Vec::new();
    let mut seen = 0;
    for page in pages() {
        for code in page.code() {
            let Some((section, key)) = key_of(&code, &known) else {
                continue;
            };
            seen += 1;
            if !has(section, key) {
                faults.push(format!("{}: {section}.{key} is no key", page.name()));
            }
        }
        for block in page.tables() {
            let table: toml::Table = match toml::from_str(&block) {
                Ok(table) => table,
                Err(error) => {
                    faults.push(format!("{}: {error}", page.name()));
                    continue;
                }
            };
            for (section, keys) in &table {
                let keys = keys.as_table().into_iter().flat_map(toml::Table::keys);
                let unknown = keys.filter(|key| !has(section, key));
                faults.extend(unknown.map(|key| format!("{}: [{section}] {key}", page.name())));
            }
        }
    }
    none(&faults);
    assert!(seen > 30, "{seen} keys were found");
}

#[test]
fn every_metric_named_is_emitted() {
    let mut faults = Vec::new();
    for page in pages() {
        for code in page.code() {
            let name = code.split('{').next().unwrap_or_default();
            let is_metric = name.starts_with("ringcard_") && !name.contains([' ', '.', '/', ':']);
            if is_metric && !telemetry::NAMES.iter().any(|(known, _)| *known == name) {
                faults.push(format!("{}: {name} is no metric", page.name()));
            }
        }
    }
    none(&faults);
}

/// Every text of a language, plural forms apart.
fn words_of(language: &str) -> BTreeSet<String> {
    let folder = root().join("src/web/locales").join(language);
    let mut words = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for line in text.lines() {
            let value = match line.trim().split_once("] ") {
                Some((_, form)) if line.starts_with(' ') => Some(form),
                _ => line.split_once(" = ").map(|(_, value)| value),
            };
            words.extend(value.map(|value| value.trim().to_owned()));
        }
    }
    words
}

#[test]
fn bold_words_of_a_handbook_stand_on_the_screen() {
    let mut faults = Vec::new();
    for language in ["en", "ru"] {
        let words = words_of(language);
        for page in handbook(language) {
            let prose = page.prose();
            let parts: Vec<&str> = prose.split("**").collect();
            assert!(parts.len() > 20 && parts.len() % 2 == 1, "{}", page.name());
            for bold in parts.iter().skip(1).step_by(2) {
                let bold = one_line(bold);
                let unknown = bold.split(" → ").filter(|label| !words.contains(*label));
                faults.extend(unknown.map(|label| format!("{}: {label}", page.name())));
            }
        }
    }
    none(&faults);
}

/// Code that reads the same in every language.
fn same_everywhere(page: &Page) -> BTreeSet<String> {
    let is_plain = |code: &String| code.is_ascii() && !code.ends_with(".md");
    page.code().into_iter().filter(is_plain).collect()
}

#[test]
fn both_languages_say_the_same() {
    let mut faults = Vec::new();
    for (english, russian) in handbook("en").iter().zip(&handbook("ru")) {
        assert_eq!(english.name().replace(".en.", ".ru."), russian.name());
        let (said, told) = (same_everywhere(english), same_everywhere(russian));
        let differs = said.symmetric_difference(&told);
        faults.extend(differs.map(|code| format!("{}: only one has {code}", english.name())));
        let shape = |page: &Page| -> Vec<usize> {
            let prose = page.prose();
            let headings = prose.lines().filter(|line| line.starts_with('#'));
            headings
                .map(|line| line.chars().take_while(|c| *c == '#').count())
                .collect()
        };
        if shape(english) != shape(russian) {
            faults.push(format!(
                "{}: other headings than in Russian",
                english.name()
            ));
        }
    }
    none(&faults);
}

#[test]
fn a_manager_has_one_page_to_read() {
    for language in ["en", "ru"] {
        let pages = handbook(language);
        let page = pages.iter().find(|page| page.name().contains("managers"));
        let words = page.unwrap().text.split_whitespace().count();
        assert!(words <= 560, "{language}: {words} words");
    }
}
