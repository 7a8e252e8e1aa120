use super::*;

const LIMITS: Limits = Limits {
    jobs_max: 2,
    submits_max: 100,
};

fn at(ms: i64) -> UnixMillis {
    UnixMillis::new(ms)
}

fn id(n: u8) -> JobId {
    JobId::from_bytes([n; 16])
}

fn ticket(n: u8, caller: &str) -> Ticket {
    Ticket {
        job: id(n),
        caller: CallerId::new(caller),
        priority: 0,
        since: at(n.into()),
        gone_at: at(10_000_000),
    }
}

/// Of a job that will count for long.
const UNKNOWN: Fate = Fate::Unknown(UnixMillis::new(10_000_000));

fn is_granted(gate: &mut Gatekeeper, n: u8, caller: &str, now: i64) -> bool {
    matches!(
        gate.admit(&ticket(n, caller), at(now)),
        Admission::Granted { .. }
    )
}

fn reason(gate: &mut Gatekeeper, n: u8, now: i64) -> Option<Reason> {
    match gate.admit(&ticket(n, "a"), at(now)) {
        Admission::Granted { .. } => None,
        Admission::Wait { reason, .. } => Some(reason),
    }
}

#[test]
fn a_full_endpoint_lets_the_next_in_line_ask_when_somebody_leaves() {
    let mut gate = Gatekeeper::new(LIMITS);
    assert!(is_granted(&mut gate, 1, "a", 0));
    assert!(is_granted(&mut gate, 2, "a", 0));
    assert_eq!(reason(&mut gate, 3, 0), Some(Reason::Full));
    assert_eq!(reason(&mut gate, 4, 0), Some(Reason::Full));
    assert_eq!(gate.position(id(4), at(1)), Some(1));
    assert_eq!(gate.tell(id(1), Fate::Left, at(5)), [id(3)]);
    // The one behind does not overtake.
    assert_eq!(reason(&mut gate, 4, 6), Some(Reason::Full));
    assert!(is_granted(&mut gate, 3, "a", 7));
}

#[test]
fn asking_again_takes_no_second_slot() {
    let mut gate = Gatekeeper::new(LIMITS);
    for _ in 0..5 {
        assert!(is_granted(&mut gate, 1, "a", 0));
    }
    assert_eq!(gate.standing(at(0)).at_endpoint, 1);
}

#[test]
fn the_first_job_of_one_caller_goes_before_the_thousandth_of_another() {
    let mut gate = Gatekeeper::new(LIMITS);
    for n in 1..=100 {
        is_granted(&mut gate, n, "heavy", 0);
    }
    is_granted(&mut gate, 101, "light", 1);
    assert_eq!(gate.position(id(101), at(1)), Some(0));
    assert_eq!(gate.tell(id(1), Fate::Left, at(2)), [id(101)]);
}

#[test]
fn a_higher_priority_goes_before_the_callers_own_and_a_lower_one_after_everybody() {
    let mut gate = Gatekeeper::new(WIDE);
    assert_eq!(enter(&mut gate, "other", 100, 109, 0), 10);
    enter(&mut gate, "a", 1, 3, 0);
    let of = |n, caller, priority| Ticket {
        priority,
        ..ticket(n, caller)
    };
    gate.admit(&of(9, "a", 1), at(1));
    gate.admit(&of(10, "b", -1), at(1));
    assert_eq!(gate.position(id(9), at(1)), Some(0));
    assert_eq!(gate.position(id(10), at(1)), Some(4));
}

/// Whoever kept just below a flood and called all of its jobs urgent had every slot for ever: each
/// that became free went to its next job.
#[test]
fn nobody_goes_before_others_by_calling_its_jobs_urgent() {
    let mut gate = Gatekeeper::new(WIDE);
    let urgent = |n| Ticket {
        priority: 10,
        ..ticket(n, "pushy")
    };
    for n in 1..=10 {
        gate.admit(&urgent(n), at(0));
    }
    is_granted(&mut gate, 110, "light", 1);
    assert_eq!(gate.tell(id(1), Fate::Left, at(2)), [id(110)]);
    gate.admit(&urgent(11), at(2));
    assert_eq!(gate.position(id(110), at(3)), Some(0));
}

/// The whole line was put in order for each who asked where it stands: a few pages that asked all
/// the time kept the gate from letting anybody in.
#[test]
fn a_place_in_a_long_line_is_looked_up_once_a_second() {
    let mut gate = Gatekeeper::new(LIMITS);
    let long = |n: u16| Ticket {
        job: JobId::from_bytes(
            [[9; 14].as_slice(), &n.to_be_bytes()]
                .concat()
                .try_into()
                .unwrap(),
        ),
        since: at(n.into()),
        ..ticket(0, "a")
    };
    let begun = at(100_000);
    for n in 0..600 {
        gate.admit(&long(n), begun);
    }
    let place = |gate: &mut Gatekeeper, ms| gate.position(long(3).job, at(ms));
    assert_eq!(place(&mut gate, 100_000), Some(1), "two have gone in");
    gate.tell(long(2).job, Fate::Left, begun);
    assert_eq!(place(&mut gate, 100_999), Some(1));
    assert_eq!(place(&mut gate, 101_000), Some(0));
}

