//! Who may do what: `can(person, action, object)`, asked by every handler.
//!
//! A right is an action within a reach: one's own calls and clients, those of one's department, or
//! all. [`reach`] is the whole table. Being rung by a client adds sight of that client's card and call
//! until wrap-up ends; such sight is told apart ([`Verdict::ByRing`]) so that the handler can audit it.
//!
//! Pure: what an object belongs to is read by the caller beforehand.

use crate::model::{
    ids::PersonId,
    people::{Person, Role},
};

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Use the desk and one's own settings.
    UseDesk,
    /// See calls and the journal.
    SeeCalls,
    /// See clients' cards, with names and notes.
    SeeCards,
    /// See numbers in full without asking.
    SeeFullNumbers,
    /// Uncover one masked number; each time is audited.
    RevealNumbers,
    /// Listen to recordings.
    Listen,
    /// Take recordings away as files.
    Download,
    /// Take lists away as files.
    Export,
    /// Write notes and change cards and tasks.
    ChangeCards,
    /// Have one's phone call a client.
    CallClients,
    /// See figures by line and channel.
    SeeFigures,
    /// Say which number belongs to which channel, what a target call is, and what channels cost.
    ManageChannels,
    /// Watch other people's pops live.
    Supervise,
    /// Set and lift legal holds, and erase a person.
    DecideWhatStays,
    /// See accounts, dead letters and why a pop did not come.
    RunInstallation,
    /// Add people, change them, switch them off and hand their clients over; whom exactly says
    /// [`appoints`].
    ManagePeople,
    /// Read who did what.
    ReadAudit,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 17] = [
        Self::UseDesk,
        Self::SeeCalls,
        Self::SeeCards,
        Self::SeeFullNumbers,
        Self::RevealNumbers,
        Self::Listen,
        Self::Download,
        Self::Export,
        Self::ChangeCards,
        Self::CallClients,
        Self::SeeFigures,
        Self::ManageChannels,
        Self::Supervise,
        Self::DecideWhatStays,
        Self::RunInstallation,
        Self::ManagePeople,
        Self::ReadAudit,
    ];

    /// Whether being rung by a client widens this right to that client, for those who have it at all.
    const fn widens_by_ring(self) -> bool {
        matches!(
            self,
            Self::SeeCalls
                | Self::SeeCards
                | Self::SeeFullNumbers
                | Self::ChangeCards
                | Self::CallClients
        )
    }
}

/// How far a right goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Calls one was rung or talked in, cards one is responsible for.
    Own,
    /// The same of everybody in one's department.
    Department,
    /// Everything.
    All,
}

/// The table of rights; `None`: not at all.
pub const fn reach(role: Role, action: Action) -> Option<Reach> {
    use Action as A;
    use Reach::{All, Department, Own};
    match (role, action) {
        (_, A::UseDesk) => Some(All),

        (
            Role::Manager,
            A::SeeCalls
            | A::SeeCards
            | A::SeeFullNumbers
            | A::Listen
            | A::ChangeCards
            | A::CallClients,
        ) => Some(Own),
        (Role::Manager, _) => None,

        (Role::Head, A::RevealNumbers | A::SeeFigures) => Some(All),
        (
            Role::Head,
            A::RunInstallation | A::ManageChannels | A::DecideWhatStays | A::ReadAudit,
        ) => None,
        (Role::Head, _) => Some(Department),

        // Reads figures and the calls behind them; never needs to know who a client is.
        (Role::Marketer, A::SeeCalls | A::SeeFigures | A::ManageChannels | A::Export) => Some(All),
        (Role::Marketer, _) => None,

        (
            Role::Quality,
            A::SeeCalls | A::SeeCards | A::RevealNumbers | A::Listen | A::Download | A::SeeFigures,
        ) => Some(All),
        (Role::Quality, _) => None,

        (Role::Owner, _) => Some(All),

        // Mends the machine: sees that calls came, masked; a number only with a trace in the audit.
        (
            Role::Administrator,
            A::SeeCalls
            | A::RevealNumbers
            | A::ManageChannels
            | A::RunInstallation
            | A::ManagePeople
            | A::ReadAudit,
        ) => Some(All),
        (Role::Administrator, _) => None,
    }
}

/// Whether `role` may do all that `other` may, as far.
pub fn covers(role: Role, other: Role) -> bool {
    Action::ALL
        .into_iter()
        .all(|action| reach(other, action) <= reach(role, action))
}

/// Whether `role` may make somebody an `other`, and change or switch off who is one. An administrator
/// lets people in and yet gets no way in as an owner; the first owner comes from the command line.
pub fn appoints(role: Role, other: Role) -> bool {
    match role {
        Role::Owner => true,
        Role::Administrator => other != Role::Owner,
        Role::Head => other == Role::Manager,
        Role::Manager | Role::Marketer | Role::Quality => false,
    }
}

/// What an action is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// A page or list as a whole: any reach lets in, and the list itself is cut to the reach.
    Whole,
    /// One call or card.
    Of(Belongs),
}

/// Whom a call or card belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belongs {
    /// The responsible person and everybody who was rung or talked.
    pub people: Vec<PersonId>,
    /// Their departments.
    pub departments: Vec<i64>,
    /// Whether the asking person is rung by it now, or was and wrap-up has not ended.
    pub rung: bool,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// By the table of rights.
    Allowed,
    /// Only because the person is being rung; must be audited.
    ByRing,
    /// No.
    Denied,
}

