//! The token in a message, and the message without it.

use serde_json::{Map, Value};

use crate::pbx::{
    fields::{self, multipart},
    form,
};

/// The field that lets a message in.
pub const TOKEN: &str = "crm_token";

/// A body without the token, for the journal. One in parts is kept as JSON, which says the same.
pub fn without_token(body: &[u8]) -> Vec<u8> {
    let without = |mut fields: Map<String, Value>| {
        fields.remove(TOKEN);
        Value::Object(fields).to_string().into_bytes()
    };
    if body.starts_with(b"--") {
        let parts = multipart::parts(body).unwrap_or_default().into_iter();
        return without(parts.map(|(name, value)| (name, value.into())).collect());
    }
    if body.trim_ascii_start().starts_with(b"{") {
        return without(fields::object(body).unwrap_or_default());
    }
    let is_other = |pair: &&[u8]| {
        let name = pair.split(|&byte| byte == b'=').next().unwrap_or(pair);
        // A name that cannot be read is no name of ours, and nothing with it gets this far.
        form::unescape(name).is_ok_and(|name| *name != *TOKEN.as_bytes())
    };
    let pairs: Vec<&[u8]> = body.split(|&byte| byte == b'&').filter(is_other).collect();
    pairs.join(&b'&')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_cut_out_however_its_name_is_written() {
        for body in [
            "cmd=rating&crm_token=secret-word&callid=1",
            "crm%5Ftoken=secret-word&cmd=rating&callid=1&crm_token=secret-word",
            r#"{"crm_token":"secret-word","cmd":"rating","callid":"1","crm_token":"secret-word"}"#,
            r#"{"crm\u005ftoken":"secret-word","cmd":"rating","callid":"1"}"#,
            "--x\r\nContent-Disposition: form-data; name=\"crm_token\"\r\n\r\nsecret-word\r\n\
             --x\r\nContent-Disposition: form-data; name=cmd\r\n\r\nrating\r\n\
             --x\r\nContent-Disposition: form-data; name=callid\r\n\r\n1\r\n--x--",
        ] {
            let kept = without_token(body.as_bytes());
            assert!(!String::from_utf8_lossy(&kept).contains("secret"), "{body}");
            let fields = fields::Fields::of_body(&kept).unwrap();
            assert_eq!(
                (fields.get("cmd"), fields.get("callid")),
                (Some("rating"), Some("1"))
            );
        }
    }
}
