//! Asks a cloud's API: within its budgets, no longer than whoever waits for the answer will wait, and
//! with one reading of what a status means.

use std::time::Duration;

use tokio::time::timeout;

use super::{PbxError, budget::Budget};
use crate::http::{Client, Request, Whole};

/// How long a person who has clicked may be kept waiting.
pub const CLICK_PATIENCE: Duration = Duration::from_secs(10);
/// How long work in the background may wait for its turn: some call logs are given three times a minute.
pub const WORK_PATIENCE: Duration = Duration::from_secs(120);
/// Largest answer that is read.
const LARGEST_ANSWER: u64 = 32 * 1024 * 1024;
/// Longest text of a refusal that is shown.
const LONGEST_REFUSAL: usize = 120;

/// Waits for a turn of every budget, asks, and has the answer read; gives up after `patience`.
pub async fn ask<T>(
    http: &Client,
    request: &Request,
    budgets: &[&Budget],
    patience: Duration,
    read: impl FnOnce(Whole) -> Result<T, PbxError>,
) -> Result<T, PbxError> {
    let asking = async {
        for budget in budgets {
            budget.wait(patience).await?;
        }
        let answer = http.ask(request, LARGEST_ANSWER).await;
        read(answer.map_err(|error| PbxError::of_http(&error))?)
    };
    timeout(patience, asking)
        .await
        .unwrap_or(Err(PbxError::Unreachable))
}

/// The answer, if its status is a good one. `wait` is for those who say "too often" and not how long.
pub fn good(answer: Whole, wait: Duration) -> Result<Whole, PbxError> {
    match answer.status {
        200..=299 => Ok(answer),
        429 => Err(PbxError::Throttled {
            retry_after: answer.retry_after.unwrap_or(wait),
        }),
        408 | 500.. => Err(PbxError::Unreachable),
        status => Err(PbxError::Refused(format!("status {status}"))),
    }
}

/// The provider's own words, without numbers of people.
pub fn shown(message: &str) -> String {
    let letters = message.chars().filter(|letter| !letter.is_control());
    let hidden = letters.map(|letter| match letter.is_ascii_digit() {
        true => '#',
        false => letter,
    });
    hidden.take(LONGEST_REFUSAL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_trying_again_can_help() {
        let wait = Duration::from_secs(7);
        let said = |status, retry_after| {
            let body = Vec::new();
            good(
                Whole {
                    status,
                    retry_after,
                    body,
                },
                wait,
            )
        };
        assert!(said(204, None).is_ok());
        for (told, wanted) in [
            (None, wait),
            (Some(Duration::from_secs(1)), Duration::from_secs(1)),
        ] {
            let Err(PbxError::Throttled { retry_after }) = said(429, told) else {
                panic!("429 asks to wait");
            };
            assert_eq!(retry_after, wanted);
        }
        for status in [408, 500, 503] {
            assert!(matches!(said(status, None), Err(PbxError::Unreachable)));
        }
        for status in [301, 400, 401, 404] {
            assert!(matches!(said(status, None), Err(PbxError::Refused(_))));
        }
    }
}
