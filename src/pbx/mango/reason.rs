//! Mango's codes for the end of a leg or call.

use crate::model::event::{Cause, Side};

/// Why a leg or call ended, as far as we tell the vendor's codes apart
/// ("Приложение: коды завершения", <https://www.mango-office.ru/support/integratsiya-api/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// `from` of the leg or call.
    CallerHungUp,
    /// `to` of the leg or call.
    CalleeHungUp,
    /// By the scheme, the queue or a command.
    ByPbx(Cause),
    /// Nobody in particular.
    Other(Cause),
}

impl Reason {
    /// Reads a code; without one nothing is known.
    pub fn of(code: Option<i64>) -> Self {
        match code.unwrap_or_default() {
            1000 | 1100 => Self::Other(Cause::Normal),
            1110 => Self::CallerHungUp,
            1111 => Self::Other(Cause::NoAnswer),
            1120 => Self::CalleeHungUp,
            1121 => Self::Other(Cause::Busy),
            1122 | 1123 => Self::Other(Cause::Rejected),
            1132 | 1133 | 1191 => Self::Other(Cause::NoRoute),
            1134 | 1161 => Self::Other(Cause::Failed),
            1162..=1164 => Self::ByPbx(Cause::NoAnswer),
            1182 => Self::Other(Cause::AnsweredElsewhere),
            1183 => Self::Other(Cause::Cancelled),
            1192 => Self::ByPbx(Cause::AfterHours),
            code => Self::of_class(code),
        }
    }

    /// "An unknown code is read as its class": the documentation zeroes its last digits.
    fn of_class(code: i64) -> Self {
        match code {
            1110..=1119 => Self::CallerHungUp,
            1120..=1129 => Self::CalleeHungUp,
            1130..=1139 | 4200..=4299 => Self::Other(Cause::Unreachable),
            1150..=1159 => Self::Other(Cause::Blocked),
            1160..=1169 => Self::ByPbx(Cause::NoAnswer),
            1170..=1189 => Self::ByPbx(Cause::Normal),
            1190..=1199 | 3200..=3299 => Self::Other(Cause::NoRoute),
            1000..=1999 => Self::Other(Cause::Normal),
            2000..=5999 => Self::Other(Cause::Failed),
            _ => Self::Other(Cause::Unknown),
        }
    }

    /// The cause in an event of a leg, which does not know whether anybody talked.
    pub fn cause(self) -> Cause {
        match self {
            Self::CallerHungUp | Self::CalleeHungUp => Cause::Normal,
            Self::ByPbx(cause) | Self::Other(cause) => cause,
        }
    }

    /// The cause in a summary, which knows whether anybody talked.
    pub fn cause_of_call(self, talked: bool) -> Cause {
        match self {
            Self::CallerHungUp if !talked => Cause::Cancelled,
            Self::CalleeHungUp if !talked => Cause::Rejected,
            reason => reason.cause(),
        }
    }

    /// Our side, if the PBX itself ended it.
    pub fn by_pbx(self) -> Option<Side> {
        matches!(self, Self::ByPbx(_)).then_some(Side::Pbx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_codes_and_their_classes() {
        for (code, cause) in [
            (1100, Cause::Normal),
            (1111, Cause::NoAnswer),
            (1121, Cause::Busy),
            (1122, Cause::Rejected),
            (1131, Cause::Unreachable),
            (1133, Cause::NoRoute),
            (1138, Cause::Unreachable), // unknown, of class 1130
            (1151, Cause::Blocked),
            (1164, Cause::NoAnswer),
            (1171, Cause::Normal),
            (1182, Cause::AnsweredElsewhere),
            (1192, Cause::AfterHours),
            (2211, Cause::Failed),
            (3201, Cause::NoRoute),
            (4207, Cause::Unreachable),
            (5003, Cause::Failed),
            (0, Cause::Unknown),
            (i64::MIN, Cause::Unknown),
            (9999, Cause::Unknown),
        ] {
            assert_eq!(Reason::of(Some(code)).cause(), cause, "{code}");
        }
        assert_eq!(Reason::of(None).cause(), Cause::Unknown);
    }

    #[test]
    fn only_a_summary_knows_what_hanging_up_meant() {
        let gave_up = Reason::of(Some(1110));
        assert_eq!(gave_up.cause(), Cause::Normal);
        assert_eq!(gave_up.cause_of_call(true), Cause::Normal);
        assert_eq!(gave_up.cause_of_call(false), Cause::Cancelled);
        let refused = Reason::of(Some(1120));
        assert_eq!(refused.cause_of_call(false), Cause::Rejected);
    }
}
