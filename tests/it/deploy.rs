//! What is shipped beside the binary speaks of things that exist.

use std::{collections::BTreeSet, fs, path::Path};

use ringcard::telemetry::NAMES;

fn shipped(file: &str) -> String {
    fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("deploy")
            .join(file),
    )
    .unwrap()
}

/// Metric names in a text, without the endings a histogram adds.
fn metrics(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("ringcard_") {
        let name: String = text[at..]
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || *c == '_')
            .collect();
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .unwrap_or(&name);
        found.insert(name.to_owned());
    }
    found
}

#[test]
fn the_board_and_the_alerts_know_only_metrics_that_are_emitted() {
    let known: BTreeSet<String> = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
    for file in ["grafana/ringcard.json", "prometheus/ringcard-alerts.yaml"] {
        let unknown: Vec<String> = metrics(&shipped(file))
            .difference(&known)
            .cloned()
            .collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn the_board_is_whole_and_shows_every_metric() {
    let text = shipped("grafana/ringcard.json");
    let board: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = board["panels"].as_array().expect("panels");
    let ids: BTreeSet<i64> = panels
        .iter()
        .filter_map(|panel| panel["id"].as_i64())
        .collect();
    assert_eq!(ids.len(), panels.len(), "every panel has its own id");
    let shown = metrics(&text);
    for (name, _) in NAMES {
        assert!(shown.contains(*name), "{name} is on no panel");
    }
}

#[test]
fn the_compose_file_sets_only_keys_that_exist() {
    let variables: Vec<(String, String)> = shipped("compose.yaml")
        .lines()
        .chain(shipped("Dockerfile").lines())
        .filter_map(|line| {
            let at = line.find("RINGCARD__")?;
            let (name, value) = line[at..].split_once([':', '='])?;
            let value = value.trim().trim_end_matches(" \\");
            // `${NAME:-default}`: what stands without the variable.
            let value = value
                .strip_prefix("${")
                .and_then(|rest| rest.split_once(":-")?.1.strip_suffix('}'))
                .unwrap_or(value);
            Some((name.to_owned(), value.to_owned()))
        })
        .collect();
    assert!(variables.len() >= 4, "{variables:?}");
    let loaded =
        ringcard::config::parse::<ringcard::app::settings::Settings>("", variables).expect("keys");
    assert_eq!(loaded.problems, []);
    loaded.settings.open().expect("values that can be used");
}
