//! What is answered to sipgate: XML, whose root says where to tell of the answer and of the end. Without
//! that nothing more of the call is told.

use std::collections::BTreeMap;

use crate::{
    model::ids::Extension,
    pbx::{Reply, RouteAnswer, xml::escaped},
};

/// Most numbers that ring at once.
const MOST_NUMBERS: usize = 5;

/// Answers of one account.
pub struct Answers {
    /// Where it tells of calls; secret.
    pub address: String,
    /// Numbers of people's phones, E.164, by short numbers.
    pub phones: BTreeMap<String, String>,
}

impl Answers {
    /// "As the account's own routing has it, and tell us."
    pub fn goes_on(&self) -> Reply {
        self.reply("")
    }

    /// Rings everybody named, in their order, at once: for how long a phone may ring cannot be said, so that
    /// whoever would be next could not be rung in time. Nobody whose number is not known.
    pub fn route(&self, answer: &RouteAnswer) -> Reply {
        if answer.is_blocked() {
            return self.reply("<Reject reason=\"busy\"/>");
        }
        let numbers: String = answer
            .targets
            .iter()
            .filter_map(|target| self.digits(target))
            .take(MOST_NUMBERS)
            .map(|digits| format!("<Number>{digits}</Number>"))
            .collect();
        match numbers.is_empty() {
            true => self.goes_on(),
            false => self.reply(&format!("<Dial>{numbers}</Dial>")),
        }
    }

    fn digits(&self, of: &Extension) -> Option<&str> {
        let number = self.phones.get(of.as_str())?;
        Some(number.trim_start_matches('+'))
    }

    fn reply(&self, inner: &str) -> Reply {
        let address = escaped(&self.address);
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <Response onAnswer=\"{address}\" onHangup=\"{address}\">{inner}</Response>"
        );
        Reply {
            status: 200,
            content_type: "application/xml; charset=utf-8",
            body: text.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pbx::Recorded;

    #[test]
    fn who_rings_is_named_by_numbers_and_the_rest_of_the_call_is_asked_for() {
        let phones = [("201", "+74950000041"), ("202", "+74950000042")];
        let phones = phones.map(|(person, number)| (person.to_owned(), number.to_owned()));
        let answers = Answers {
            address: "https://ring.example/hooks/a/t?x=\"1\"&y".to_owned(),
            phones: phones.into(),
        };
        let said = |targets: &[&str], reason: &str| {
            let answer = RouteAnswer {
                targets: targets
                    .iter()
                    .map(|target| Extension::from(*target))
                    .collect(),
                ring_ms: 10_000,
                together: false,
                display_name: None,
                reason: reason.to_owned(),
                recorded: Recorded::default(),
            };
            String::from_utf8(answers.route(&answer).body.to_vec()).unwrap()
        };
        let one = said(&["201"], "owner");
        assert!(
            one.contains("<Dial><Number>74950000041</Number></Dial>"),
            "{one}"
        );
        assert!(one.contains("onHangup=\"https://ring.example/hooks/a/t?x=&quot;1&quot;&amp;y\""));
        let two = said(&["202", "203", "201"], "owner");
        assert!(
            two.contains("042</Number><Number>74950000041</Number></Dial>"),
            "{two}"
        );
        for nobody in [said(&[], "default"), said(&["203", "204"], "group")] {
            assert!(nobody.ends_with("\"></Response>"), "{nobody}");
        }
        assert!(said(&["201"], "blocked").contains("<Reject reason=\"busy\"/>"));
    }
}
