//! Where to cut a list into parts of about equal length: which times to ask about, and what
//! follows from the responses.
//!
//! Pure: no I/O, no clock. The number of runs from a time on falls as the time grows. Each
//! response is one point of that curve; between two points, the next guess is by turns on the
//! straight line between them, in the middle, and near either end, where runs crowd together.
//! Responses may contradict each other, as the list changes in between: the parts are then less
//! equal, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

/// A part may be longer or shorter than an equal one by a fifth: its two cuts by a tenth each.
const TOLERANCE: f64 = 0.1;
/// The most times to ask about, for each part, and for the list.
const PROBES_A_PART: usize = 4;
const PROBES_A_LIST: usize = 60;

/// One list that is to be cut. Times are in milliseconds since 1970.
#[derive(Debug)]
pub(super) struct Partition {
    /// What is known of the list from these times on, by responses.
    points: BTreeMap<i64, Point>,
    total: u64,
    /// Behind the last run.
    end: i64,
    /// No cut is later.
    latest: i64,
    cuts: Vec<Cut>,
    probes_left: usize,
}

/// The list from a time on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Point {
    /// How many runs there are.
    pub(super) rows: u64,
    /// When the first of them started.
    pub(super) first: i64,
    /// Where a part that begins with it is cut off from the one before: where there is room, a
    /// millisecond earlier. No run started at the end of the part before then, and a request up
    /// to there, which includes it, shows nothing but that part.
    pub(super) cut: i64,
}

/// A cut to be made where a given number of runs follow.
#[derive(Debug)]
struct Cut {
    rows: u64,
    guesses: u32,
}

/// One part: it begins with a run or just before it, and ends before the next part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) from: i64,
    pub(super) rows: u64,
}

impl Partition {
    /// A list with `total` runs, from the `oldest` start to the `newest`, to be cut into
    /// `parts` parts, not later than at `latest`.
    pub(super) fn new(total: u64, oldest: i64, newest: i64, latest: i64, parts: usize) -> Self {
        let end = newest.max(oldest).saturating_add(1);
        let first = Point {
            rows: total,
            first: oldest,
            cut: oldest,
        };
        let behind = Point {
            rows: 0,
            first: end,
            cut: end,
        };
        let rows_behind = |cut: usize| {
            let rows = u128::from(total) * (parts - cut) as u128 / parts as u128;
            u64::try_from(rows).unwrap_or(total)
        };
        let cuts = (1..parts).map(|cut| Cut {
            rows: rows_behind(cut),
            guesses: 0,
        });
        Self {
            points: BTreeMap::from([(oldest, first), (end, behind)]),
            total,
            end,
            latest,
            cuts: cuts.collect(),
            probes_left: PROBES_A_LIST + PROBES_A_PART * parts,
        }
    }

    /// The times to ask about next: empty if there is nothing more to find out.
    pub(super) fn probes(&mut self) -> BTreeSet<i64> {
        let mut times = BTreeSet::new();
        let (gaps, tolerance) = (self.gaps(), self.tolerance());
        let mut guessed = None;
        for (cut, gap) in self.cuts.iter_mut().zip(gaps) {
            if times.len() == self.probes_left {
                break;
            }
            if gap.nearest(cut.rows).rows.abs_diff(cut.rows) <= tolerance {
                continue;
            }
            // Where the line has misled, what the first of the cuts finds helps the others.
            if cut.guesses > 0 && guessed.replace(gap.until) == Some(gap.until) {
                continue;
            }
            if let Some(time) = gap.guess(cut) {
                cut.guesses += 1;
                times.insert(time);
            }
        }
        self.probes_left -= times.len();
        times
    }

    /// Takes a response: `rows` runs started at `time` or later, the first of them at `first`.
    pub(super) fn take(&mut self, time: i64, rows: u64, first: Option<i64>) {
        // The start of a run that cannot be read is unknown.
        let unknown = if rows > 0 { time } else { self.end };
        let first = first.map_or(unknown, |first| first.clamp(time, self.end));
        let cut = time.max(first.saturating_sub(1));
        self.points.insert(time, Point { rows, first, cut });
    }

