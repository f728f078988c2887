//! The table in README says what the registry says; what the registry says is held by `promises`.

use std::fs;

use ringcard::{cli::providers, pbx::PROVIDERS};

const README: &str = "README.md";
const BEGIN: &str = "<!-- providers -->\n";
const END: &str = "<!-- /providers -->\n";

/// `RINGCARD_BLESS=1` writes it anew.
#[test]
fn the_table_in_readme_is_that_of_the_registry() {
    let readme = fs::read_to_string(README).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("README has the table");
    let (kept, after) = rest.split_once(END).expect("the table has an end");
    let table = format!("\n{}\n", providers::table());
    if std::env::var_os("RINGCARD_BLESS").is_some() {
        fs::write(README, [before, BEGIN, &table, END, after].concat()).unwrap();
    } else {
        assert_eq!(kept, table, "RINGCARD_BLESS=1 writes it anew");
    }
}

#[test]
fn nothing_is_done_that_is_not_offered() {
    for provider in PROVIDERS {
        for ability in provider.not_offered {
            let both = provider.abilities.contains(ability);
            assert!(!both, "{}: {ability:?} is in both lists", provider.name);
        }
    }
}
