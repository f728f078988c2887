//! Tables as CSV files, the way sheet programs of either language open them.

use axum::{
    body::Body,
    http::header,
    response::{IntoResponse, Response},
};

use super::i18n::{Language, Texts};

/// Lines of a file being written.
pub struct Sheet {
    /// What is written so far.
    pub text: String,
    separator: &'static str,
}

impl Sheet {
    /// The beginning of a file, or a later part of one. Excel in Russian wants a byte order mark and
    /// semicolons.
    pub fn new(t: Texts, is_first: bool) -> Self {
        Self {
            text: if is_first { "\u{feff}" } else { "" }.to_owned(),
            separator: match t.language {
                Language::Russian => ";",
                Language::English => ",",
            },
        }
    }

    /// Writes a line.
    pub fn line(&mut self, cells: &[String]) {
        let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
        self.text.push_str(&cells.join(self.separator));
        self.text.push_str("\r\n");
    }
}

/// A cell in quotes. Names come from outside: one that begins like a formula must not become one.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let number = text.starts_with('+') && !text.contains(|c: char| c.is_alphabetic() || c == '(');
    let guard = if formula && !number { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// An answer that browsers keep as a file.
pub fn download(name: &str, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_a_formula() {
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("@SUM(A1)"), "\"'@SUM(A1)\"");
        assert_eq!(cell("+7 495 000-00-11"), "\"+7 495 000-00-11\"");
        assert_eq!(cell("say \"hi\""), "\"say \"\"hi\"\"\"");
    }
}