#[test]
fn submits_keep_to_the_window() {
    let limits = Limits {
        jobs_max: 100,
        submits_max: 3,
    };
    let mut gate = Gatekeeper::new(limits);
    for n in 1..=3 {
        assert!(is_granted(&mut gate, n, "a", 1_000));
    }
    let wait = gate.admit(&ticket(4, "a"), at(2_000));
    let until = at(11_000);
    assert_eq!(
        wait,
        Admission::Wait {
            until,
            reason: Reason::TooFast
        }
    );
    assert!(is_granted(&mut gate, 4, "a", 11_000));
}

#[test]
fn an_endpoint_that_refuses_is_tried_by_one_job_at_a_time() {
    let mut gate = Gatekeeper::new(LIMITS);
    assert!(is_granted(&mut gate, 1, "a", 0));
    gate.tell(id(1), Fate::PutOff(Some(at(30_000))), at(10));
    assert_eq!(reason(&mut gate, 1, 20), Some(Reason::Refusing));
    assert_eq!(reason(&mut gate, 2, 29_999), Some(Reason::Refusing));
    // After that the first in line tries, and nobody beside it.
    let tried = gate.admit(&ticket(1, "a"), at(30_000));
    assert_eq!(tried, Admission::Granted { tries: true });
    assert_eq!(reason(&mut gate, 2, 30_001), Some(Reason::Refusing));
    assert_eq!(gate.tell(id(1), Fate::Taken, at(30_100)), [id(2)]);
    let next = gate.admit(&ticket(2, "a"), at(30_200));
    assert_eq!(next, Admission::Granted { tries: false });
}

