//! Which phones cannot be rung now, from what one PBX says of them. Pure.
//!
//! What an owner has put together for an extension (several devices, a switch "do not disturb") beats
//! what its one device says. A pause counts when it is taken in every queue that the person is in: who
//! pauses in one of several still takes calls.

use std::collections::{BTreeMap, HashMap};

use super::routing::PassedOver;
use crate::model::{
    device::{DeviceNews, DeviceState, Told},
    ids::Extension,
};

/// The phones of one PBX as it has told of them since it was last asked.
#[derive(Clone, Debug, Default)]
pub struct Phones(HashMap<Extension, BTreeMap<Told, DeviceState>>);

impl Phones {
    /// Takes note of one word.
    pub fn note(&mut self, news: DeviceNews) {
        if news.state != DeviceState::Unknown {
            let told = self.0.entry(news.extension).or_default();
            told.insert(news.by, news.state);
        } else if let Some(told) = self.0.get_mut(&news.extension) {
            told.remove(&news.by);
            if told.is_empty() {
                self.0.remove(&news.extension);
            }
        }
    }

    /// The phones that cannot be rung, and why.
    pub fn troubled(&self) -> BTreeMap<Extension, PassedOver> {
        let phones = self.0.iter();
        phones
            .filter_map(|(phone, told)| Some((phone.clone(), trouble(told)?)))
            .collect()
    }
}

fn trouble(told: &BTreeMap<Told, DeviceState>) -> Option<PassedOver> {
    let device = told.get(&Told::Extension).or(told.get(&Told::Device));
    match device {
        Some(DeviceState::Unreachable) => return Some(PassedOver::Unreachable),
        Some(DeviceState::Busy) => return Some(PassedOver::Busy),
        _ => {}
    }
    let mut queues = told
        .iter()
        .filter(|(by, _)| matches!(by, Told::Queue(_)))
        .map(|(_, state)| *state)
        .peekable();
    let is_paused = queues.peek().is_some() && queues.all(|state| state == DeviceState::Paused);
    is_paused.then_some(PassedOver::Paused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use DeviceState::{Busy, Free, Paused, Unknown, Unreachable};

    fn queue(name: &str) -> Told {
        Told::Queue(name.to_owned())
    }

    fn after(words: &[(Told, DeviceState)]) -> Option<PassedOver> {
        let mut phones = Phones::default();
        for (by, state) in words {
            phones.note(DeviceNews {
                extension: "101".into(),
                by: by.clone(),
                state: *state,
            });
        }
        phones.troubled().remove(&Extension::from("101"))
    }

    #[test]
    fn a_device_that_is_away_or_busy_is_not_rung() {
        assert_eq!(after(&[]), None);
        assert_eq!(after(&[(Told::Device, Free)]), None);
        assert_eq!(
            after(&[(Told::Device, Unreachable)]),
            Some(PassedOver::Unreachable)
        );
        let busy = (Told::Device, Busy);
        assert_eq!(after(std::slice::from_ref(&busy)), Some(PassedOver::Busy));
        assert_eq!(after(&[busy.clone(), (Told::Device, Free)]), None);
        assert_eq!(after(&[busy, (Told::Device, Unknown)]), None);
    }

    #[test]
    fn what_the_owner_has_put_together_beats_the_one_device() {
        let mobile_is_there = [(Told::Device, Unreachable), (Told::Extension, Free)];
        assert_eq!(after(&mobile_is_there), None);
        let do_not_disturb = [(Told::Extension, Busy), (Told::Device, Free)];
        assert_eq!(after(&do_not_disturb), Some(PassedOver::Busy));
    }

    #[test]
    fn a_pause_counts_when_it_is_taken_everywhere() {
        let sales = (queue("sales"), Paused);
        assert_eq!(
            after(std::slice::from_ref(&sales)),
            Some(PassedOver::Paused)
        );
        assert_eq!(after(&[sales.clone(), (queue("service"), Free)]), None);
        let both = [sales.clone(), (queue("service"), Paused)];
        assert_eq!(after(&both), Some(PassedOver::Paused));
        let left = [sales, (queue("sales"), Unknown)];
        assert_eq!(after(&left), None, "in no queue any more");
    }
}
