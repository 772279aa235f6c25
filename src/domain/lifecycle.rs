//! The tables of legal moves, and the one rule by which a report is judged against them.
//!
//! Each one-way object supplies only a table; what a report means, which of two reports of one
//! second comes first, and which statuses are final all follow from it.

use serde::{Deserialize, Serialize};

/// A status that moves one way and never returns. The table is the whole specification.
pub trait Lifecycle: Copy + PartialEq + 'static {
    /// The statuses that may follow directly; empty when this one is final.
    fn next(self) -> &'static [Self];

    /// Whether some chain of legal moves ends at `later`.
    fn leads_to(self, later: Self) -> bool {
        self.next().iter().any(|&next| next == later || next.leads_to(later))
    }

    /// A final status is never left, whatever is reported afterwards.
    fn is_final(self) -> bool {
        self.next().is_empty()
    }
}

/// What a report means for its object, read in the object's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The first known report.
    First,
    /// News. Reports in between may be missing; the move may skip over them.
    Advance,
    /// The same status again; other fields may be news.
    Repeat,
    /// A move that no path of the table allows; kept, counted and shown.
    Conflict,
}

/// Judges `reported` against `held`.
pub fn judge<S: Lifecycle>(held: S, reported: S) -> Step {
    if held == reported {
        Step::Repeat
    } else if held.leads_to(reported) {
        Step::Advance
    } else {
        Step::Conflict
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]

    use std::fmt::Debug;

    use super::*;
    use crate::domain::event::{Report, Says};
    use crate::domain::examples;
    use crate::domain::fold::{Folded, Progress, State, advance, fold};
    use crate::domain::id::Kind;
    use crate::domain::payout::{Payout, PayoutStatus};
    use crate::domain::topup::TopupStatus;

    /// Every move that a report may tell of, straight or with reports in between missing.
    const TOPUP_MOVES: [(TopupStatus, TopupStatus); 5] = [
        (TopupStatus::Pending, TopupStatus::Succeeded),
        (TopupStatus::Pending, TopupStatus::Failed),
        (TopupStatus::Pending, TopupStatus::Canceled),
        (TopupStatus::Pending, TopupStatus::Reversed),
        (TopupStatus::Succeeded, TopupStatus::Reversed),
    ];
    const TOPUP_FINAL: [TopupStatus; 3] =
        [TopupStatus::Failed, TopupStatus::Canceled, TopupStatus::Reversed];

    const PAYOUT_MOVES: [(PayoutStatus, PayoutStatus); 8] = [
        (PayoutStatus::Pending, PayoutStatus::InTransit),
        (PayoutStatus::Pending, PayoutStatus::Paid),
        (PayoutStatus::Pending, PayoutStatus::Failed),
        (PayoutStatus::Pending, PayoutStatus::Canceled),
        (PayoutStatus::InTransit, PayoutStatus::Paid),
        (PayoutStatus::InTransit, PayoutStatus::Failed),
        (PayoutStatus::InTransit, PayoutStatus::Canceled),
        (PayoutStatus::Paid, PayoutStatus::Failed),
    ];
    const PAYOUT_FINAL: [PayoutStatus; 2] = [PayoutStatus::Failed, PayoutStatus::Canceled];

    /// A status under test, and how to report it.
    trait Reported: Lifecycle + Debug {
        const KIND: Kind;
        const ALL: &'static [Self];
        const MOVES: &'static [(Self, Self)];
        const FINAL: &'static [Self];
        fn says(self) -> Says;
        fn of(state: &State) -> Self;
    }

    impl Reported for TopupStatus {
        const KIND: Kind = Kind::Topup;
        const ALL: &'static [Self] = &Self::ALL;
        const MOVES: &'static [(Self, Self)] = &TOPUP_MOVES;
        const FINAL: &'static [Self] = &TOPUP_FINAL;

        fn says(self) -> Says {
            Says::Topup(examples::topup(self))
        }

        fn of(state: &State) -> Self {
            if let State::Topup(topup) = state { topup.status } else { panic!("{state:?}") }
        }
    }

    impl Reported for PayoutStatus {
        const KIND: Kind = Kind::Payout;
        const ALL: &'static [Self] = &Self::ALL;
        const MOVES: &'static [(Self, Self)] = &PAYOUT_MOVES;
        const FINAL: &'static [Self] = &PAYOUT_FINAL;

        fn says(self) -> Says {
            Says::Payout(examples::payout(self))
        }

        fn of(state: &State) -> Self {
            payout(state).status
        }
    }

    fn payout(state: &State) -> &Payout {
        if let State::Payout(payout) = state { payout } else { panic!("{state:?}") }
    }

    /// Reports of these statuses, one a second. The ids run against the time.
    fn one_a_second<S: Reported>(statuses: &[S]) -> Vec<Report> {
        let report = |(second, status): (u64, &S)| Report {
            event_id: format!("evt_{}", 9 - second),
            event_type: format!("{}.updated", S::KIND.word()),
            created: second,
            says: status.says(),
            arrival: examples::arrival(0),
        };
        (1..).zip(statuses).map(report).collect()
    }

    /// One report after the other, in the order of arrival.
    fn deliver(kind: Kind, reports: &[Report]) -> Progress {
        let mut held: Option<Progress> = None;
        for (place, report) in reports.iter().enumerate() {
            held = Some(match held.take() {
                Some(held) if report.created > held.newest => advance(kind, &held, report),
                _ => fold(kind, &reports[..=place], None).unwrap().progress,
            });
        }
        held.unwrap()
    }

    fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
        let Some((first, rest)) = items.split_first() else { return vec![Vec::new()] };
        let mut all = Vec::new();
        for order in orders(rest) {
            for place in 0..=order.len() {
                let mut order = order.clone();
                order.insert(place, first.clone());
                all.push(order);
            }
        }
        all
    }

    /// Every path of legal moves that starts here, with and without its steps in between.
    fn histories_from<S: Reported>(status: S) -> Vec<Vec<S>> {
        let mut all = vec![vec![status]];
        for &(_, next) in S::MOVES.iter().filter(|(from, _)| *from == status) {
            for mut history in histories_from(next) {
                history.insert(0, status);
                all.push(history);
            }
        }
        all
    }

    /// Every sequence of exactly this many statuses.
    fn sequences<S: Reported>(length: usize) -> Vec<Vec<S>> {
        if length == 0 {
            return vec![Vec::new()];
        }
        let longer = |sequence: Vec<S>| {
            S::ALL.iter().map(move |&status| [sequence.as_slice(), &[status]].concat())
        };
        sequences(length - 1).into_iter().flat_map(longer).collect()
    }

    fn check_table<S: Reported>() {
        for &from in S::ALL {
            assert_eq!(from.is_final(), S::FINAL.contains(&from), "{from:?}");
            for &to in S::ALL {
                let expected = match (from == to, S::MOVES.contains(&(from, to))) {
                    (true, _) => Step::Repeat,
                    (false, true) => Step::Advance,
                    (false, false) => Step::Conflict,
                };
                assert_eq!(judge(from, to), expected, "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn a_move_is_news_when_the_table_leads_there_and_a_conflict_when_it_does_not() {
        check_table::<TopupStatus>();
        check_table::<PayoutStatus>();
    }

    fn check_legal_histories<S: Reported>(pending: S) {
        for history in histories_from(pending) {
            let told = fold(S::KIND, &one_a_second(&history), None).unwrap();
            assert_eq!(S::of(&told.progress.state), *history.last().unwrap(), "{history:?}");
            assert_eq!(told.progress.conflicts, 0, "{history:?}");
            for order in orders(&one_a_second(&history)) {
                assert_eq!(deliver(S::KIND, &order), told.progress, "{order:?}");
            }
        }
    }

    #[test]
    fn every_legal_history_ends_as_told_in_whatever_order_it_is_delivered() {
        check_legal_histories(TopupStatus::Pending);
        check_legal_histories(PayoutStatus::Pending);
    }

    /// What any sequence of reports comes to: the later counts, but a final status stays.
    fn check_any_history<S: Reported>(history: &[S]) {
        let Folded { progress, history: entries, .. } =
            fold(S::KIND, &one_a_second(history), None).unwrap();
        let (mut held, mut conflicts) = (history[0], 0);
        assert_eq!(entries[0].step, Step::First, "{history:?}");
        for (&reported, entry) in history[1..].iter().zip(&entries[1..]) {
            let conflict = held != reported && !S::MOVES.contains(&(held, reported));
            assert_eq!(entry.step == Step::Conflict, conflict, "{history:?}");
            conflicts += u32::from(conflict);
            held = if S::FINAL.contains(&held) { held } else { reported };
            assert_eq!(S::of(&entry.state), held, "{history:?}");
        }
        assert_eq!((S::of(&progress.state), progress.conflicts), (held, conflicts), "{history:?}");
        assert_eq!(entries.len(), history.len(), "a conflict is kept: {history:?}");
        assert!(!progress.ambiguous, "each second is clear: {history:?}");
    }

    #[test]
    fn a_final_status_is_never_left_and_otherwise_the_later_report_counts() {
        for length in 1..=4 {
            for history in sequences::<TopupStatus>(length) {
                check_any_history(&history);
            }
            for history in sequences::<PayoutStatus>(length) {
                check_any_history(&history);
            }
        }
    }

    #[test]
    fn a_payout_that_failed_tells_whether_any_report_called_it_paid() {
        for history in (1..=4).flat_map(sequences::<PayoutStatus>) {
            let reports = one_a_second(&history);
            let said_paid = history.contains(&PayoutStatus::Paid);
            let mut progress = fold(Kind::Payout, &reports, None).unwrap().progress;
            let failed = payout(&progress.state).status == PayoutStatus::Failed;
            let expected = failed && said_paid;
            assert_eq!(payout(&progress.state).failed_after_paid, expected, "{history:?}");

            // The same when what came first becomes known last.
            progress = deliver(Kind::Payout, &[&reports[1..], &reports[..1]].concat());
            assert_eq!(payout(&progress.state).failed_after_paid, expected, "{history:?}");
        }
    }
}
