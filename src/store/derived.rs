//! A call as it is derived, read from its row.
//!
//! What follows from facts is not stored beside them: the writer leaves column `derived` empty, and
//! whoever wants the call derives it. Earlier versions have written it there as JSON, and so does an
//! erasure; that text counts until something new is told of the call.
//!
//! A call is derived as today's program does it. The columns beside it are of the program that last
//! heard something of the call, which may have made something else of the same facts.

use uuid::Uuid;

use super::StoreError;
use crate::{
    model::call::Call,
    tracker::{self, Facts},
};

/// The call of a row, by what its columns `derived` and `facts` hold.
pub fn read(id: Uuid, derived: &str, facts: Option<&[u8]>) -> Result<Call, StoreError> {
    match derived {
        "" => Ok(tracker::derive(&facts_of(id, facts)?)),
        text => stored(text),
    }
}

/// The same with the facts themselves.
pub(super) fn with_facts(
    id: Uuid,
    derived: &str,
    facts: Option<&[u8]>,
) -> Result<(Call, Facts), StoreError> {
    let facts = facts_of(id, facts)?;
    let call = match derived {
        "" => tracker::derive(&facts),
        text => stored(text)?,
    };
    Ok((call, facts))
}

/// A row that has none knows nothing.
fn facts_of(id: Uuid, blob: Option<&[u8]>) -> Result<Facts, StoreError> {
    let facts = blob.map(Facts::unseal).transpose();
    let facts = facts.map_err(|source| StoreError::Sealed { call: id, source })?;
    Ok(facts.unwrap_or_default())
}

fn stored(text: &str) -> Result<Call, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Value {
        what: "call.derived",
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracker::story::*;

    fn told() -> Facts {
        facts(&[
            (0.0, "", parties(crate::model::event::Direction::In)),
            (0.0, "201", between(person("201"), client())),
            (0.0, "201", rings()),
            (5.0, "201", talks(client())),
        ])
    }

    #[test]
    fn a_call_without_text_follows_from_its_facts_packed_or_sealed() {
        let call = tracker::derive(&told());
        assert_eq!(call.answered_by, Some("201".into()));
        for blob in [told().pack(), told().seal()] {
            assert_eq!(read(Uuid::nil(), "", Some(&blob)).unwrap(), call);
            let whole = with_facts(Uuid::nil(), "", Some(&blob)).unwrap();
            assert_eq!(whole, (call.clone(), told()));
        }
        assert_eq!(
            read(Uuid::nil(), "", None).unwrap(),
            tracker::derive(&Facts::new())
        );
    }

    #[test]
    fn a_text_counts_before_facts() {
        let call = Call {
            digits: "1".to_owned(),
            ..Call::default()
        };
        let long = serde_json::to_string(&call).unwrap();
        // Some versions have left out what was not known.
        let short = r#"{"phase":"waiting","started_at":0,"heard_at":0,"digits":"1"}"#;
        for text in [long.as_str(), short] {
            assert_eq!(read(Uuid::nil(), text, Some(b"?")).unwrap(), call);
            let whole = with_facts(Uuid::nil(), text, Some(&told().pack())).unwrap();
            assert_eq!(whole, (call.clone(), told()));
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_column() {
        let text = read(Uuid::nil(), "?", None);
        assert!(matches!(text, Err(StoreError::Value { what, .. }) if what == "call.derived"));
        for blob in [&b"?"[..], b"", b"[{}]"] {
            let facts = read(Uuid::nil(), "", Some(blob));
            assert!(matches!(facts, Err(StoreError::Sealed { call, .. }) if call.is_nil()));
            assert!(with_facts(Uuid::nil(), "{}", Some(blob)).is_err());
        }
    }
}
