//! Channels: when a number belongs to which, which calls are target calls, and what of a spend falls
//! into a period. Pure.
//!
//! * A number belongs to at most one channel at a time, from a quarter-hour on and until another.
//! * **Target calls** of a channel: finished incoming calls in which a person talked with the client for
//!   at least so many seconds, and, if the channel asks for it, first-time callers only, on these days
//!   of the week, begun between these minutes of the company's day.
//! * **Spend** is told for whole days and spread evenly over them; shares of neighbouring periods add up
//!   to the whole, to the last kopeck.
//!
//! Leaves out: counting (`store::reports`).

/// Minutes of a day.
pub const DAY_MINUTES: i64 = 1_440;

/// Part of the time line in microseconds, the end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Begin.
    pub from: i64,
    /// End; `None`: not yet.
    pub to: Option<i64>,
}

impl Span {
    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.to.is_some_and(|to| to <= self.from)
    }

    /// Whether some moment lies in both.
    pub fn meets(self, other: Self) -> bool {
        let begins_before = |a: Self, b: Self| b.to.is_none_or(|to| a.from < to);
        begins_before(self, other) && begins_before(other, self)
    }
}

/// Why a number cannot belong to a channel from then to then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It would end before it begins.
    Empty,
    /// Another channel has the number then.
    Taken(Span),
}

/// Fits a new span among those a number has. One that goes on without an end makes room for another that
/// does, by ending where that begins: it is given back. Any other overlap is refused.
pub fn fit(has: &[Span], new: Span) -> Result<Option<Span>, Unfit> {
    if new.is_empty() {
        return Err(Unfit::Empty);
    }
    let mut cut = None;
    for &span in has.iter().filter(|span| span.meets(new)) {
        if span.to.is_some() || new.to.is_some() || span.from >= new.from {
            return Err(Unfit::Taken(span));
        }
        cut = Some(span);
    }
    Ok(cut)
}

/// Which calls of a channel are target calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRule {
    /// Least talk in seconds; 0: any talk.
    pub talk_s: i64,
    /// Whether only the first call of a number counts.
    pub first_only: bool,
    /// Days of the week, Monday first.
    pub days: [bool; 7],
    /// First minute of the day.
    pub from_min: i64,
    /// Minute of the day that counts no more.
    pub to_min: i64,
}

impl Default for TargetRule {
    /// A minute of talk at any time.
    fn default() -> Self {
        Self {
            talk_s: 60,
            first_only: false,
            days: [true; 7],
            from_min: 0,
            to_min: DAY_MINUTES,
        }
    }
}

impl TargetRule {
    /// Whether any call can fit it.
    pub fn is_possible(&self) -> bool {
        (0..=86_400).contains(&self.talk_s)
            && self.days.contains(&true)
            && 0 <= self.from_min
            && self.from_min < self.to_min
            && self.to_min <= DAY_MINUTES
    }

    /// The days as they are kept: a 1 for each that counts, Monday first.
    pub fn days_word(&self) -> String {
        let mark = |day: &bool| if *day { '1' } else { '0' };
        self.days.iter().map(mark).collect()
    }

    /// Reads [`TargetRule::days_word`] back; what is missing does not count.
    pub fn days_of(word: &str) -> [bool; 7] {
        let mut marks = word.bytes();
        [(); 7].map(|()| marks.next() == Some(b'1'))
    }
}

/// An amount for whole days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    /// First day, since 1970-01-01.
    pub day_from: i64,
    /// Last day.
    pub day_to: i64,
    /// In minor units.
    pub minor: i64,
}

impl Spend {
    /// What of it falls on the days from `from` to `to`, both included.
    pub fn share(&self, from: i64, to: i64) -> i64 {
        let days = i128::from(self.day_to - self.day_from + 1);
        let until = |day: i64| {
            let passed =
                i128::from((day - self.day_from).clamp(0, self.day_to - self.day_from + 1));
            i128::from(self.minor) * passed / days.max(1)
        };
        let share = until(to.saturating_add(1)) - until(from);
        i64::try_from(share.max(0)).unwrap_or(i64::MAX)
    }

    /// Whether both tell of some day.
    pub fn meets(&self, other: &Self) -> bool {
        self.day_from <= other.day_to && other.day_from <= self.day_to
    }

    /// Whether both tell of exactly the same days: one is a correction of the other.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.day_from, self.day_to) == (other.day_from, other.day_to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn span(from: i64, to: Option<i64>) -> Span {
        Span { from, to }
    }

    #[test]
    fn a_number_belongs_to_one_channel_at_a_time() {
        let has = [span(0, Some(10)), span(10, Some(20)), span(30, None)];
        assert_eq!(fit(&has, span(20, Some(30))), Ok(None));
        assert_eq!(fit(&has, span(5, Some(5))), Err(Unfit::Empty));
        assert_eq!(
            fit(&has, span(19, Some(25))),
            Err(Unfit::Taken(span(10, Some(20))))
        );
        // What goes on makes room for what begins later, and for nothing else.
        assert_eq!(fit(&has, span(40, None)), Ok(Some(span(30, None))));
        assert_eq!(
            fit(&has, span(40, Some(50))),
            Err(Unfit::Taken(span(30, None)))
        );
        assert_eq!(fit(&has, span(30, None)), Err(Unfit::Taken(span(30, None))));
        assert_eq!(fit(&has, span(20, None)), Err(Unfit::Taken(span(30, None))));
    }

    #[test]
    fn shares_of_neighbouring_periods_are_the_whole() {
        let spend = Spend {
            day_from: 100,
            day_to: 106,
            minor: 1_000,
        };
        let by_day: Vec<i64> = (95..112).map(|day| spend.share(day, day)).collect();
        assert_eq!(by_day.iter().sum::<i64>(), 1_000);
        assert_eq!(spend.share(0, 1_000), 1_000);
        assert_eq!(spend.share(100, 102) + spend.share(103, 106), 1_000);
        assert_eq!(spend.share(107, 200), 0);
        assert_eq!(spend.share(0, 99), 0);
    }

    #[test]
    fn a_rule_that_no_call_fits_is_told() {
        let rule = TargetRule::default();
        assert!(rule.is_possible());
        assert_eq!(TargetRule::days_of(&rule.days_word()), rule.days);
        for impossible in [
            TargetRule {
                days: [false; 7],
                ..rule.clone()
            },
            TargetRule {
                from_min: 600,
                to_min: 600,
                ..rule.clone()
            },
            TargetRule {
                to_min: DAY_MINUTES + 1,
                ..rule.clone()
            },
            TargetRule {
                talk_s: -1,
                ..rule.clone()
            },
        ] {
            assert!(!impossible.is_possible());
        }
    }
}
