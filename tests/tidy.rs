//! What a reviewer would otherwise have to look for: which module may use which, leftovers, lengths,
//! orphan fixtures, unused dependencies and licences.
//!
//! Sources are read as text with comments and strings blanked out; that is enough for these
//! questions and needs no parser.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Who may use whom. Everyone may use `model` and `telemetry`. A new arrow is a design change: this
/// table, ARCHITECTURE.md and the commit message say so.
const IMPORTS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["*"]),
    ("app", &["*"]),
    ("config", &[]),
    (
        "web",
        &[
            "keeping",
            "flow",
            "policy",
            "live",
            "reports",
            "campaigns",
            "recordings",
            "store",
            "rules",
            "pbx",
            "crm",
            "http",
        ],
    ),
    (
        "flow",
        &[
            "tracker",
            "rules",
            "store",
            "live",
            "delivery",
            "pbx",
            "crm",
            "recordings",
        ],
    ),
    (
        "campaigns",
        &["store", "rules", "pbx", "crm", "recordings", "http"],
    ),
    (
        "delivery",
        &["store", "rules", "pbx", "crm", "recordings", "http"],
    ),
    ("reports", &["store", "rules"]),
    ("recordings", &["store", "pbx", "http"]),
    ("keeping", &["store", "recordings"]),
    ("pbx", &["sip", "http"]),
    ("crm", &["http"]),
    ("policy", &[]),
    ("tracker", &[]),
    ("rules", &[]),
    ("sip", &[]),
    // The writer applies facts and matches cards inside the transaction that holds the locks.
    ("store", &["tracker", "rules"]),
    ("live", &[]),
    ("http", &[]),
    ("model", &[]),
    ("telemetry", &[]),
    // The PBX simulator plays a PBX from outside: it may know the trade's words and nothing of ours.
    ("simulator", &[]),
    (
        "bench",
        &["app", "flow", "reports", "simulator", "store", "tracker"],
    ),
    ("lib", &[]),
    // Faults that tests switch on; in no program that people use.
    ("planted", &[]),
];

/// `#[macro_export]` puts a macro at the crate root; it still belongs to a module.
const MACROS: &[(&str, &str)] = &[("on_read", "store"), ("on_write", "store")];

/// Longest file, in lines without its unit tests, and longest function. What is longer stands in
/// [`CEILINGS`]: it may shrink but not grow.
const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;
const CEILINGS: &[(&str, usize)] = &[
    ("src/store/writer/apply.rs", 604),
    ("src/live/mod.rs", 662),
    ("src/store/journal.rs", 540),
];

/// Licences that a self-hosted MIT OR Apache-2.0 program may carry inside.
const LICENCES: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "BSL-1.0",
    "Unlicense",
    "CC0-1.0",
    "Unicode-3.0",
    "CDLA-Permissive-2.0",
    // Weak copyleft per file: symphonia, and parts of the HTML parser used in tests.
    "MPL-2.0",
];

