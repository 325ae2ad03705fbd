//! The order of a walk: which page to ask for next, and which rows of an answer are new.
//!
//! Pure: no I/O, no clock. [`Walk::next_request`] says what to ask for, [`Walk::take`]
//! takes the answer. The list may change between any two requests, so each request after
//! the first starts one row early: its first row must be the last row of the page before.
//! If it is, what follows it is what follows that row in the service's own order, whatever
//! was deleted or inserted elsewhere. If it is not, rows may have moved past the offset,
//! and the walk says so instead of losing them.

use std::fmt;

use crate::decode::Page;
use crate::query::{MAX_PAGE_SIZE, RunQuery};
use crate::run::Id;

/// A page to ask for: `limit` rows from the row at `offset` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRequest {
    pub(crate) offset: u64,
    pub(crate) limit: u64,
}

/// Which rows of an answer to hand out: `keep` rows after the first `skip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) skip: usize,
    pub(crate) keep: usize,
}

/// Why a walk cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The page does not begin with the last row of the page before.
    Moved {
        offset: u64,
        expected: Id,
        found: Option<Id>,
    },
    /// The same request brought nothing new twice, though the service says there is more.
    Stalled { offset: u64 },
}

/// One walk over the list.
#[derive(Debug)]
pub(crate) struct Walk {
    page_size: u64,
    /// How many rows may still be handed out, if the query has a limit.
    remaining: Option<u64>,
    state: State,
    doubt: Doubt,
}

#[derive(Debug)]
enum State {
    /// No row yet: the next request begins at `offset`.
    Start { offset: u64 },
    /// `last` was the last row of the last page, at `offset`: the next request begins there.
    Reading { offset: u64, last: Id },
    /// Every row has been handed out: there is no next request.
    Done,
}

/// What the last answer left open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    None,
    /// It was shorter than it could be, but `total` says that there is more. Asked again.
    Short,
    /// It was full, but of rows handed out before. Asked again.
    NoProgress,
}

impl Walk {
    pub(crate) fn new(query: &RunQuery) -> Self {
        Self {
            page_size: u64::from(query.page_size),
            remaining: query.limit,
            state: State::Start {
                offset: query.offset,
            },
            doubt: Doubt::None,
        }
    }

    /// The page to ask for now, or `None` when the walk is over.
    pub(crate) fn next_request(&self) -> Option<PageRequest> {
        let wanted = self
            .remaining
            .map_or(self.page_size, |remaining| remaining.min(self.page_size));
        match self.state {
            State::Start { offset } => Some(PageRequest {
                offset,
                limit: wanted,
            }),
            State::Reading { offset, .. } => Some(PageRequest {
                offset,
                limit: (wanted + 1).min(u64::from(MAX_PAGE_SIZE)),
            }),
            State::Done => None,
        }
    }

    /// Takes the answer to `request` and says which of its rows are new.
    ///
    /// # Errors
    ///
    /// [`Broken`] if the answer does not continue the page before it. The walk is unchanged
    /// then: the same request can be asked again.
    pub(crate) fn take(&mut self, request: PageRequest, page: &Page) -> Result<Taken, Broken> {
        let skip = self.overlap(request, page)?;
        let rows = page.row_count();
        let new = rows - skip;
        let next = self.judge(request, page, new)?;

        let allowed = self.remaining.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX)
        });
        let keep = new.min(allowed);
        if let Some(remaining) = &mut self.remaining {
            *remaining -= keep as u64;
        }
        match (next, page.last_key()) {
            (Next::End, _) => self.state = State::Done,
            (Next::Continue(_), _) if self.remaining == Some(0) => self.state = State::Done,
            (Next::Continue(doubt), Some(last)) => {
                self.doubt = doubt;
                self.state = State::Reading {
                    offset: request.offset + rows as u64 - 1,
                    last: last.clone(),
                };
            }
            (Next::Continue(doubt), None) => self.doubt = doubt,
        }
        Ok(Taken { skip, keep })
    }

    /// How many rows at the beginning of the page have been handed out before.
    fn overlap(&self, request: PageRequest, page: &Page) -> Result<usize, Broken> {
        let State::Reading { last, .. } = &self.state else {
            return Ok(0);
        };
        if page.first_key() == Some(last) {
            return Ok(1);
        }
        Err(Broken::Moved {
            offset: request.offset,
            expected: last.clone(),
            found: page.first_key().cloned(),
        })
    }

    /// Decides whether the page is the last one.
    ///
    /// A page as long as it can be is never the end: the request after it shows what
    /// follows. A shorter one is, unless `total` says that there is more. Then the rows have
    /// the last word, but only after they have been asked once more.
    fn judge(&self, request: PageRequest, page: &Page, new: usize) -> Result<Next, Broken> {
        let rows = page.row_count() as u64;
        let answered = page.limit.filter(|limit| *limit > 0);
        let effective_limit = answered.map_or(request.limit, |limit| limit.min(request.limit));
        let is_full = rows >= effective_limit;
        let promised_more = request.offset.saturating_add(rows) < page.total;

        if new > 0 {
            return Ok(match (is_full, promised_more) {
                (true, _) => Next::Continue(Doubt::None),
                (false, true) => Next::Continue(Doubt::Short),
                (false, false) => Next::End,
            });
        }
        match (is_full, promised_more, self.doubt) {
            (true, _, Doubt::NoProgress) => Err(Broken::Stalled {
                offset: request.offset,
            }),
            (true, _, _) => Ok(Next::Continue(Doubt::NoProgress)),
            (false, true, Doubt::None | Doubt::NoProgress) => Ok(Next::Continue(Doubt::Short)),
            (false, _, _) => Ok(Next::End),
        }
    }
}

