//! What is shipped beside the binary speaks of things that exist.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

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

fn told(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {complaints}"
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_debian_package_is_whole() {
    let folder = std::env::temp_dir().join(format!("ringcard-deb-{}", uuid::Uuid::now_v7()));
    fs::create_dir_all(&folder).unwrap();
    // What is packed is not looked into, but for the libc it asks for.
    let program = folder.join("program");
    fs::write(&program, "#!/bin/sh\n# GLIBC_2.9 GLIBC_2.34 GLIBC_2.17\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let arguments = [&path(&program), "arm64", &path(&folder)];
    let package = told("deploy/debian/build.sh", &arguments);
    let package = package.trim();
    assert!(package.ends_with("_arm64.deb"), "{package}");
    let field = |name| told("dpkg-deb", &["-f", package, name]).trim().to_owned();
    assert_eq!(field("Version"), env!("CARGO_PKG_VERSION"));
    assert!(field("Depends").contains("libc6 (>= 2.34)"));
    let files = told("dpkg-deb", &["-c", package]);
    for wanted in [
        "-rwxr-xr-x root/root",
        "./usr/bin/ringcard",
        "./usr/sbin/ringcard-as",
        "./etc/ringcard/ringcard.toml",
        "./usr/lib/systemd/system/ringcard.service",
        "./usr/lib/systemd/system/ringcard.service.d/package.conf",
        "./usr/share/doc/ringcard/copyright",
        "./usr/share/doc/ringcard/docs/keeping.md",
        "./usr/share/doc/ringcard/asterisk/extensions_ringcard.conf",
    ] {
        assert!(files.contains(wanted), "{wanted}: {files}");
    }
    let control = folder.join("control");
    told("dpkg-deb", &["-e", package, &path(&control)]);
    let kept = fs::read_to_string(control.join("conffiles")).unwrap();
    assert_eq!(kept, "/etc/ringcard/ringcard.toml\n");
    for script in ["postinst", "prerm", "postrm"] {
        told("sh", &["-n", &path(&control.join(script))]);
    }
    fs::remove_dir_all(&folder).unwrap();
}