    /// The parts as far as they could be made out: none of them empty, so that there may be
    /// fewer than requested.
    pub(super) fn parts(&self) -> Vec<Part> {
        let places = self.cuts.iter().zip(self.gaps());
        let places = places.map(|(cut, gap)| gap.nearest(cut.rows));
        // Where two responses tell of the same run, one of them counts.
        let places: BTreeMap<i64, Point> = places.map(|point| (point.first, point)).collect();
        let oldest = self.points.first_key_value().map(|(time, _)| *time);
        let end = self.end.min(self.latest.saturating_add(1));
        let is_inside =
            |point: &Point| point.first < end && oldest.is_none_or(|first| point.first > first);
        let cuts = places.into_values().filter(is_inside);
        let cuts: BTreeMap<i64, u64> = cuts.map(|point| (point.cut, point.rows)).collect();
        let begins: Vec<_> = oldest
            .map(|first| (first, self.total))
            .into_iter()
            .chain(cuts)
            .collect();
        let behind = begins.iter().skip(1).map(|(_, rows)| *rows).chain([0]);
        let parts = begins.iter().zip(behind);
        parts
            .map(|(&(from, rows), behind)| Part {
                from,
                rows: rows.saturating_sub(behind),
            })
            .collect()
    }

    /// Where each cut lies among the responses: between the last that tells of more rows than are
    /// to follow it, and the next. Later cuts are followed by fewer rows, and so lie further on.
    fn gaps(&self) -> Vec<Gap> {
        let mut points = self.points.iter().peekable();
        let mut gap = Gap::default();
        let mut at = |rows: u64| {
            while let Some((_, point)) = points.next_if(|(_, point)| point.rows > rows) {
                gap.before = *point;
            }
            if let Some((time, point)) = points.peek() {
                (gap.behind, gap.until) = (**point, **time);
            }
            gap
        };
        self.cuts.iter().map(|cut| at(cut.rows)).collect()
    }

    /// By how many rows a cut may be off.
    fn tolerance(&self) -> u64 {
        let part = self.total as f64 / (self.cuts.len() + 1) as f64;
        (part * TOLERANCE) as u64
    }
}

/// Two neighbouring responses: more runs follow the first than are to follow the cut, and no more
/// the second.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    before: Point,
    behind: Point,
    /// When the second was asked about.
    until: i64,
}

impl Gap {
    /// The response that is nearer to what is wanted.
    fn nearest(&self, rows: u64) -> Point {
        let is_nearer = self.before.rows.abs_diff(rows) < self.behind.rows.abs_diff(rows);
        if is_nearer { self.before } else { self.behind }
    }

    /// A time in between to ask about. `None` if there is none.
    fn guess(&self, cut: &Cut) -> Option<i64> {
        // Up to the first run, the response would be the same.
        let (from, to) = (self.before.first + 1, self.until - 1);
        if from > to {
            return None;
        }
        let width = to - from;
        let time = match cut.guesses % 6 {
            0 | 1 => from + self.on_the_line(cut.rows, width),
            3 => from + width.isqrt(),
            2 | 4 => from + width / 2,
            _ => to - width.isqrt(),
        };
        Some(time)
    }

