//! The runs without a start that a cursor remembers.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use crate::run::Id;

/// How many are remembered. Most runs without a start get one soon; where there are more of
/// them, it is because the starts cannot be read, and then the newest are those that are read
/// again.
const MAX_UNDATED: usize = 10_000;

/// Runs without a start that were handed out, and the finish they had then: the last ones.
#[derive(Clone, Default)]
pub(super) struct UndatedRuns {
    /// By the order in which they came.
    runs: BTreeMap<u64, (Id, Option<DateTime<Utc>>)>,
    numbers: HashMap<Id, u64>,
}

impl UndatedRuns {
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The finish a run had, if it is remembered.
    pub(super) fn get(&self, id: &Id) -> Option<Option<DateTime<Utc>>> {
        let number = self.numbers.get(id)?;
        self.runs.get(number).map(|(_, finished_at)| *finished_at)
    }

    pub(super) fn insert(&mut self, id: Id, finished_at: Option<DateTime<Utc>>) {
        self.remove(&id);
        if self.runs.len() == MAX_UNDATED
            && let Some((_, (oldest, _))) = self.runs.pop_first()
        {
            self.numbers.remove(&oldest);
        }
        let last = self.runs.last_key_value();
        let number = last.map_or(0, |(number, _)| number + 1);
        self.numbers.insert(id.clone(), number);
        self.runs.insert(number, (id, finished_at));
    }

    /// Forgets a run, and says whether it was remembered.
    pub(super) fn remove(&mut self, id: &Id) -> bool {
        let number = self.numbers.remove(id);
        number.is_some_and(|number| self.runs.remove(&number).is_some())
    }

    /// The oldest first.
    pub(super) fn by_age(&self) -> impl Iterator<Item = &(Id, Option<DateTime<Utc>>)> {
        self.runs.values()
    }
}

/// The numbers do not matter, only the order.
impl PartialEq for UndatedRuns {
    fn eq(&self, other: &Self) -> bool {
        self.runs.values().eq(other.runs.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_remembered() {
        let mut undated = UndatedRuns::default();
        let id = |number: usize| Id::from(format!("run{number}"));
        for number in 0..MAX_UNDATED + 5 {
            undated.insert(id(number), None);
        }
        assert!(undated.remove(&id(7)) && !undated.remove(&id(7)));
        undated.insert(id(5), None);
        let kept: Vec<_> = undated.by_age().map(|(id, _)| id.clone()).collect();
        let expected = [6].into_iter().chain(8..MAX_UNDATED + 5).chain([5]).map(id);
        assert_eq!(kept, expected.collect::<Vec<_>>());
        assert_eq!(
            (undated.get(&id(4)), undated.get(&id(5))),
            (None, Some(None))
        );
    }

    #[test]
    fn runs_that_came_in_one_order_are_the_same() {
        let of = |ids: &[&str]| {
            let mut undated = UndatedRuns::default();
            for &id in ids {
                undated.insert(id.into(), None);
            }
            undated
        };
        assert!(of(&["a", "b", "a"]) == of(&["b", "a"]));
        assert!(of(&["a", "b"]) != of(&["b", "a"]));
        assert!(of(&["a"]) != of(&[]) && of(&[]).is_empty() && !of(&["a"]).is_empty());
    }
}