enum Next {
    Continue(Doubt),
    End,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved {
                offset,
                expected,
                found,
            } => {
                write!(
                    f,
                    "the list moved while it was read: run {expected} was at offset {offset}, now "
                )?;
                match found {
                    Some(found) => write!(f, "{found} is there"),
                    None => f.write_str("no run is there"),
                }
            }
            Self::Stalled { offset } => write!(
                f,
                "the list does not go on at offset {offset}, though the service says there is more"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A list on a server that answers by the rules of the API, or bends them.
    struct List {
        ids: Vec<String>,
        cap: u64,
        report_cap: bool,
        total: Option<u64>,
    }

    impl List {
        fn of(rows: usize) -> Self {
            Self {
                ids: (0..rows).map(|n| format!("run{n}")).collect(),
                cap: 1000,
                report_cap: true,
                total: None,
            }
        }

        fn answer(&self, request: PageRequest) -> Page {
            let limit = request.limit.min(self.cap);
            let rows = self.ids.iter().skip(request.offset as usize);
            Page {
                total: self.total.unwrap_or(self.ids.len() as u64),
                offset: Some(request.offset),
                limit: Some(if self.report_cap {
                    limit
                } else {
                    request.limit
                }),
                desc: Some(false),
                rows: rows
                    .take(limit as usize)
                    .map(|id| serde_json::from_value(serde_json::json!({ "id": id })).unwrap())
                    .collect(),
                unreadable: Vec::new(),
            }
        }
    }

    /// Walks the whole list; what was handed out, and how many requests it took.
    fn read(query: &RunQuery, list: &List) -> Result<(Vec<String>, usize), Broken> {
        let mut walk = Walk::new(query);
        let (mut ids, mut requests) = (Vec::new(), 0);
        while let Some(request) = walk.next_request() {
            requests += 1;
            assert!(requests < 10_000, "the walk does not end");
            let page = list.answer(request);
            let Taken { skip, keep } = walk.take(request, &page)?;
            ids.extend(
                page.rows[skip..skip + keep]
                    .iter()
                    .map(|row| row.id.to_string()),
            );
        }
        Ok((ids, requests))
    }

    fn query() -> RunQuery {
        RunQuery::actor("a")
    }

    #[test]
    fn a_long_list_takes_one_request_for_999_rows() {
        let (ids, requests) = read(&query(), &List::of(100_000)).unwrap();
        assert_eq!(ids.len(), 100_000);
        assert_eq!(requests, 101);
    }

    #[test]
    fn an_empty_list_takes_one_request() {
        assert_eq!(read(&query(), &List::of(0)), Ok((vec![], 1)));
        assert_eq!(read(&query().offset(9), &List::of(5)), Ok((vec![], 1)));
    }

    #[test]
    fn a_limit_asks_for_no_more_than_it_needs() {
        let list = List::of(5000);
        let (ids, requests) = read(&query().limit(1), &list).unwrap();
        assert_eq!((ids.len(), requests), (1, 1));
        let mut walk = Walk::new(&query().limit(1001));
        let first = walk.next_request().unwrap();
        walk.take(first, &list.answer(first)).unwrap();
        let second = PageRequest {
            offset: 999,
            limit: 2,
        };
        assert_eq!(walk.next_request(), Some(second));
    }

    #[test]
    fn a_deleted_row_before_the_offset_is_noticed() {
        let mut list = List::of(50);
        let mut walk = Walk::new(&query().page_size(10));
        let first = walk.next_request().unwrap();
        walk.take(first, &list.answer(first)).unwrap();
        list.ids.remove(0);

        let second = walk.next_request().unwrap();
        let broken = walk.take(second, &list.answer(second)).unwrap_err();
        assert_eq!(
            broken.to_string(),
            "the list moved while it was read: run run9 was at offset 9, now run10 is there"
        );
        assert_eq!(
            walk.next_request(),
            Some(second),
            "the walk keeps its place"
        );
    }

    #[test]
    fn a_list_cut_off_behind_the_walk_is_noticed() {
        let mut list = List::of(50);
        let mut walk = Walk::new(&query().page_size(10));
        let first = walk.next_request().unwrap();
        walk.take(first, &list.answer(first)).unwrap();
        list.ids.truncate(5);

        let second = walk.next_request().unwrap();
        let broken = walk.take(second, &list.answer(second)).unwrap_err();
        assert!(
            broken.to_string().ends_with("now no run is there"),
            "{broken}"
        );
    }

    #[test]
    fn rows_that_appear_behind_the_walk_are_handed_out() {
        let mut list = List::of(15);
        let mut walk = Walk::new(&query().page_size(10));
        let first = walk.next_request().unwrap();
        walk.take(first, &list.answer(first)).unwrap();
        list.ids.push("new".into());

        let second = walk.next_request().unwrap();
        let taken = walk.take(second, &list.answer(second)).unwrap();
        assert_eq!(taken, Taken { skip: 1, keep: 6 });
        assert_eq!(walk.next_request(), None);
    }

    #[test]
    fn a_server_that_caps_pages_at_one_row_is_an_error_not_a_loop() {
        let mut list = List::of(3);
        list.cap = 1;
        let broken = read(&query(), &list).unwrap_err();
        assert_eq!(broken, Broken::Stalled { offset: 0 });
    }

    proptest! {
        /// Whatever the server says of its total or of its page size, the rows decide.
        #[test]
        fn every_row_once_and_in_order(
            rows in 0_usize..400,
            page_size in 1_u32..=50,
            cap in 2_u64..60,
            report_cap: bool,
            total in proptest::option::of(prop_oneof![
                Just(0), Just(u64::MAX), Just(1 << 40), 0_u64..500,
            ]),
            offset in 0_u64..50,
            limit in proptest::option::of(1_u64..300),
        ) {
            // A short page with a total that is too small is indistinguishable from the end.
            prop_assume!(report_cap || total.is_none_or(|total| total >= rows as u64));
            let list = List { cap, report_cap, total, ..List::of(rows) };
            let mut query = query().page_size(page_size).offset(offset);
            if let Some(limit) = limit {
                query = query.limit(limit);
            }

            let (ids, requests) = read(&query, &list).unwrap();
            let expected: Vec<_> = list.ids.iter()
                .skip(offset as usize)
                .take(limit.unwrap_or(u64::MAX) as usize)
                .cloned()
                .collect();
            let rows_a_page = u64::from(page_size).min(cap - 1) as usize;
            let ideal = expected.len().div_ceil(rows_a_page);
            prop_assert_eq!(ids, expected);
            prop_assert!(requests <= ideal + 2, "{} requests, ideal {}", requests, ideal);
        }

        /// A change before the offset is never passed over in silence.
        #[test]
        fn no_deletion_is_missed(
            rows in 20_usize..200,
            page_size in 2_u32..=15,
            victims in proptest::collection::vec(0_usize..200, 1..20),
            after in 1_usize..5,
        ) {
            let mut list = List::of(rows);
            let mut walk = Walk::new(&query().page_size(page_size));
            let (mut seen, mut requests) = (Vec::new(), 0);
            let mut deleted = Vec::new();
            let outcome = loop {
                let Some(request) = walk.next_request() else { break Ok(()) };
                if requests == after {
                    for victim in &victims {
                        if *victim < list.ids.len() {
                            deleted.push(list.ids.remove(*victim));
                        }
                    }
                }
                requests += 1;
                let page = list.answer(request);
                match walk.take(request, &page) {
                    Ok(Taken { skip, keep }) => seen.extend(
                        page.rows[skip..skip + keep].iter().map(|row| row.id.to_string()),
                    ),
                    Err(broken) => break Err(broken),
                }
            };
            if outcome.is_ok() {
                for id in &list.ids {
                    prop_assert!(seen.contains(id), "{} was lost, deleted {:?}", id, deleted);
                }
            }
        }
    }
}
