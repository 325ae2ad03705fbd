//! The page that a request gets, also while the list changes.

use std::collections::HashSet;
use std::ops::Range;

use chrono::{DateTime, Utc};

use super::store::Store;

/// The rows that a request selects, and their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ListQuery {
    pub(super) offset: u64,
    pub(super) limit: u64,
    /// The limit that the response states.
    pub(super) sent_limit: u64,
    pub(super) descending: bool,
    pub(super) statuses: Vec<String>,
    pub(super) started_after: Option<DateTime<Utc>>,
    pub(super) started_before: Option<DateTime<Utc>>,
    /// Whether no row matches, whatever the other fields are.
    pub(super) is_empty: bool,
}

/// The rows of one page, comma-separated, and how many there are on it and in all.
pub(super) struct Listing {
    pub(super) total: u64,
    pub(super) count: u64,
    pub(super) items: String,
}

/// How far a page had been read when the list changed.
#[derive(Default)]
struct PagePosition {
    /// The number and the start of the last row that was picked or skipped, if there was one.
    last: Option<(u64, Option<DateTime<Utc>>)>,
    /// Rows that are not read again, by their numbers: those on the page, and those that started
    /// with the last one and stand before it.
    numbers: HashSet<u64>,
}

impl Store {
    pub(super) fn list(&self, query: &ListQuery) -> Listing {
        let mut page = Listing::empty(self.count(query));
        self.render_page(&self.pick_page(query), &mut page);
        page
    }

    /// A page during which the list changes, after half of its rows were read.
    ///
    /// Reading continues from there, as in a database that reads along an index without a
    /// snapshot.
    pub(super) fn list_during(
        &mut self,
        query: &ListQuery,
        change: impl FnOnce(&mut Self),
    ) -> Listing {
        let mut page = Listing::empty(self.count(query));
        let mut half = self.pick_page(query);
        half.truncate(half.len() / 2);
        self.render_page(&half, &mut page);
        let position = self.position(query, &half, page.total);

        change(self);

        let limit = query.limit - page.count;
        self.render_page(&self.pick_rest(query, &position, limit), &mut page);
        page
    }

    fn count(&self, query: &ListQuery) -> u64 {
        let in_time = self.places_in_time(query);
        if query.statuses.is_empty() {
            return in_time.end - in_time.start;
        }
        // There is no index of statuses.
        let matching = in_time.filter(|place| self.has_status(*place, &query.statuses));
        matching.count() as u64
    }

    fn pick_page(&self, query: &ListQuery) -> Vec<u64> {
        let in_time = self.places_in_time(query);
        self.pick(query, in_time, query.offset, query.limit)
    }

    /// The places of rows with the query's statuses, among these and in its order.
    fn pick(&self, query: &ListQuery, among: Range<u64>, offset: u64, limit: u64) -> Vec<u64> {
        if query.statuses.is_empty() {
            return slice(among, query.descending, offset, limit);
        }
        let matching = among.filter(|place| self.has_status(*place, &query.statuses));
        slice(matching, query.descending, offset, limit)
    }

    fn render_page(&self, places: &[u64], page: &mut Listing) {
        page.items.reserve(places.len() * 480);
        for place in places {
            if page.count > 0 {
                page.items.push(',');
            }
            self.render(*place, &mut page.items);
            page.count += 1;
        }
    }

    /// Rows between the query's times. Without times, rows that have none count too.
    fn places_in_time(&self, query: &ListQuery) -> Range<u64> {
        if query.is_empty {
            return 0..0;
        }
        let (after, before) = (query.started_after, query.started_before);
        let from = after.map_or(0, |time| self.first_at(|started| started >= time));
        let to = match (before, after) {
            (Some(time), _) => self.first_at(|started| started > time),
            (None, Some(_)) => self.first_at(|_| false),
            (None, None) => self.len(),
        };
        from..to.max(from)
    }

    /// The rows that started at this time; with `None`, those without a start.
    fn places_of_start(&self, start: Option<DateTime<Utc>>) -> Range<u64> {
        match start {
            Some(start) => {
                self.first_at(|started| started >= start)..self.first_at(|started| started > start)
            }
            None => self.first_at(|_| false)..self.len(),
        }
    }