#[test]
fn imports_point_one_way() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        let from = source.module();
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == from) else {
            wrong.push(format!(
                "module `{from}` ({}) is not in the table",
                source.path.display()
            ));
            continue;
        };
        for (line, to) in source.uses() {
            let free = to == from || ["model", "telemetry", "planted"].contains(&to.as_str());
            if !free && !allowed.contains(&"*") && !allowed.contains(&to.as_str()) {
                wrong.push(format!("{}:{line}: {from} -> {to}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "new arrows:\n{}", wrong.join("\n"));
}

#[test]
fn the_pure_part_has_no_clock_and_no_io() {
    const OUTSIDE: &[&str] = &[
        "tokio::",
        "std::net",
        "std::fs",
        "std::env",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "async fn",
        "rand::",
    ];
    let mut wrong = Vec::new();
    for source in sources("src") {
        if !["model", "tracker", "rules"].contains(&source.module().as_str()) {
            continue;
        }
        for (line, text) in source.code_lines() {
            for word in OUTSIDE {
                if text.contains(word) {
                    wrong.push(format!("{}:{line}: {word}", source.path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not pure:\n{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_over() {
    // Cut in two, so that this file does not find itself.
    let words = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("d", "bg!("),
    ];
    let notes = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("HA", "CK"),
    ];
    let mut wrong = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        let path = source.path.display();
        for (line, text) in source.stripped.lines().enumerate() {
            let line = line + 1;
            for word in words {
                if text.contains(word) {
                    wrong.push(format!("{path}:{line}: {word}"));
                }
            }
            if text.contains("#[ignore") {
                wrong.push(format!("{path}:{line}: an ignored test"));
            }
            let allows = text.contains("#[allow(") || text.contains("#![allow(");
            if allows && !source.attribute_at(line).contains("reason") {
                wrong.push(format!("{path}:{line}: allow without a reason"));
            }
        }
        for (line, text) in source.text.lines().enumerate() {
            for note in notes {
                if has_word(text, note) {
                    wrong.push(format!("{path}:{}: {note}", line + 1));
                }
            }
        }
        if source.path.starts_with("src") {
            for (line, text) in source.code_lines() {
                if text.contains(".unwrap()") {
                    wrong.push(format!("{path}:{line}: unwrap outside tests"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "left over:\n{}", wrong.join("\n"));
}

#[test]
fn long_things_do_not_grow() {
    let mut files = Vec::new();
    let mut functions = Vec::new();
    for source in sources("src") {
        let path = source.path.display().to_string();
        files.push((source.code_lines().count(), path.clone()));
        for (name, lines) in source.functions() {
            functions.push((lines, format!("{path}::{name}")));
        }
    }
    let mut wrong = Vec::new();
    for (list, limit, what) in [
        (&mut files, FILE_LINES, "files"),
        (&mut functions, FUNCTION_LINES, "functions"),
    ] {
        list.sort_by(|a, b| b.cmp(a));
        println!("longest {what}:");
        for (lines, name) in list.iter().take(5) {
            println!("  {lines:4} {name}");
        }
        for (lines, name) in list.iter() {
            let ceiling = CEILINGS
                .iter()
                .find(|(known, _)| known == name)
                .map_or(limit, |(_, ceiling)| *ceiling);
            if *lines > ceiling {
                wrong.push(format!("{name}: {lines} lines, at most {ceiling}"));
            }
        }
    }
    let known: BTreeSet<&str> = files
        .iter()
        .chain(&functions)
        .map(|(_, name)| name.as_str())
        .collect();
    for (name, _) in CEILINGS {
        if !known.contains(name) {
            wrong.push(format!("{name} is gone: take it off the list"));
        }
    }
    assert!(wrong.is_empty(), "too long:\n{}", wrong.join("\n"));
}

#[test]
fn every_fixture_is_used() {
    let code: String = sources("src")
        .into_iter()
        .chain(sources("tests"))
        .map(|source| source.text)
        .collect();
    let root = Path::new("tests/fixtures");
    let mut orphans = Vec::new();
    for file in files_below(root, &|_| true) {
        let below = file.strip_prefix(root).expect("listed below the root");
        // A test names the file, or one of the folders it walks.
        let named = below
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .skip(1) // `pbx`, `crm`, `sip` alone would excuse everything
            .any(|part| code.contains(&part));
        if !named {
            orphans.push(file.display().to_string());
        }
    }
    assert!(orphans.is_empty(), "no test reads:\n{}", orphans.join("\n"));
}

#[test]
fn every_dependency_is_used() {
    let manifest: toml::Table = fs::read_to_string("Cargo.toml")
        .expect("tests run in the package root")
        .parse()
        .expect("cargo has read it too");
    let mut unused = Vec::new();
    for (table, folders) in [
        ("dependencies", &["src"][..]),
        ("dev-dependencies", &["src", "tests"][..]),
    ] {
        let code: String = folders
            .iter()
            .flat_map(|folder| sources(folder))
            .map(|source| source.stripped)
            .collect();
        let Some(names) = manifest.get(table).and_then(toml::Value::as_table) else {
            continue;
        };
        for name in names.keys() {
            let ident = match name.as_str() {
                "md-5" => "md5".to_owned(),
                other => other.replace('-', "_"),
            };
            let used = [format!("{ident}::"), format!("use {ident};")];
            if !used.iter().any(|used| has_word(&code, used)) {
                unused.push(format!("{table}: {name}"));
            }
        }
    }
    assert!(unused.is_empty(), "unused:\n{}", unused.join("\n"));
}

#[test]
fn licences_fit() {
    // Only what is built here has been downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", &platform])
        .output()
        .expect("cargo runs this test");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let wrong: Vec<String> = packages
        .iter()
        .filter(|package| !licence_fits(package["license"].as_str().unwrap_or("")))
        .map(|package| {
            format!(
                "{} {}: {}",
                package["name"], package["version"], package["license"]
            )
        })
        .collect();
    assert!(packages.len() > 100, "the whole tree is looked at");
    assert!(wrong.is_empty(), "licences:\n{}", wrong.join("\n"));
}

#[test]
fn nothing_private_is_written_down() {
    // Machine paths and mail addresses do not belong into a public repository.
    let words = ["/ro\u{6f}t/", "/w\u{6f}rk/", "/h\u{6f}me/"];
    let mut wrong = Vec::new();
    for file in files_below(Path::new("."), &|path| {
        !path.starts_with("./target") && !path.starts_with("./.git") && !in_packages(path)
    }) {
        let Ok(text) = fs::read_to_string(&file) else {
            continue; // audio and other binary files
        };
        for (line, text) in text.lines().enumerate() {
            if words.iter().any(|word| text.contains(word)) {
                wrong.push(format!("{}:{}", file.display(), line + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "machine paths:\n{}", wrong.join("\n"));
}

fn in_packages(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str() == "node_modules")
}

/// Reads the small part of SPDX expressions that occurs: `A OR B`, `A AND B`, brackets, `A/B`.
fn licence_fits(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    split_top(&expression, " OR ").iter().any(|choice| {
        split_top(choice, " AND ").iter().all(|part| {
            let part = part.trim();
            match part.strip_prefix('(').and_then(|p| p.strip_suffix(')')) {
                Some(inner) => licence_fits(inner),
                None => LICENCES.contains(&part),
            }
        })
    })
}

/// Splits at `separator` outside brackets.
fn split_top<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0i32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && at >= start && text[at..].starts_with(separator) => {
                parts.push(&text[start..at]);
                start = at + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// One Rust file.
struct Source {
    path: PathBuf,
    text: String,
    /// The same text with comments, strings and characters blanked out.
    stripped: String,
}

impl Source {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("listed a moment ago");
        let stripped = strip(&text);
        Self {
            path,
            text,
            stripped,
        }
    }

    /// The top module the file belongs to: `src/pbx/mango.rs` is `pbx`.
    fn module(&self) -> String {
        let mut parts = self.path.components().skip(1);
        let first = parts.next().expect("a file below src");
        Path::new(first.as_os_str())
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned()
    }

    /// Whether this module, or one that it lies in, is declared for tests only.
    fn is_test(&self) -> bool {
        let mut module = self.path.clone();
        if module.ends_with("mod.rs") {
            module.pop();
        }
        loop {
            if declared_for_tests(&module) {
                return true;
            }
            if !module.pop() || module.as_os_str() == "src" {
                return false;
            }
        }
    }

    /// Lines outside `#[cfg(test)]` modules, counted from 1.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = if self.is_test() {
            0
        } else {
            self.stripped
                .match_indices("#[cfg(test)]\nmod ")
                .find_map(|(at, start)| {
                    // `mod tests;` names another file; `mod tests {` goes on to the end of this one.
                    let name = head(&self.stripped[at + start.len()..]);
                    let after = at + start.len() + name.len();
                    (!self.stripped[after..].starts_with(';')).then_some(at)
                })
                .unwrap_or(self.stripped.len())
        };
        self.stripped[..end]
            .lines()
            .enumerate()
            .map(|(line, text)| (line + 1, text))
    }

    /// Names after `crate::` and, in a top file, after `super::`.
    fn uses(&self) -> Vec<(usize, String)> {
        let depth = self.path.components().count() - 2
            + usize::from(
                !self.path.ends_with("mod.rs")
                    && !self.path.ends_with("lib.rs")
                    && !self.path.ends_with("main.rs"),
            );
        let up = "super::".repeat(depth.max(1));
        let code: String = self
            .code_lines()
            .map(|(_, text)| format!("{text}\n"))
            .collect();
        let mut found = Vec::new();
        for root in ["crate::", "ringcard::", up.as_str()] {
            for (at, _) in code.match_indices(root) {
                let before = code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let line = code[..at].matches('\n').count() + 1;
                for name in heads(&code[at + root.len()..]) {
                    let name = MACROS
                        .iter()
                        .find(|(macro_name, _)| *macro_name == name)
                        .map_or(name, |(_, module)| (*module).to_owned());
                    if name != "super" {
                        found.push((line, name));
                    }
                }
            }
        }
        found
    }

    /// The attribute that begins on this line, up to its closing bracket, as written.
    fn attribute_at(&self, line: usize) -> String {
        let from: Vec<&str> = self.text.lines().skip(line - 1).collect();
        let mut attribute = String::new();
        for text in from {
            attribute.push_str(text);
            if text.contains(")]") {
                break;
            }
        }
        attribute
    }

    /// Functions with their lengths in lines, from `fn` to the closing brace.
    fn functions(&self) -> Vec<(String, usize)> {
        let code: String = self
            .code_lines()
            .map(|(_, text)| format!("{text}\n"))
            .collect();
        let mut found = Vec::new();
        for (at, _) in code.match_indices("fn ") {
            let starts_word = !code[..at]
                .chars()
                .next_back()
                .is_some_and(|c| c.is_alphanumeric() || c == '_');
            let name = head(&code[at + 3..]);
            if !starts_word || name.is_empty() {
                continue;
            }
            if let Some(body) = body_of(&code[at..]) {
                found.push((name, body.matches('\n').count() + 1));
            }
        }
        found
    }
}

/// Whether the file or folder of this module is declared under `#[cfg(test)]`.
fn declared_for_tests(module: &Path) -> bool {
    let (Some(folder), Some(name)) = (module.parent(), module.file_stem()) else {
        return false;
    };
    let name = name.to_string_lossy();
    let declarations = ["", "pub(super) ", "pub(crate) ", "pub "]
        .map(|sight| format!("#[cfg(test)]\n{sight}mod {name};"));
    [
        folder.join("mod.rs"),
        folder.with_extension("rs"),
        folder.join("lib.rs"),
    ]
    .iter()
    .filter_map(|parent| fs::read_to_string(parent).ok())
    .any(|parent| declarations.iter().any(|line| parent.contains(line)))
}

/// From `fn` to the closing brace of its body; `None` for a declaration without one.
fn body_of(code: &str) -> Option<&str> {
    let mut depth = 0usize;
    let mut round = 0usize;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => round += 1,
            ')' | ']' => round = round.saturating_sub(1),
            ';' if depth == 0 && round == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(&code[..=at]);
                }
            }
            _ => {}
        }
    }
    None
}

/// The first name, or the first name of every branch of `{a::b, c}`.
fn heads(code: &str) -> Vec<String> {
    let Some(list) = code.strip_prefix('{') else {
        return vec![head(code)];
    };
    let (mut names, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(head(list[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn head(code: &str) -> String {
    code.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// Whether `word` stands in the text with nothing of a name before it.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        let ends_name = word.ends_with(|c: char| c.is_alphanumeric());
        let of_name = |c: char| c.is_alphanumeric() || c == '_';
        let goes_on = before.is_some_and(of_name) || (ends_name && after.is_some_and(of_name));
        !goes_on
    })
}

/// Blanks out comments, strings and characters; lines keep their numbers.
fn strip(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'/')) => text[at..].find('\n').map_or(bytes.len(), |end| at + end),
            (b'/', Some(b'*')) => text[at..]
                .find("*/")
                .map_or(bytes.len(), |end| at + end + 2),
            (b'"', _) => end_of_string(bytes, at),
            (b'r', Some(b'"' | b'#')) if !follows_name(bytes, at) => end_of_raw(text, at),
            (b'\'', _) => end_of_char(bytes, at),
            _ => at,
        };
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            let blank = |b: &u8| if *b == b'\n' { b'\n' } else { b' ' };
            out.extend(bytes[at..end].iter().map(blank));
            at = end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn follows_name(bytes: &[u8], at: usize) -> bool {
    at > 0
        && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
        && bytes[at - 1] != b'b'
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`; a raw identifier (`r#type`) ends where it starts.
fn end_of_raw(text: &str, start: usize) -> usize {
    let hashes = text[start + 1..].bytes().take_while(|b| *b == b'#').count();
    if text.as_bytes().get(start + 1 + hashes) != Some(&b'"') {
        return start;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let body = start + 2 + hashes;
    text[body..]
        .find(&close)
        .map_or(text.len(), |end| body + end + close.len())
}

/// A character literal; a lifetime ends where it starts.
fn end_of_char(bytes: &[u8], start: usize) -> usize {
    if bytes.get(start + 1) == Some(&b'\\') {
        let close = bytes[start + 3..].iter().position(|b| *b == b'\'');
        return close.map_or(bytes.len(), |end| start + 3 + end + 1);
    }
    // One character of up to four bytes, then the quote.
    (start + 2..=start + 5)
        .find(|at| bytes.get(*at) == Some(&b'\''))
        .filter(|end| {
            std::str::from_utf8(&bytes[start + 1..*end]).is_ok_and(|c| c.chars().count() == 1)
        })
        .map_or(start, |end| end + 1)
}

fn sources(folder: &str) -> Vec<Source> {
    files_below(Path::new(folder), &|path| {
        path.extension().is_none_or(|extension| extension == "rs") && !in_packages(path)
    })
    .into_iter()
    .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
    .map(Source::read)
    .collect()
}

fn files_below(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue; // not there (yet): nothing to look at
        };
        for entry in entries {
            let path = entry.expect("the folder can be read").path();
            if !wanted(&path) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path, ());
            }
        }
    }
    found.into_keys().collect()
}

#[test]
fn the_reader_of_sources_can_read() {
    let source = Source {
        path: PathBuf::from("src/store/x.rs"),
        text: String::new(),
        stripped: strip(
            "use crate::{model::ids, web::{a, b}, flow};\n// crate::app\nlet s = \"crate::cli\"; let c = '\"';\nfn f<'a>(x: &'a str) -> [u8; 2] {\n    super::super::live::x()\n}\n",
        ),
    };
    let uses: Vec<String> = source.uses().into_iter().map(|(_, name)| name).collect();
    assert_eq!(uses, ["model", "web", "flow", "live"]);
    assert_eq!(source.functions(), [("f".to_owned(), 3)]);
    assert!(licence_fits("MIT OR (Apache-2.0 AND BSD-3-Clause)"));
    assert!(!licence_fits("GPL-3.0-only"));
    assert!(!licence_fits(""));
}
