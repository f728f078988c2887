//! The shipped configuration file is the documentation of every key.

use ringcard::{app::settings::Settings, config};

const SHIPPED: &str = include_str!("../../config/ringcard.toml");

#[test]
fn the_shipped_file_changes_nothing() {
    let loaded = config::parse::<Settings>(SHIPPED, []).expect("it is TOML");
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.settings, Settings::default());
    loaded
        .settings
        .open()
        .expect("the defaults have no problem");
}

#[test]
fn every_key_stands_in_the_shipped_file_and_has_a_word_beside_it() {
    let shipped: toml::Table = SHIPPED.parse().expect("it is TOML");
    let mut known = config::keys(&toml::Table::try_from(Settings::default()).expect("a table"));
    // Accounts have no default.
    assert!(known.remove("pbx"));
    assert_eq!(config::keys(&shipped), known);
    for line in SHIPPED.lines().filter(|line| line.contains(" = ")) {
        assert!(line.contains('#'), "no comment: {line}");
    }
}

#[test]
fn spans_and_sizes_say_their_unit() {
    const UNITS: [&str; 10] = [
        "_ms",
        "_s",
        "_minutes",
        "_hours",
        "_days",
        "_bytes",
        "_kib",
        "_mib",
        "_second",
        "_messages",
    ];
    const COUNTS: [&str; 14] = [
        "read_connections",
        "max_connections",
        "cached_calls",
        "burst",
        "rings_before_next",
        "max_attempts",
        "workers",
        "max_redirects",
        "buffer_frames",
        "port",
        // Checked by their kind, not by their name:
        "batch_messages",
        "queue_messages",
        "per_second",
        "queue_kib",
    ];
    let shipped: toml::Table = SHIPPED.parse().expect("it is TOML");
    for (section, table) in &shipped {
        for (key, value) in table.as_table().expect("sections only") {
            let named =
                UNITS.iter().any(|unit| key.ends_with(unit)) || COUNTS.contains(&key.as_str());
            assert!(
                !value.is_integer() || named,
                "{section}.{key}: in what unit?"
            );
        }
    }
}

#[test]
fn problems_of_sections_and_accounts_are_told_together() {
    let text = "[store]\nread_connections = 0\n[[pbx]]\nname = \"Head Office\"\n\
                [[pbx]]\nname = \"a\"\ntype = \"mangoo\"\n[[pbx]]\ntype = \"mango\"\n";
    let loaded = config::parse::<Settings>(text, []).expect("it is TOML");
    let problems = loaded.settings.open().err().expect("five problems");
    let keys: Vec<&str> = problems
        .0
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "store.read_connections",
            "pbx.Head Office.name",
            "pbx.Head Office.type",
            "pbx.a.type",
            "pbx[3].name"
        ]
    );
    assert!(
        problems.to_string().contains("did you mean \"mango\"?"),
        "{problems}"
    );
}

/// Blocks of TOML in the README that hold this word.
fn blocks(word: &str) -> Vec<String> {
    const README: &str = include_str!("../../README.md");
    README
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|block| block.contains(word))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_accounts_in_the_readme_can_be_opened() {
    let accounts = blocks("[[pbx]]");
    // A secret in a file is a file that is not here.
    let text = accounts.concat().replace("file:/run/secrets/", "env:");
    let env: Vec<(String, String)> = text
        .match_indices("env:")
        .map(|(at, _)| text[at + 4..].chars().take_while(|c| *c != '"').collect())
        .map(|name: String| (name, "a-secret-of-22-letters-".to_owned()))
        .collect();
    assert!(accounts.len() >= 3 && env.len() >= 5);
    let loaded = config::parse::<Settings>(&text, env).expect("it is TOML");
    assert_eq!(loaded.problems, []);
    let opened = loaded.settings.open().expect("they can be opened");
    assert_eq!(opened.len(), accounts.len());
}

#[test]
fn the_office_in_the_readme_can_be_brought_in() {
    let office = blocks("[[person]]").concat();
    let folder = std::env::temp_dir().join(format!("ringcard-readme-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("office.toml");
    let boris = "[[person]]\nlogin = \"boris\"\nname = \"Boris\"\nrole = \"head\"\n";
    std::fs::write(&file, format!("{office}\n{boris}")).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ringcard"))
        .args(["import", "office", "office.toml"])
        .current_dir(&folder)
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(told.trim(), "{\"groups\":1,\"lines\":1,\"people\":2}");
}
