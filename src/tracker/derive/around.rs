//! What was told around the call: recordings, keys pressed, attribution, the reason of the routing.

use super::known::Known;
use crate::{
    model::{
        call::{Call, RecordingNews, RecordingPause},
        event::{ConsentSaid, Fact, RecordingSource, RecordingStage},
        time::Timestamp,
    },
    tracker::merge::stage_order,
};

/// Fills in what was told around the call.
pub(super) fn around(known: &Known<'_>, call: &mut Call) {
    let mut last_route = None;
    for moment in &known.line {
        match &moment.event.fact {
            Fact::Recording {
                recording,
                stage,
                source,
            } => {
                note_recording(&mut call.recordings, recording, *stage, source.as_ref());
            }
            Fact::Consents { said } => note_consent(&mut call.consent, *said),
            Fact::RecordingPauses => pause(&mut call.recording_pauses, moment.at),
            Fact::RecordingResumes => resume(&mut call.recording_pauses, moment.at),
            Fact::Digits { digits } => call.digits.push_str(digits),
            Fact::Tracking { fields } => {
                for (name, value) in fields {
                    let place = call.tracking.binary_search_by(|(known, _)| known.cmp(name));
                    // The first touch stays.
                    if let Err(place) = place {
                        call.tracking.insert(place, (name.clone(), value.clone()));
                    }
                }
            }
            Fact::RouteAnswered {
                attempt, reason, ..
            } => {
                let route = (*attempt, moment.at, reason);
                last_route = last_route.max(Some(route));
            }
            _ => {}
        }
    }
    if call.is_over() {
        end_recordings(&mut call.recordings);
    }
    call.route_reason = last_route.map(|(_, _, reason)| reason.clone());
    call.recordings.sort_unstable();
}

/// The last word counts; that the notice was heard is no word.
fn note_consent(known: &mut Option<ConsentSaid>, said: ConsentSaid) {
    if said != ConsentSaid::Heard || known.is_none() {
        *known = Some(said);
    }
}

fn pause(pauses: &mut Vec<RecordingPause>, at: Timestamp) {
    if pauses.last().is_none_or(|last| last.to.is_some()) {
        pauses.push(RecordingPause { from: at, to: None });
    }
}

fn resume(pauses: &mut [RecordingPause], at: Timestamp) {
    if let Some(last) = pauses.last_mut().filter(|last| last.to.is_none()) {
        last.to = Some(at);
    }
}

/// What was being recorded into a file ends with the call: no PBX records one that is over.
fn end_recordings(recordings: &mut [RecordingNews]) {
    for news in recordings {
        let goes_on = matches!(
            news.stage,
            RecordingStage::Started | RecordingStage::Continued
        );
        if goes_on && news.source.is_some() {
            news.stage = RecordingStage::Completed;
        }
    }
}

fn note_recording(
    recordings: &mut Vec<RecordingNews>,
    name: &str,
    stage: RecordingStage,
    source: Option<&RecordingSource>,
) {
    let news = match recordings.iter_mut().find(|known| known.recording == name) {
        Some(known) => known,
        None => {
            recordings.push(RecordingNews {
                recording: name.to_owned(),
                stage,
                source: None,
            });
            let last = recordings.len() - 1;
            &mut recordings[last]
        }
    };
    if stage_order(stage) >= stage_order(news.stage) {
        // The source told with the furthest stage; earlier ones may have moved.
        news.source = source.cloned().or(news.source.take());
        news.stage = stage;
    } else if news.source.is_none() {
        news.source = source.cloned();
    }
}
