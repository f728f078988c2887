//! Reads the `Range` header of a request for a recording (RFC 9110 §14).
//!
//! A player seeks with one range at a time, so one range is answered; a request for several gets
//! the whole, which the RFC allows and which cannot be abused for huge multipart answers.

/// What part of a body a request is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ranged {
    /// All of it, with status 200.
    Whole,
    /// These bytes, both ends included, with status 206.
    Part {
        /// Position of the first byte.
        first: u64,
        /// Position of the last byte.
        last: u64,
    },
    /// Nothing of it, with status 416.
    Unsatisfiable,
}

/// Decides which part of a body of `length` bytes the header asks for.
///
/// Anything that is not a well-formed single byte range is ignored, as RFC 9110 §14.2 asks.
pub fn parse(header: Option<&str>, length: u64) -> Ranged {
    header
        .and_then(single)
        .and_then(|range| resolve(range, length))
        .unwrap_or(Ranged::Whole)
}

/// The one range specification of a header, if it asks for bytes and for one range.
fn single(header: &str) -> Option<&str> {
    let (unit, set) = header.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // RFC 9110 §5.6.1.2: empty list elements do not count.
    let mut ranges = set
        .split(',')
        .map(str::trim)
        .filter(|range| !range.is_empty());
    let one = ranges.next()?;
    ranges.next().is_none().then_some(one)
}

/// `None` for what is not a range at all.
fn resolve(range: &str, length: u64) -> Option<Ranged> {
    let (first, last) = range.split_once('-')?;
    let end = length.checked_sub(1);
    if first.is_empty() {
        let suffix = position(last)?;
        return Some(match (suffix, end) {
            (0, _) => Ranged::Unsatisfiable,
            // The last bytes of nothing are all of it.
            (_, None) => Ranged::Whole,
            (suffix, Some(end)) => Ranged::Part {
                first: length.saturating_sub(suffix),
                last: end,
            },
        });
    }
    let first = position(first)?;
    let last = match last {
        "" => u64::MAX,
        last => position(last)?,
    };
    if last < first {
        return None;
    }
    Some(match end {
        Some(end) if first <= end => Ranged::Part {
            first,
            last: last.min(end),
        },
        _ => Ranged::Unsatisfiable,
    })
}

/// A number of digits only; more than fits is as good as the largest.
fn position(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

impl Ranged {
    /// Value of the `Content-Range` header of the answer, where one belongs.
    pub fn content_range(self, length: u64) -> Option<String> {
        match self {
            Ranged::Whole => None,
            Ranged::Part { first, last } => Some(format!("bytes {first}-{last}/{length}")),
            Ranged::Unsatisfiable => Some(format!("bytes */{length}")),
        }
    }

    /// Positions to send, the end not included.
    pub fn span(self, length: u64) -> std::ops::Range<u64> {
        match self {
            Ranged::Whole => 0..length,
            Ranged::Part { first, last } => first..last.saturating_add(1),
            Ranged::Unsatisfiable => 0..0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(first: u64, last: u64) -> Ranged {
        Ranged::Part { first, last }
    }

    #[test]
    fn a_single_range_is_answered() {
        assert_eq!(parse(Some("bytes=0-99"), 1000), part(0, 99));
        assert_eq!(parse(Some("bytes=10-10"), 1000), part(10, 10));
        assert_eq!(parse(Some("Bytes= 0-99"), 1000), part(0, 99));
        assert_eq!(parse(Some("bytes=,0-99,"), 1000), part(0, 99));
    }

    #[test]
    fn ends_are_cut_to_the_body() {
        assert_eq!(parse(Some("bytes=500-"), 1000), part(500, 999));
        assert_eq!(parse(Some("bytes=500-5000"), 1000), part(500, 999));
        assert_eq!(
            parse(Some("bytes=0-99999999999999999999999"), 1000),
            part(0, 999)
        );
        assert_eq!(parse(Some("bytes=-200"), 1000), part(800, 999));
        assert_eq!(parse(Some("bytes=-5000"), 1000), part(0, 999));
    }

    #[test]
    fn what_lies_behind_the_end_is_unsatisfiable() {
        assert_eq!(parse(Some("bytes=1000-"), 1000), Ranged::Unsatisfiable);
        assert_eq!(parse(Some("bytes=1000-2000"), 1000), Ranged::Unsatisfiable);
        assert_eq!(parse(Some("bytes=-0"), 1000), Ranged::Unsatisfiable);
        assert_eq!(parse(Some("bytes=0-"), 0), Ranged::Unsatisfiable);
        assert_eq!(parse(Some("bytes=-5"), 0), Ranged::Whole);
    }

    #[test]
    fn several_or_malformed_ranges_give_the_whole() {
        let ignored = [
            "bytes=0-1,5-6",
            "bytes=",
            "bytes",
            "items=0-1",
            "bytes=a-b",
            "bytes=5-2",
            "bytes=--5",
            "bytes=-",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1 - 2",
            "",
        ];
        for header in ignored {
            assert_eq!(parse(Some(header), 1000), Ranged::Whole, "{header:?}");
        }
        assert_eq!(parse(None, 1000), Ranged::Whole);
    }

    #[test]
    fn the_answer_names_its_range() {
        assert_eq!(
            part(0, 99).content_range(1000).as_deref(),
            Some("bytes 0-99/1000")
        );
        assert_eq!(
            Ranged::Unsatisfiable.content_range(7).as_deref(),
            Some("bytes */7")
        );
        assert_eq!(Ranged::Whole.content_range(7), None);
        assert_eq!(part(5, 9).span(1000), 5..10);
        assert_eq!(Ranged::Whole.span(7), 0..7);
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_body(header in "bytes=[-0-9, ]{0,12}", length in 0u64..1_000) {
            if let Ranged::Part { first, last } = parse(Some(&header), length) {
                prop_assert!(first <= last && last < length);
            }
        }

        #[test]
        fn no_header_panics(header in "\\PC*", length: u64) {
            parse(Some(&header), length).span(length);
        }
    }
}
