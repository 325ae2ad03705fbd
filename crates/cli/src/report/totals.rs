//! All figures of a report, computed run by run.

use std::collections::{BTreeMap, HashMap};

use apify_runs::Id;
use chrono::{DateTime, NaiveDate, Utc};

use super::by::{By, Key};
use super::row::ReportRow;
use super::tally::{Sum, Tally};
use super::window::Window;

/// How many failures are listed.
pub(crate) const LATEST_FAILURES: usize = 25;

/// What runs add up to.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) window: Window,
    pub(crate) all: Tally,
    pub(crate) groupings: Vec<Grouping>,
    /// Of the runs in the window.
    pub(crate) first_started_at: Option<DateTime<Utc>>,
    /// Runs that are left out because their start is not known.
    pub(crate) undated: u64,
    pub(crate) details: Details,
}

/// The runs, summed up by one thing.
#[derive(Debug)]
pub(crate) struct Grouping {
    pub(crate) by: By,
    groups: HashMap<Key, Tally>,
}

/// What charts and lists are made from.
#[derive(Debug, Default)]
pub(crate) struct Details {
    /// How many runs of each status there are on each day.
    pub(crate) statuses: BTreeMap<NaiveDate, HashMap<Id, u64>>,
    /// Actors by their place in `costs`.
    actors: HashMap<Key, u32>,
    /// What each Actor cost on each day.
    costs: HashMap<(u32, NaiveDate), Sum>,
    failures: Vec<ReportRow>,
}

impl Totals {
    /// Nothing yet. Runs are summed up by these things.
    pub(crate) fn new(window: Window, by: &[By]) -> Self {
        let grouping = |by: &By| Grouping {
            by: *by,
            groups: HashMap::new(),
        };
        Self {
            window,
            all: Tally::default(),
            groupings: by.iter().map(grouping).collect(),
            first_started_at: None,
            undated: 0,
            details: Details::default(),
        }
    }

    pub(crate) fn add(&mut self, row: &ReportRow) {
        if !self.window.contains(row.started_at) {
            self.undated += u64::from(row.started_at.is_none());
            return;
        }
        self.all.add(row);
        for grouping in &mut self.groupings {
            let key = grouping.by.key(row);
            grouping.groups.entry(key).or_default().add(row);
        }
        let first = [self.first_started_at, row.started_at];
        self.first_started_at = first.into_iter().flatten().min();
        self.details.add(row);
    }

    /// The grouping by this key, if it was requested.
    pub(crate) fn by(&self, by: By) -> Option<&Grouping> {
        self.groupings.iter().find(|grouping| grouping.by == by)
    }
}

impl Grouping {
    /// Days and weeks in the order of time; anything else by what it costs, and then by its runs.
    pub(crate) fn sorted(&self) -> Vec<(&Key, &Tally)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|(one_key, one), (other_key, other)| {
            let by_key = one_key.cmp(other_key);
            if self.by.is_time() {
                return by_key;
            }
            let cost = |tally: &Tally| tally.cost().unwrap_or(-1.0);
            let by_cost = cost(other).total_cmp(&cost(one));
            by_cost.then(other.runs.cmp(&one.runs)).then(by_key)
        });
        groups
    }

    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The days that have runs, in their order.
    pub(crate) fn days(&self) -> impl Iterator<Item = (NaiveDate, &Tally)> {
        let day = |(key, tally): (&Key, _)| match key {
            Key::Day(day) => Some((*day, tally)),
            _ => None,
        };
        self.sorted().into_iter().filter_map(day)
    }
}

impl Details {
    fn add(&mut self, row: &ReportRow) {
        if row.is_failure() {
            self.failures.push(row.clone());
            if self.failures.len() >= 2 * LATEST_FAILURES {
                self.keep_latest_failures();
            }
        }
        let Some(day) = row.started_at.map(|time| time.date_naive()) else {
            return;
        };
        let statuses = self.statuses.entry(day).or_default();
        match statuses.get_mut(row.status.as_str()) {
            Some(count) => *count += 1,
            None => drop(statuses.insert(row.status.as_str().into(), 1)),
        }
        if let Some(cost) = row.cost {
            let next = self.actors.len() as u32;
            let actor = *self.actors.entry(By::Actor.key(row)).or_insert(next);
            self.costs.entry((actor, day)).or_default().add(cost);
        }
    }

    /// What an Actor cost on each day on which it had a cost.
    pub(crate) fn costs_of(&self, actor: &Key) -> impl Iterator<Item = (NaiveDate, f64)> {
        let actor = self.actors.get(actor).copied();
        let costs = self.costs.iter();
        let costs = costs.filter(move |((of, _), _)| Some(*of) == actor);
        costs.map(|((_, day), sum)| (*day, sum.value()))
    }

    fn keep_latest_failures(&mut self) {
        let time = |row: &ReportRow| row.finished_at.or(row.started_at);
        self.failures
            .sort_by(|one, other| time(other).cmp(&time(one)).then(one.id.cmp(&other.id)));
        self.failures.truncate(LATEST_FAILURES);
    }

    /// The failures that came last, the last one first.
    pub(crate) fn latest_failures(&mut self) -> &[ReportRow] {
        self.keep_latest_failures();
        &self.failures
    }
}
