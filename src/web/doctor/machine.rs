//! The machine: certificate of `public_url`, room on disks, who may read what.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{Account, Finding, Patient, Value, Verdict, certificate as der};
use crate::{http, model::time::Timestamp, pbx::Intake, web::ops::free_mib};

/// Renew a certificate in this time.
const SOON_DAYS: i64 = 21;
/// Somebody must renew it now.
const LAST_DAYS: i64 = 3;

pub(super) async fn certificate(patient: &Patient, now: Timestamp) -> Finding {
    let url = patient.public_url.as_str();
    let finding = |verdict, value| Finding::new("certificate", url, verdict, value);
    if !url.starts_with("https://") {
        // Only people at this machine may do without.
        let here = ["http://127.", "http://localhost", "http://[::1]"];
        let is_here = here.iter().any(|start| url.starts_with(start));
        let verdict = if is_here {
            Verdict::Good
        } else {
            Verdict::Wrong
        };
        return finding(verdict, Value::Words("http".to_owned()));
    }
    let shown = match patient.machine.http.certificate(url).await {
        Ok(shown) => shown,
        Err(error @ (http::Error::Unreachable | http::Error::Timeout)) => {
            // Not every machine reaches its own public address; a browser may all the same.
            return finding(Verdict::Remark, Value::Words(error.to_string()));
        }
        Err(error) => return finding(Verdict::Wrong, Value::Words(error.to_string())),
    };
    let Some(until) = shown.as_deref().and_then(der::not_after) else {
        return finding(Verdict::Remark, Value::None);
    };
    let days = (until - now.as_seconds()).div_euclid(86_400);
    let verdict = match days {
        _ if days < LAST_DAYS => Verdict::Wrong,
        _ if days < SOON_DAYS => Verdict::Remark,
        _ => Verdict::Good,
    };
    finding(verdict, Value::Days(days))
}

pub(super) async fn disks(patient: &Patient) -> Vec<Finding> {
    let (folders, least) = (
        patient.machine.folders.clone(),
        patient.machine.min_free_mib,
    );
    let look = move |folder: PathBuf| {
        let subject = folder.display().to_string();
        match free_mib(&folder) {
            Err(error) => Finding::new(
                "disk",
                &subject,
                Verdict::Wrong,
                Value::Words(error.to_string()),
            ),
            Ok(free) => {
                let verdict = match free {
                    _ if free < least => Verdict::Wrong,
                    _ if free < least.saturating_mul(4) => Verdict::Remark,
                    _ => Verdict::Good,
                };
                Finding::new("disk", &subject, verdict, Value::FreeMib(free))
            }
        }
    };
    // A hanging network disk must not hold up a worker thread.
    let looked = move || folders.into_iter().map(look).collect();
    tokio::task::spawn_blocking(looked)
        .await
        .unwrap_or_default()
}

/// What others may not do to a file.
#[derive(Clone, Copy)]
enum Guarded {
    /// The configuration: write.
    Config,
    /// A secret: read or write.
    Secret,
    /// Data of clients: anything, unless they belong to the group.
    Data,
}

impl Guarded {
    fn verdict(self, mode: u32) -> Verdict {
        let (wrong, remark) = match self {
            Self::Config => (0o002, 0o020),
            Self::Secret => (0o007, 0o070),
            Self::Data => (0o002, 0o005),
        };
        match mode {
            _ if mode & wrong != 0 => Verdict::Wrong,
            _ if mode & remark != 0 => Verdict::Remark,
            _ => Verdict::Good,
        }
    }
}

pub(super) async fn permissions(patient: &Patient) -> Vec<Finding> {
    let mut guarded: Vec<(PathBuf, Guarded)> = Vec::new();
    guarded.extend(
        patient
            .machine
            .files
            .load()
            .config
            .iter()
            .map(|path| (path.clone(), Guarded::Config)),
    );
    guarded.extend(
        patient
            .machine
            .files
            .load()
            .secrets
            .iter()
            .map(|path| (path.clone(), Guarded::Secret)),
    );
    let keys = patient.accounts.iter().filter_map(shown_key);
    guarded.extend(keys.map(|path| (path, Guarded::Secret)));
    guarded.extend(patient.db.file().map(|path| (path, Guarded::Data)));
    let looked = move || {
        guarded
            .iter()
            .map(|(path, guarded)| look(path, *guarded))
            .collect()
    };
    tokio::task::spawn_blocking(looked)
        .await
        .unwrap_or_default()
}

/// The key of the certificate that we show to a PBX that dials us.
fn shown_key(account: &Account) -> Option<PathBuf> {
    match account.pbx.intake() {
        Intake::Listen { shown, .. } => Some(shown?.key),
        _ => None,
    }
}

fn look(path: &Path, guarded: Guarded) -> Finding {
    let subject = path.display().to_string();
    match path.metadata() {
        Err(error) => {
            let value = Value::Words(error.to_string());
            Finding::new("permissions", &subject, Verdict::Wrong, value)
        }
        Ok(about) => {
            let mode = about.permissions().mode() & 0o777;
            let value = Value::Words(format!("{mode:03o}"));
            Finding::new("permissions", &subject, guarded.verdict(mode), value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pbx::{Tools, asterisk::PROVIDER};

    #[test]
    fn the_key_of_the_certificate_that_is_shown_is_guarded() {
        let tls = "\ntls = true\ntls_certificate = 'c'\ntls_key = 'k'";
        for (more, key) in [(tls, Some("k".into())), ("", None)] {
            let settings = "over = 'ari'\nari_listen = '127.0.0.1:1'\nsecret = 'invented'";
            let settings = toml::from_str(&format!("{settings}{more}")).unwrap();
            let tools = Tools::of_tests(Default::default());
            let account = Account {
                name: "office".into(),
                pbx: (PROVIDER.open)("office".into(), settings, tools).unwrap(),
                link: None,
            };
            assert_eq!(shown_key(&account), key);
        }
    }

    #[test]
    fn what_others_may_do_decides() {
        for (guarded, mode, verdict) in [
            (Guarded::Secret, 0o600, Verdict::Good),
            (Guarded::Secret, 0o640, Verdict::Remark),
            (Guarded::Secret, 0o644, Verdict::Wrong),
            (Guarded::Config, 0o644, Verdict::Good),
            (Guarded::Config, 0o664, Verdict::Remark),
            (Guarded::Config, 0o666, Verdict::Wrong),
            (Guarded::Data, 0o640, Verdict::Good),
            (Guarded::Data, 0o644, Verdict::Remark),
            (Guarded::Data, 0o646, Verdict::Wrong),
        ] {
            assert_eq!(guarded.verdict(mode), verdict, "{mode:o}");
        }
    }
}
