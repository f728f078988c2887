//! What is typed into the cabinet: the platform has no format of its own, the customer gives it one. Ours is
//! JSON with a constant `event`; variables stand without quotes, because texts bring their own.
//!
//! Only variables stand here that the vendor's help names. Visitor data (UTM) may be added to any of them
//! under the names of the Data API, as far as the cabinet offers them.

/// One notification: what the cabinet calls the event, our name of it, and its variables besides [`CALL`].
struct Template {
    name: &'static str,
    title: &'static str,
    more: &'static [&'static str],
}

/// Variables that every notification carries.
const CALL: [&str; 12] = [
    "notification_mnemonic",
    "notification_time",
    "call_session_id",
    "direction",
    "is_internal",
    "call_source",
    "start_time",
    "virtual_phone_number",
    "contact_phone_number",
    "contact_full_name",
    "external_id",
    "scenario_name",
];

const PHONE: &[&str] = &[
    "calling_phone_number",
    "called_phone_number",
    "leg_id",
    "employee_id",
    "extension_phone_number",
];
const TALK: &[&str] = &["leg_ids", "employee_id", "extension_phone_number"];

const TEMPLATES: [Template; 9] = [
    Template {
        name: "in_call",
        title: "Входящий звонок на виртуальный номер",
        more: &["calling_phone_number", "called_phone_number"],
    },
    Template {
        name: "leg_ringing",
        title: "Ожидание ответа",
        more: PHONE,
    },
    Template {
        name: "out_call",
        title: "Исходящий звонок",
        more: &["employee_id", "extension_phone_number"],
    },
    Template {
        name: "out_leg",
        title: "Исходящее плечо",
        more: PHONE,
    },
    Template {
        name: "talk_started",
        title: "Начало разговора",
        more: TALK,
    },
    Template {
        name: "talk_finished",
        title: "Завершение разговора",
        more: &[
            "leg_ids",
            "talk_time_duration",
            "employee_id",
            "extension_phone_number",
        ],
    },
    Template {
        name: "call_finished",
        title: "Завершение звонка",
        more: &[
            "is_lost",
            "talk_time_duration",
            "total_time_duration",
            "wait_time_duration",
            "employee_ids",
        ],
    },
    Template {
        name: "lost",
        title: "Потерянный звонок",
        more: &["is_lost", "wait_time_duration"],
    },
    Template {
        name: "record_ready",
        title: "Завершение записи разговора",
        more: &[
            "file_link",
            "file_duration",
            "employee_id",
            "extension_phone_number",
        ],
    },
];

/// Each notification as the cabinet asks for it: its title there, the end of its address, its body.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str, String)> {
    TEMPLATES.iter().map(|template| {
        let more = CALL.iter().chain(template.more);
        let variables = more.map(|name| format!(",\n \"{name}\":{{{{{name}}}}}"));
        let body = format!(
            "{{\"event\":\"{}\"{}}}",
            template.name,
            variables.collect::<String>()
        );
        (template.title, template.name, body)
    })
}