#[test]
fn each_try_that_fails_closes_the_gate_for_longer() {
    let mut gate = Gatekeeper::new(LIMITS);
    let mut now = 0;
    let mut closed = Vec::new();
    for _ in 0..7 {
        assert!(is_granted(&mut gate, 1, "a", now));
        gate.tell(id(1), Fate::PutOff(Some(at(now))), at(now));
        let until = gate.standing(at(now)).closed_until.unwrap().get();
        closed.push(until - now);
        now = until;
    }
    assert_eq!(
        closed,
        [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
    );
}

#[test]
fn single_unknown_submits_do_not_close_the_gate_and_three_in_a_minute_do() {
    let limits = Limits {
        jobs_max: 100,
        ..LIMITS
    };
    let mut gate = Gatekeeper::new(limits);
    for n in 1..=3 {
        assert!(is_granted(&mut gate, n, "a", i64::from(n) * 100_000));
        gate.tell(id(n), UNKNOWN, at(i64::from(n) * 100_000));
    }
    for n in 4..=5 {
        assert!(is_granted(&mut gate, n, "a", 300_001));
        gate.tell(id(n), UNKNOWN, at(300_001));
    }
    assert_eq!(reason(&mut gate, 9, 300_002), Some(Reason::Refusing));
    // They may be at the endpoint: their slots stay taken.
    assert_eq!(gate.standing(at(300_002)).at_endpoint, 5);
}

#[test]
fn a_paused_gate_lets_nobody_through_and_everybody_ask_afterwards() {
    let mut gate = Gatekeeper::new(LIMITS);
    gate.refresh(Vec::new(), true, at(0));
    assert_eq!(reason(&mut gate, 1, 0), Some(Reason::Paused));
    assert!(gate.may_ask(at(1)).is_empty());
    gate.refresh(Vec::new(), false, at(2));
    assert_eq!(gate.may_ask(at(2)), [id(1)]);
}

#[test]
fn what_the_database_knows_replaces_what_is_remembered() {
    let mut gate = Gatekeeper::new(LIMITS);
    assert!(is_granted(&mut gate, 1, "a", 0));
    assert!(is_granted(&mut gate, 2, "a", 100_000));
    // The end of 1 was never told; 2 has not written its attempt down yet.
    gate.refresh(Vec::new(), false, at(100_001));
    assert_eq!(gate.standing(at(100_001)).at_endpoint, 1);
    assert!(is_granted(&mut gate, 3, "a", 100_002));
}

#[test]
fn slots_and_places_of_those_who_are_gone_are_given_away() {
    let mut gate = Gatekeeper::new(LIMITS);
    for n in 1..=2 {
        let short = Ticket {
            gone_at: at(1_000),
            ..ticket(n, "a")
        };
        gate.admit(&short, at(0));
    }
    assert_eq!(reason(&mut gate, 3, 0), Some(Reason::Full));
    let later = at(0).plus_ms(GONE_MS).get();
    assert!(is_granted(&mut gate, 4, "a", later));
    assert_eq!(gate.position(id(3), at(1)), None);
}

/// How many of the jobs from `first` to `last` of one caller go in.
fn enter(gate: &mut Gatekeeper, caller: &str, first: u8, last: u8, now: i64) -> usize {
    let asked = (first..=last).filter(|n| is_granted(gate, *n, caller, now));
    asked.count()
}

const WIDE: Limits = Limits {
    jobs_max: 10,
    submits_max: 1_000,
};

#[test]
fn who_is_alone_has_every_slot_and_a_flood_beside_others_has_half() {
    let mut gate = Gatekeeper::new(WIDE);
    assert_eq!(enter(&mut gate, "flood", 1, 60, 0), 10);
    let mut gate = Gatekeeper::new(WIDE);
    assert_eq!(enter(&mut gate, "light", 100, 100, 0), 1);
    // The first ten are no flood yet.
    gate.refresh(Vec::new(), true, at(1));
    assert_eq!(enter(&mut gate, "flood", 1, 60, 1), 0);
    gate.refresh(Vec::new(), false, at(2));
    assert_eq!(
        enter(&mut gate, "flood", 1, 60, 2),
        4,
        "and one is the other's"
    );
    assert_eq!(enter(&mut gate, "light", 101, 105, 3), 5);
}

#[test]
fn a_flood_goes_after_the_others_whatever_its_priority() {
    let mut gate = Gatekeeper::new(WIDE);
    assert_eq!(enter(&mut gate, "other", 100, 109, 0), 10);
    for n in 1..=20 {
        let urgent = Ticket {
            priority: 10,
            ..ticket(n, "flood")
        };
        gate.admit(&urgent, at(1));
    }
    is_granted(&mut gate, 110, "light", 2);
    assert_eq!(gate.position(id(110), at(3)), Some(0));
    assert_eq!(gate.tell(id(100), Fate::Left, at(4)), [id(110)]);
}

#[test]
fn a_flood_that_nobody_lets_in_goes_first_once_in_ten_minutes() {
    let mut gate = Gatekeeper::new(WIDE);
    assert_eq!(enter(&mut gate, "other", 100, 109, 0), 10);
    let late = i64::try_from(LATELY_MS).unwrap();
    let ask = |gate: &mut Gatekeeper, now: i64| {
        enter(gate, "flood", 1, 20, now) + enter(gate, "light", 110, 110, now)
    };
    for now in [0, late / 3, 2 * late / 3, late - 1] {
        assert_eq!(ask(&mut gate, now), 0);
    }
    assert_eq!(gate.position(id(1), at(late - 1)), Some(1));
    assert_eq!(gate.tell(id(100), Fate::Left, at(late)), [id(1)]);
    assert!(is_granted(&mut gate, 1, "flood", late));
    assert_eq!(gate.tell(id(101), Fate::Left, at(late)), [id(110)]);
}

#[test]
fn a_flood_of_low_priority_does_not_starve_either() {
    let mut gate = Gatekeeper::new(WIDE);
    assert_eq!(enter(&mut gate, "other", 100, 109, 0), 10);
    let late = i64::try_from(LATELY_MS).unwrap();
    for now in [0, late / 3, 2 * late / 3, late - 1] {
        for n in 1..=20 {
            let patient = Ticket {
                priority: -10,
                ..ticket(n, "flood")
            };
            gate.admit(&patient, at(now));
        }
        is_granted(&mut gate, 110, "light", now);
    }
    assert_eq!(gate.tell(id(100), Fate::Left, at(late)), [id(1)]);
}

#[test]
fn a_try_of_which_nothing_is_heard_is_followed_by_another() {
    let mut gate = Gatekeeper::new(LIMITS);
    assert!(is_granted(&mut gate, 1, "a", 0));
    gate.tell(id(1), Fate::PutOff(Some(at(1_000))), at(10));
    let tried = gate.admit(&ticket(2, "a"), at(3_000));
    assert_eq!(tried, Admission::Granted { tries: true });
    // Whoever tried has died, or its word was lost. The database has its attempt.
    assert_eq!(reason(&mut gate, 3, 4_000), Some(Reason::Refusing));
    gate.refresh(vec![ticket(2, "a")], false, at(64_000));
    let next = gate.admit(&ticket(3, "a"), at(64_000));
    assert_eq!(next, Admission::Granted { tries: true });
}