impl Verdict {
    /// Whether the action may go on.
    pub const fn is_allowed(self) -> bool {
        !matches!(self, Self::Denied)
    }
}

/// Whether `person` may do `action` to `object`.
pub fn can(person: &Person, action: Action, object: &Object) -> Verdict {
    if !person.active {
        return Verdict::Denied;
    }
    let reach = reach(person.role, action);
    let belongs = match object {
        Object::Whole if reach.is_some() => return Verdict::Allowed,
        Object::Whole => return Verdict::Denied,
        Object::Of(belongs) => belongs,
    };
    let own = belongs.people.contains(&person.id);
    let of_department = person
        .department
        .is_some_and(|department| belongs.departments.contains(&department));
    let within = match reach {
        Some(Reach::All) => true,
        Some(Reach::Department) => own || of_department,
        Some(Reach::Own) => own,
        None => false,
    };
    if within {
        Verdict::Allowed
    } else if belongs.rung && widened(reach, action) {
        Verdict::ByRing
    } else {
        Verdict::Denied
    }
}

/// Whoever is rung may see what rings; anything more only those who have the right somewhere.
fn widened(reach: Option<Reach>, action: Action) -> bool {
    let sight = matches!(action, Action::SeeCalls | Action::SeeCards);
    sight || (reach.is_some() && action.widens_by_ring())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(role: Role) -> Person {
        Person {
            id: PersonId(1),
            login: "anna".to_owned(),
            name: "Anna".to_owned(),
            role,
            department: Some(7),
            language: "ru".to_owned(),
            active: true,
        }
    }

    fn of(people: &[i64], departments: &[i64], rung: bool) -> Object {
        Object::Of(Belongs {
            people: people.iter().copied().map(PersonId).collect(),
            departments: departments.to_vec(),
            rung,
        })
    }

    #[test]
    fn a_manager_sees_own_clients_and_whoever_rings() {
        let anna = person(Role::Manager);
        let own = of(&[1, 2], &[7], false);
        let colleagues = of(&[2], &[7], false);
        let ringing = of(&[2], &[7], true);
        assert_eq!(can(&anna, Action::SeeCards, &own), Verdict::Allowed);
        assert_eq!(can(&anna, Action::SeeCards, &colleagues), Verdict::Denied);
        assert_eq!(can(&anna, Action::SeeCards, &ringing), Verdict::ByRing);
        assert_eq!(can(&anna, Action::Listen, &ringing), Verdict::Denied);
        assert_eq!(can(&anna, Action::Download, &own), Verdict::Denied);
    }

    #[test]
    fn a_head_reaches_the_department_and_no_further() {
        let head = person(Role::Head);
        assert_eq!(
            can(&head, Action::Listen, &of(&[2], &[7], false)),
            Verdict::Allowed
        );
        assert_eq!(
            can(&head, Action::Listen, &of(&[2], &[8], false)),
            Verdict::Denied
        );
    }

    #[test]
    fn a_ring_gives_sight_but_no_right_the_role_lacks() {
        let marketer = person(Role::Marketer);
        let ringing = of(&[2], &[8], true);
        assert_eq!(can(&marketer, Action::SeeCards, &ringing), Verdict::ByRing);
        assert_eq!(
            can(&marketer, Action::SeeFullNumbers, &ringing),
            Verdict::Denied
        );
        assert_eq!(
            can(&marketer, Action::ChangeCards, &ringing),
            Verdict::Denied
        );
    }

    #[test]
    fn an_owner_covers_everybody_and_nobody_an_owner() {
        for role in Role::ALL {
            assert!(covers(Role::Owner, role) && covers(role, role));
            assert_eq!(covers(role, Role::Owner), role == Role::Owner);
        }
        assert!(!covers(Role::Administrator, Role::Marketer));
    }

    #[test]
    fn nobody_makes_anybody_more_than_he_is_let() {
        for role in Role::ALL {
            let whom = |by| {
                Role::ALL
                    .into_iter()
                    .filter(move |other| appoints(by, *other))
            };
            assert_eq!(
                whom(role).count() > 0,
                reach(role, Action::ManagePeople).is_some()
            );
            assert_eq!(appoints(role, Role::Owner), role == Role::Owner);
        }
        assert!(!appoints(Role::Head, Role::Head) && !appoints(Role::Head, Role::Administrator));
        let head = person(Role::Head);
        let (own, others) = (of(&[2], &[7], false), of(&[3], &[8], false));
        assert_eq!(can(&head, Action::ManagePeople, &own), Verdict::Allowed);
        assert_eq!(can(&head, Action::ManagePeople, &others), Verdict::Denied);
    }

    #[test]
    fn whoever_was_switched_off_may_nothing() {
        for role in Role::ALL {
            let gone = Person {
                active: false,
                ..person(role)
            };
            for action in Action::ALL {
                assert_eq!(can(&gone, action, &Object::Whole), Verdict::Denied);
                assert_eq!(can(&gone, action, &of(&[1], &[7], true)), Verdict::Denied);
            }
        }
    }

    #[test]
    fn every_role_has_a_desk_and_only_two_run_the_installation() {
        for role in Role::ALL {
            assert!(reach(role, Action::UseDesk).is_some());
            assert_eq!(
                reach(role, Action::RunInstallation).is_some(),
                matches!(role, Role::Owner | Role::Administrator)
            );
        }
    }
}