    /// The position after these rows of a page, out of `total` that match.
    fn position(&self, query: &ListQuery, picked: &[u64], total: u64) -> PagePosition {
        let count = query.offset.saturating_add(picked.len() as u64);
        let Some(last) = count.min(total).checked_sub(1) else {
            return PagePosition::default();
        };
        let in_time = self.places_in_time(query);
        let Some(&last) = self.pick(query, in_time, last, 1).first() else {
            return PagePosition::default();
        };
        let start = self.started_at(last);
        let same_start = self.places_of_start(start);
        let before_last = if query.descending {
            last..same_start.end
        } else {
            same_start.start..last + 1
        };
        let places = picked.iter().copied().chain(before_last);
        PagePosition {
            last: Some((self.number_at(last), start)),
            numbers: places.map(|place| self.number_at(place)).collect(),
        }
    }

    fn pick_rest(&self, query: &ListQuery, position: &PagePosition, limit: u64) -> Vec<u64> {
        let among = self.places_behind(query, position);
        let with_numbers = limit.saturating_add(position.numbers.len() as u64);
        let mut places = self.pick(query, among, 0, with_numbers);
        places.retain(|place| !position.numbers.contains(&self.number_at(*place)));
        places.truncate(as_length(limit));
        places
    }

    /// Rows between the query's times that stand after this position.
    fn places_behind(&self, query: &ListQuery, position: &PagePosition) -> Range<u64> {
        let in_time = self.places_in_time(query);
        let Some((number, start)) = position.last else {
            return in_time;
        };
        let same_start = self.places_of_start(start);
        // A row that has another start now is no longer where reading stopped.
        let place = self.place_of_number(number);
        let place = place.filter(|place| same_start.contains(place));
        if query.descending {
            in_time.start..in_time.end.min(place.unwrap_or(same_start.end))
        } else {
            let behind = place.map_or(same_start.start, |place| place + 1);
            in_time.start.max(behind)..in_time.end
        }
    }
}

impl Listing {
    /// A page without rows.
    pub(super) fn empty(total: u64) -> Self {
        Self {
            total,
            count: 0,
            items: String::new(),
        }
    }
}

fn slice(
    places: impl DoubleEndedIterator<Item = u64>,
    descending: bool,
    offset: u64,
    limit: u64,
) -> Vec<u64> {
    let (offset, limit) = (as_length(offset), as_length(limit));
    if descending {
        places.rev().skip(offset).take(limit).collect()
    } else {
        places.skip(offset).take(limit).collect()
    }
}

