//! Asks Sipuni's API: forms with a hash over their values, and its answers.

use std::time::Duration;

use md5::{Digest, Md5};

use super::unconfirmed::{ALL_EVERY_MS, EXPORT_EVERY_MS};
use crate::{
    http::{Client, Reach, Request},
    pbx::{
        PbxError,
        asking::{self, CLICK_PATIENCE, WORK_PATIENCE},
        budget::Budget,
    },
};

/// How often one cabinet may be asked: table `limits` of the account.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Any two requests, in milliseconds.
    all_every_ms: u64,
    /// Two exports of past calls.
    export_every_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            all_every_ms: ALL_EVERY_MS,
            export_every_ms: EXPORT_EVERY_MS,
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A person waits for it.
    Command,
    /// Past calls.
    Export,
}

/// One cabinet at Sipuni.
pub struct Api {
    user: String,
    secret: String,
    base: String,
    reach: Reach,
    http: Client,
    pub all: Budget,
    export: Budget,
}

impl Api {
    /// Asks below `base` as this user of the cabinet.
    pub fn new(
        (user, secret): (String, String),
        base: &str,
        reach: Reach,
        http: Client,
        limits: Limits,
    ) -> Self {
        Self {
            user,
            secret,
            base: base.trim_end_matches('/').to_owned(),
            reach,
            http,
            all: Budget::every_ms(limits.all_every_ms),
            export: Budget::every_ms(limits.export_every_ms),
        }
    }

    /// `md5hex(v1 + "+" + v2 ... + "+" + user + "+" + secret)`, with the values in the order of their
    /// names; `user` comes after them whatever they are called, and what is empty stays.
    fn hash(&self, values: &[(&str, &str)]) -> String {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let own = [self.user.as_str(), self.secret.as_str()];
        let texts: Vec<&str> = sorted.iter().map(|(_, value)| *value).chain(own).collect();
        hex::encode(Md5::digest(texts.join("+")))
    }

    /// The request to this path with these values.
    pub fn request(&self, path: &str, values: &[(&str, &str)]) -> Request {
        let hash = self.hash(values);
        let own = [("user", self.user.as_str()), ("hash", hash.as_str())];
        let fields = values.iter().copied().chain(own);
        Request {
            url: format!("{}/{path}", self.base),
            form: Some(
                fields
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
            ),
            reach: self.reach.clone(),
            ..Request::default()
        }
    }

    /// Asks, within the limits of its purpose.
    pub async fn ask(
        &self,
        purpose: Purpose,
        path: &str,
        values: &[(&str, &str)],
    ) -> Result<Vec<u8>, PbxError> {
        let (patience, budgets): (_, &[&Budget]) = match purpose {
            Purpose::Command => (CLICK_PATIENCE, &[&self.all]),
            Purpose::Export => (WORK_PATIENCE, &[&self.export, &self.all]),
        };
        let request = self.request(path, values);
        let read = |answer| asking::good(answer, Duration::from_secs(10));
        let answer = asking::ask(&self.http, &request, budgets, patience, read).await?;
        Ok(answer.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Api {
        let http = Client::new(&crate::http::Settings::default()).unwrap();
        let own = ("012345".to_owned(), "a-secret".to_owned());
        Api::new(
            own,
            "https://sipuni.com/api/",
            Reach::default(),
            http,
            Limits::default(),
        )
    }

    #[test]
    fn the_hash_is_over_the_values_in_the_order_of_their_names() {
        let request = api().request(
            "callback/call_number",
            &[
                ("sipnumber", "201"),
                ("phone", "74950000011"),
                ("reverse", "0"),
                ("antiaon", "0"),
            ],
        );
        assert_eq!(request.url, "https://sipuni.com/api/callback/call_number");
        // printf '0+74950000011+0+201+012345+a-secret' | md5sum
        let hash = "4cc037085207d8339c75c910b2ad21ba";
        let form = request.form.unwrap();
        assert_eq!(form[4], ("user".to_owned(), "012345".to_owned()));
        assert_eq!(form[5], ("hash".to_owned(), hash.to_owned()));
    }

    #[test]
    fn our_name_comes_after_values_that_sort_behind_it() {
        // printf 'a+b+012345+a-secret' | md5sum
        let hash = "644104598afcfbae23720f25aa225f74";
        assert_eq!(api().hash(&[("whisper", "b"), ("callId", "a")]), hash);
    }
}