    /// How far into the gap the cut lies if the runs in it are evenly spread.
    fn on_the_line(&self, rows: u64, width: i64) -> i64 {
        let all = self.before.rows.saturating_sub(self.behind.rows);
        let before = self.before.rows.saturating_sub(rows);
        let part = before as f64 / all.max(1) as f64;
        ((width as f64 * part) as i64).clamp(0, width)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const YEAR: i64 = 365 * 24 * 60 * 60 * 1000;
    const MINUTE: i64 = 60 * 1000;

    /// A list that stands still, and how it was cut.
    struct Outcome {
        parts: Vec<Part>,
        probes: usize,
    }

    /// Cuts a list with these starts, in ascending order.
    fn cut(starts: &[i64], parts: usize) -> Outcome {
        let (oldest, newest) = (starts[0], starts[starts.len() - 1]);
        let mut partition = Partition::new(starts.len() as u64, oldest, newest, i64::MAX, parts);
        let mut probes = 0;
        loop {
            let times = partition.probes();
            if times.is_empty() {
                break;
            }
            probes += times.len();
            for time in times {
                let place = starts.partition_point(|start| *start < time);
                let rows = (starts.len() - place) as u64;
                partition.take(time, rows, starts.get(place).copied());
            }
        }
        let parts = partition.parts();
        Outcome { parts, probes }
    }

    /// How many runs the windows of the parts hold, which are all runs.
    fn lengths(starts: &[i64], outcome: &Outcome) -> Vec<u64> {
        let begins = outcome.parts.iter().map(|part| part.from);
        let ends = begins.clone().skip(1).chain([i64::MAX]);
        let count = |(from, end)| {
            let is_inside = |start: &&i64| (from..end).contains(*start);
            starts.iter().filter(is_inside).count() as u64
        };
        let lengths: Vec<_> = begins.zip(ends).map(count).collect();
        assert_eq!(lengths.iter().sum::<u64>(), starts.len() as u64);
        let told: Vec<_> = outcome.parts.iter().map(|part| part.rows).collect();
        assert_eq!(told, lengths);
        lengths
    }

    #[test]
    fn no_run_starts_where_a_part_ends_if_there_is_room() {
        let starts = even(10_000, 7);
        let parts = cut(&starts, 16).parts;
        let cuts: Vec<_> = parts[1..].iter().map(|part| part.from).collect();
        // One in seven times to ask about is the start of a run.
        let starting = cuts.iter().filter(|cut| starts.contains(cut)).count();
        assert!(starting <= 4, "{starting} of {}", cuts.len());
        assert_eq!(cuts.len(), 15);
    }

    fn even(rows: i64, gap: i64) -> Vec<i64> {
        (0..rows).map(|row| row * gap).collect()
    }

    #[test]
    fn runs_that_start_evenly_take_one_question_a_cut() {
        for parts in [2, 7, 64, 1000] {
            let starts = even(100_000, 7000);
            let outcome = cut(&starts, parts);
            assert_eq!(outcome.probes, parts - 1);
            let equal = 100_000.0 / parts as f64;
            for length in lengths(&starts, &outcome) {
                assert!((0.8..=1.2).contains(&(length as f64 / equal)), "{length}");
            }
            assert_eq!(outcome.parts.len(), parts);
        }
    }

    #[test]
    fn crowds_are_found_wherever_they_are() {
        let crowd = |at: i64| (0..50_000).map(move |row| at + row % MINUTE);
        let sparse = || (0..100).map(|row| row * YEAR / 20);
        for at in [0, 1, YEAR, 3 * YEAR + 7, 5 * YEAR - MINUTE, 5 * YEAR] {
            let mut starts: Vec<_> = sparse().chain(crowd(at)).collect();
            starts.sort_unstable();
            let outcome = cut(&starts, 16);
            assert!(outcome.probes <= 70, "{} questions", outcome.probes);
            assert_eq!(outcome.parts.len(), 16);
            let longest = lengths(&starts, &outcome).into_iter().max().unwrap();
            assert!(longest <= 50_100 / 16 * 12 / 10, "{longest} at {at}");
        }
    }

    #[test]
    fn a_list_that_grows_faster_and_faster_is_cut_evenly() {
        let start = |row: i64| ((row as f64 / 50_000.0).cbrt() * (5 * YEAR) as f64) as i64;
        let starts: Vec<_> = (0..50_000).map(start).collect();
        let outcome = cut(&starts, 32);
        assert!(outcome.probes <= 3 * 32, "{} questions", outcome.probes);
        let longest = lengths(&starts, &outcome).into_iter().max().unwrap();
        assert!(longest <= 50_000 / 32 * 12 / 10, "{longest}");
    }

    #[test]
    fn what_cannot_be_cut_is_not() {
        let one_millisecond = vec![5; 1000];
        assert_eq!(lengths(&one_millisecond, &cut(&one_millisecond, 8)), [1000]);
        assert_eq!(lengths(&[5], &cut(&[5], 8)), [1]);

        let two: Vec<_> = [vec![5; 500], vec![YEAR; 500]].concat();
        let outcome = cut(&two, 8);
        assert_eq!(lengths(&two, &outcome), [500, 500]);
        assert!(outcome.probes <= 20, "{} questions", outcome.probes);

        let few = even(5, YEAR);
        assert_eq!(lengths(&few, &cut(&few, 100)), [1; 5]);
    }

    #[test]
    fn no_cut_is_later_than_it_may_be() {
        for (latest, parts) in [(-1, 1), (0, 1), (200, 1), (400, 2), (600, 3), (999, 4)] {
            let mut partition = Partition::new(1000, 0, 999, latest, 4);
            loop {
                let times = partition.probes();
                if times.is_empty() {
                    break;
                }
                for time in times {
                    partition.take(time, 1000 - time as u64, Some(time));
                }
            }
            let parts_made = partition.parts();
            assert_eq!(parts_made.len(), parts, "not later than {latest}");
            assert!(parts_made.iter().all(|part| part.from <= latest.max(0)));
            assert_eq!(parts_made.iter().map(|part| part.rows).sum::<u64>(), 1000);
        }
    }

    #[test]
    fn contradictory_responses_do_no_harm() {
        for (rows, first) in [
            (1 << 40, None),
            (0, None),
            (7, Some(-5)),
            (7, Some(1 << 50)),
        ] {
            let mut partition = Partition::new(1000, 0, YEAR, i64::MAX, 10);
            let mut probes = 0;
            loop {
                let times = partition.probes();
                if times.is_empty() {
                    break;
                }
                probes += times.len();
                for time in times {
                    partition.take(time, rows, first);
                }
            }
            assert!(probes <= 10 * PROBES_A_PART + PROBES_A_LIST);
            let parts = partition.parts();
            assert_eq!(parts[0].from, 0);
            assert!(parts.windows(2).all(|pair| pair[0].from < pair[1].from));
            assert!(parts.iter().all(|part| (0..=YEAR).contains(&part.from)));
        }
    }

    /// Starts with gaps of all sizes.
    fn starts() -> impl Strategy<Value = Vec<i64>> {
        let gap = prop_oneof![
            3 => Just(0_i64),
            2 => 1_i64..5,
            2 => 1_i64..MINUTE,
            1 => 1_i64..YEAR,
        ];
        let crowd = (gap, 1_usize..300);
        let crowds = proptest::collection::vec(crowd, 1..8);
        crowds.prop_map(|crowds| {
            let mut start = 0;
            let gaps = crowds.into_iter().flat_map(|(gap, count)| vec![gap; count]);
            gaps.map(|gap| {
                start += gap;
                start
            })
            .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

        #[test]
        fn no_part_is_empty_and_none_much_too_long(starts in starts(), parts in 1_usize..40) {
            let outcome = cut(&starts, parts);
            let lengths = lengths(&starts, &outcome);
            prop_assert!(lengths.len() <= parts);
            prop_assert!(lengths.iter().all(|length| *length > 0));
            prop_assert!(outcome.probes <= PROBES_A_LIST + PROBES_A_PART * parts);
            // A millisecond cannot be cut.
            let ties = starts.chunk_by(|one, other| one == other).map(<[i64]>::len);
            let most_ties = ties.max().unwrap_or(0) as f64;
            let equal = starts.len() as f64 / parts as f64;
            let longest = lengths.into_iter().max().unwrap_or(0) as f64;
            let is_spent = outcome.probes == PROBES_A_LIST + PROBES_A_PART * parts;
            let most = 1.2 * equal + 2.0 + most_ties;
            prop_assert!(longest <= most || is_spent, "{longest}, {equal}, {most_ties}");
        }
    }
}
