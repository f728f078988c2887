//! What the manager interface says of phones outside of calls: states of devices and hints, pauses of
//! queue members.
//!
//! Told by events, and by three lists that are asked for after each login. Both say the same in the same
//! words, so each block stands for itself. Documentation: "DeviceStateChange", "ExtensionStatus",
//! "QueueMemberPause" in
//! <https://docs.asterisk.org/Asterisk_22_Documentation/API_Documentation/AMI_Events/>.

use super::{
    facts::Directory,
    wire::{Action, Block},
};
use crate::model::{
    device::{DeviceNews, DeviceState, Told},
    ids::Extension,
};

/// The lists; their ActionIDs begin so.
const LIST: &str = "ringcard/phones/";

/// Asks how every phone stands.
pub fn ask_for_all() -> impl Iterator<Item = Action> {
    ["DeviceStateList", "ExtensionStateList", "QueueStatus"]
        .into_iter()
        .map(|list| Action::new(list, &format!("{LIST}{list}")))
}

/// What a block says of a phone, if it is about one.
pub fn news(block: &Block<'_>, directory: &Directory) -> Option<DeviceNews> {
    match block.get("Event")?.to_ascii_lowercase().as_str() {
        "devicestatechange" => Some(DeviceNews {
            extension: directory.device(block.get("Device")?)?,
            by: Told::Device,
            state: device(block.get("State")?),
        }),
        "extensionstatus" => Some(DeviceNews {
            extension: Extension::from(block.get("Exten")?),
            by: Told::Extension,
            state: hint(block.get("Status")?),
        }),
        // The first two tell changes, the third is of the list.
        "queuememberpause" | "queuememberadded" | "queuemember" => member(
            block,
            directory,
            match block.get("Paused") == Some("1") {
                true => DeviceState::Paused,
                false => DeviceState::Free,
            },
        ),
        "queuememberremoved" => member(block, directory, DeviceState::Unknown),
        _ => None,
    }
}

fn member(block: &Block<'_>, directory: &Directory, state: DeviceState) -> Option<DeviceNews> {
    // The list calls it Location. A member may be a Local channel with a device to watch.
    let places = ["StateInterface", "Interface", "Location"];
    let mut devices = places.iter().filter_map(|place| block.get(place));
    Some(DeviceNews {
        extension: devices.find_map(|device| directory.device(device))?,
        by: Told::Queue(block.get("Queue")?.to_owned()),
        state,
    })
}

/// asterisk/main/devicestate.c: the words of device states.
fn device(state: &str) -> DeviceState {
    match state {
        "NOT_INUSE" => DeviceState::Free,
        "INUSE" | "BUSY" | "RINGING" | "RINGINUSE" | "ONHOLD" => DeviceState::Busy,
        "UNAVAILABLE" | "INVALID" => DeviceState::Unreachable,
        _ => DeviceState::Unknown,
    }
}

/// asterisk/include/asterisk/pbx.h, `ast_extension_states`: -2 and -1 say that the hint is gone, 0 is
/// idle, 4 unavailable; 1 in use, 2 busy, 8 ringing and 16 on hold stand alone or together.
fn hint(status: &str) -> DeviceState {
    match status.parse::<i32>() {
        Ok(0) => DeviceState::Free,
        Ok(4) => DeviceState::Unreachable,
        Ok(1..) => DeviceState::Busy,
        Ok(_) | Err(_) => DeviceState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(String, Told, DeviceState)> {
        let raw = text.replace('\n', "\r\n");
        let directory = Directory {
            trunks: vec!["east".to_owned()],
            extensions: [("anna-desk".to_owned(), "201".to_owned())].into(),
            ..Directory::default()
        };
        let news = news(&Block::new(raw.as_bytes()), &directory)?;
        Some((news.extension.to_string(), news.by, news.state))
    }

    #[test]
    fn devices_are_known_by_their_names() {
        let state = |device: &str, state: &str| {
            told(&format!(
                "Event: DeviceStateChange\nDevice: {device}\nState: {state}\n"
            ))
        };
        let is = |phone: &str, state| Some((phone.to_owned(), Told::Device, state));
        assert_eq!(
            state("PJSIP/101", "NOT_INUSE"),
            is("101", DeviceState::Free)
        );
        assert_eq!(
            state("PJSIP/101", "RINGINUSE"),
            is("101", DeviceState::Busy)
        );
        assert_eq!(
            state("PJSIP/anna-desk", "UNAVAILABLE"),
            is("201", DeviceState::Unreachable)
        );
        assert_eq!(state("SIP/101", "UNKNOWN"), is("101", DeviceState::Unknown));
        for nobodys in [
            "PJSIP/east",
            "Queue:sales_avail",
            "Custom:DND101",
            "park:801@parkedcalls",
        ] {
            assert_eq!(state(nobodys, "INUSE"), None, "{nobodys}");
        }
    }

    #[test]
    fn hints_have_numbers() {
        let states = [
            ("0", DeviceState::Free),
            ("9", DeviceState::Busy),
            ("16", DeviceState::Busy),
            ("4", DeviceState::Unreachable),
            ("-1", DeviceState::Unknown),
            ("x", DeviceState::Unknown),
        ];
        for (status, state) in states {
            let block = format!(
                "Event: ExtensionStatus\nExten: 101\nContext: internal\nStatus: {status}\n"
            );
            assert_eq!(
                told(&block),
                Some(("101".to_owned(), Told::Extension, state)),
                "{status}"
            );
        }
    }

    #[test]
    fn members_of_queues_take_pauses() {
        let sales = || Told::Queue("sales".to_owned());
        assert_eq!(
            told("Event: QueueMemberPause\nQueue: sales\nInterface: PJSIP/101\nPaused: 1\n"),
            Some(("101".to_owned(), sales(), DeviceState::Paused))
        );
        let listed = "Event: QueueMember\nQueue: sales\nLocation: Local/101@from-queue/n\n\
                      StateInterface: PJSIP/101\nPaused: 0\n";
        assert_eq!(
            told(listed),
            Some(("101".to_owned(), sales(), DeviceState::Free))
        );
        let local = "Event: QueueMemberRemoved\nQueue: sales\nInterface: Local/102@from-queue/n\n";
        assert_eq!(
            told(local),
            Some(("102".to_owned(), sales(), DeviceState::Unknown))
        );
        assert_eq!(
            told("Event: QueueMemberPause\nQueue: sales\nPaused: 1\n"),
            None
        );
    }
}