fn as_length(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::RunSummary;
    use crate::emulator::clock::Clock;
    use crate::emulator::generated::GeneratedRuns;

    fn at(second: u32) -> String {
        format!("2025-01-01T00:00:{second:02}.000Z")
    }

    fn row(id: &str, second: u32, status: &str) -> Value {
        json!({"id": id, "status": status, "startedAt": at(second)})
    }

    fn store(rows: &[Value]) -> Store {
        Store::given(rows, Clock::showing(Utc::now()))
    }

    /// Ten rows, `0` to `9`, a second apart.
    fn ten() -> Store {
        let rows: Vec<_> = (0..10).map(|n| row(&n.to_string(), n, "READY")).collect();
        store(&rows)
    }

    fn ids(page: &Listing) -> Vec<String> {
        let rows: Vec<RunSummary> = serde_json::from_str(&format!("[{}]", page.items)).unwrap();
        assert_eq!(rows.len() as u64, page.count);
        rows.into_iter().map(|row| row.id.to_string()).collect()
    }

    fn page(offset: u64, limit: u64, descending: bool) -> ListQuery {
        ListQuery {
            offset,
            limit,
            descending,
            ..ListQuery::default()
        }
    }

    #[test]
    fn given_rows_are_sorted_and_filtered_inclusively() {
        let store = store(&[
            json!({"id": "new"}),
            row("c", 3, "FAILED"),
            row("a", 1, "FAILED"),
            row("b", 2, "RUNNING"),
        ]);
        let time = crate::timestamp::parse(&at(2));
        let select = |query| ids(&store.list(&query));

        assert_eq!(select(page(0, 100, false)), ["a", "b", "c", "new"]);
        assert_eq!(select(page(1, 2, true)), ["c", "b"]);
        let after = ListQuery {
            started_after: time,
            ..page(0, 100, false)
        };
        assert_eq!(select(after), ["b", "c"]);
        let before = ListQuery {
            started_before: time,
            ..page(0, 100, false)
        };
        assert_eq!(select(before), ["a", "b"]);
        let failed = ListQuery {
            statuses: vec!["FAILED".into()],
            ..page(1, 100, false)
        };
        assert_eq!(store.list(&failed).total, 2);
        assert_eq!(select(failed), ["c"]);
    }

    #[test]
    fn filters_see_changed_rows() {
        let runs = GeneratedRuns { length: 9, seed: 1 };
        let mut store = Store::generated(runs, Clock::showing(Utc::now()));
        store.update(2, |run| run["status"] = "TIMING-OUT".into());
        let timing_out = ListQuery {
            statuses: vec!["TIMING-OUT".into()],
            ..page(0, 100, false)
        };
        let selected = store.list(&timing_out);
        assert_eq!((selected.total, selected.count), (1, 1));
        assert_eq!(ids(&selected)[0], store.run(2).unwrap()["id"]);
    }

    /// What a page of four has, with two rows picked before `change`.
    fn during(query: &ListQuery, change: impl FnOnce(&mut Store)) -> String {
        let page = ten().list_during(query, change);
        assert_eq!(page.total, 10, "counted before the change");
        ids(&page).join(" ")
    }

    #[test]
    fn reading_continues_after_the_last_row_of_the_page() {
        let ascending = page(2, 4, false);
        let descending = page(2, 4, true);
        assert_eq!(during(&ascending, |_| {}), "2 3 4 5");
        assert_eq!(during(&descending, |_| {}), "7 6 5 4");

        // Rows before it, also skipped ones, make no difference.
        assert_eq!(during(&ascending, |store| store.delete(..3)), "2 3 4 5");
        assert_eq!(during(&descending, |store| store.delete(8..)), "7 6 5 4");
        let insert = |store: &mut Store| store.insert(&row("new", 3, "READY"));
        assert_eq!(during(&ascending, insert), "2 3 new 4");
        assert_eq!(during(&descending, insert), "7 6 5 4");

        // Without it, the page continues behind its place.
        assert_eq!(during(&ascending, |store| store.delete(2..5)), "2 3 5 6");
        assert_eq!(during(&descending, |store| store.delete(4..8)), "7 6 3 2");
        assert_eq!(during(&ascending, |store| store.delete(..)), "2 3");
    }

    #[test]
    fn no_row_is_twice_on_a_page() {
        let move_back = |store: &mut Store| {
            store.update(2, |run| run["startedAt"] = at(4).into());
        };
        assert_eq!(during(&page(2, 4, false), move_back), "2 3 4 5");
        let move_last = |store: &mut Store| {
            store.update(3, |run| run["startedAt"] = at(5).into());
        };
        assert_eq!(during(&page(2, 4, false), move_last), "2 3 4 5");
    }

    #[test]
    fn ties_of_a_row_that_is_gone_come_unless_they_were_read() {
        let rows: Vec<_> = "abcdef"
            .chars()
            .map(|id| row(&id.to_string(), 1, ""))
            .collect();
        for (descending, expected) in [(false, "b c d e"), (true, "e d c b")] {
            let gone = expected.split(' ').nth(1).unwrap();
            let page = store(&rows).list_during(&page(1, 4, descending), |store| {
                assert!(store.delete_run(gone));
            });
            assert_eq!(ids(&page).join(" "), expected);
        }
    }

    #[test]
    fn reading_continues_on_a_page_of_no_or_one_row() {
        let add = |store: &mut Store| {
            store.delete(..5);
            store.insert(&row("new", 30, "READY"));
        };
        assert_eq!(during(&page(9, 4, false), add), "9 new");
        assert_eq!(during(&page(50, 4, false), add), "new");
        assert_eq!(during(&page(0, 1, false), add), "5");
        assert_eq!(during(&page(0, 1, true), add), "new");
        assert_eq!(during(&page(9, 4, true), add), "");
    }

    #[test]
    fn filters_hold_for_the_rest_of_a_page() {
        let ready = ListQuery {
            statuses: vec!["READY".into()],
            started_before: crate::timestamp::parse(&at(8)),
            ..page(0, 100, false)
        };
        let page = ten().list_during(&ready, |store| {
            store.update(1, |run| run["status"] = "RUNNING".into());
            store.update(6, |run| run["status"] = "RUNNING".into());
        });
        assert_eq!(page.total, 9);
        assert_eq!(ids(&page).join(" "), "0 1 2 3 4 5 7 8");
    }
}
