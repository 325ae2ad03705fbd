//! Where a pass over the list begins, how it finds its position again, and what follows its end.

use chrono::{DateTime, Utc};

use super::offset::Offset;
use super::reread::Reread;
use super::{Pass, Probe, Selection, Stage, State, Transition, Walk};
use crate::clocks::Clocks;
use crate::cursor::CursorUpdate;
use crate::direction::{Side, can_be_told};
use crate::emit::Emit;
use crate::page::Page;
use crate::run::Id;

/// How many of the rows that the query's offset skips are on the first page.
const FIRST_PRECEDING: u64 = 1;

impl Pass {
    /// Goes on with `stage` after a page of which no row is used.
    pub(super) fn skip_page(self, stage: Stage) -> (Selection, State) {
        (Selection::default(), State::InPass(self, stage))
    }
}

impl Walk {
    /// Begins the next pass, at the beginning of the list or a lookback before the watermark. The
    /// unfinished runs that the pass will not show are read again first.
    pub(super) fn next_pass(&mut self) -> State {
        self.stall.begin_pass();
        let Some(floor) = self.cursor.floor(&self.retention) else {
            return State::InPass(Pass::default(), self.start());
        };
        // A pass does not show what lies before it, nor what a filter hides.
        let is_hidden =
            |start| self.query.has_filter() || self.direction().side(start, floor) == Side::Before;
        let starts = self.cursor.open().map(|(_, start)| start);
        let starts = starts.filter(|start| is_hidden(*start));
        match Reread::new(starts, self.direction(), false) {
            Some(reread) if !self.service.ignores_anchors => State::Rereading(reread),
            _ => self.open_pass(false),
        }
    }

    /// Begins a pass that continues after the cursor. `is_final` is whether it is the end of the
    /// walk.
    pub(super) fn open_pass(&mut self, is_final: bool) -> State {
        let pass = Pass {
            is_final,
            ..Pass::default()
        };
        let Some(floor) = self.cursor.floor(&self.retention) else {
            return State::Done;
        };
        self.begin_at(floor, pass)
    }

    /// Begins to read the list at `floor`, and determines which unfinished runs the pass will show.
    fn begin_at(&mut self, floor: DateTime<Utc>, pass: Pass) -> State {
        let direction = self.direction();
        let ignores_anchors = self.service.ignores_anchors;
        let mut first = floor;
        if ignores_anchors {
            // There is no other way to read the unfinished runs again.
            for (_, start) in self.cursor.open() {
                if direction.side(start, first) == Side::Before {
                    first = start;
                }
            }
        }
        let is_visible = ignores_anchors || !self.query.has_filter();
        let is_expected = |start| is_visible && direction.side(start, first) != Side::Before;
        let expected = self.cursor.open().filter(|(_, start)| is_expected(*start));
        let unseen = expected.map(|(id, _)| id.clone()).collect();
        let stage = self.seek(first);
        State::InPass(Pass { unseen, ..pass }, stage)
    }

    /// The beginning of the list.
    fn start(&self) -> Stage {
        Stage::Start {
            preceding: self.query.offset.min(FIRST_PRECEDING),
        }
    }

    /// Continues with the rows that started at `reached` or later. They are found by their start,
    /// or by offset if the service ignores anchors.
    pub(super) fn seek(&mut self, reached: DateTime<Utc>) -> Stage {
        self.stall.begin_seek();
        if !self.service.ignores_anchors {
            return Stage::Anchored { reached };
        }
        // Half a page, so that the page reaches beyond that start if rows were added before it.
        let step = self.page_size().div_ceil(2);
        Stage::SteppingBack {
            offset: Offset::new(None, self.estimated_offset) - step,
            step: step * 2,
            reached,
        }
    }

    /// Continues at the start that the pass has reached, as the list has changed.
    ///
    /// # Errors
    ///
    /// [`WalkError::Unstable`] if the list has changed too often.
    pub(super) fn drift(&mut self, pass: Pass, reached: Option<DateTime<Utc>>) -> Transition {
        self.note_drift()?;
        let stage = match reached {
            Some(reached) => {
                self.incidents.reanchors += 1;
                self.seek(reached)
            }
            // No run had a start. Runs that have been handed out are known by their IDs.
            None => self.start(),
        };
        let probe = Probe::NotSent;
        Ok(Pass { probe, ..pass }.skip_page(stage))
    }

    /// Continues by offset, as the service ignores the bound that an anchor is.
    pub(super) fn stop_anchoring(&mut self, pass: Pass, stage: Stage) -> State {
        self.service.ignores_anchors = true;
        let reached = match &stage {
            Stage::Reading(position) => position.reached,
            &Stage::Anchored { reached } => Some(reached),
            _ => None,
        };
        match (reached, self.cursor.floor(&self.retention)) {
            (Some(reached), _) if self.stall.has_reached_any() => {
                let stage = self.seek(reached);
                State::InPass(pass, stage)
            }
            (_, Some(floor)) => self.begin_at(floor, pass),
            (_, None) => State::InPass(pass, stage),
        }
    }

    /// Returns what follows a pass that has read the list to its end.
    pub(super) fn end_pass(&mut self, pass: &Pass, clocks: Option<Clocks>) -> State {
        if self.remaining() == 0 {
            return State::Done;
        }
        if self.rules.follow {
            return match self.is_over_for_good(clocks) {
                true => State::Done,
                false => State::Waiting,
            };
        }
        if pass.is_final || self.rules.emit == Emit::Snapshot {
            return State::Done;
        }
        let starts = self.cursor.open().map(|(_, start)| start);
        match Reread::new(starts, self.direction(), true) {
            None => State::Done,
            Some(reread) if !self.service.ignores_anchors => State::Rereading(reread),
            Some(_) => self.open_pass(true),
        }
    }

    /// Whether no more rows can follow: the query's end is past, no run appears late, and no run
    /// is to be read again.
    fn is_over_for_good(&self, clocks: Option<Clocks>) -> bool {
        let now = clocks.and_then(|clocks| clocks.earliest(Some(clocks.local)));
        let (Some(end), Some(now)) = (self.query.started_before, now) else {
            return false;
        };
        now - end > self.rules.lookback && self.cursor.unfinished() == 0
    }

    /// Notes which of the expected runs a page shows. Those that no page of the whole pass has
    /// shown are missing.
    pub(super) fn note_seen(
        &mut self,
        pass: &mut Pass,
        page: &Page,
        is_last: bool,
    ) -> Vec<CursorUpdate> {
        if pass.unseen.is_empty() {
            return Vec::new();
        }
        for entry in page.entries() {
            pass.unseen.remove(entry.id);
        }
        if !is_last {
            return Vec::new();
        }
        let missing = std::mem::take(&mut pass.unseen);
        self.miss(missing, page)
    }

    /// What it does to the cursor that runs to be read again are missing.
    pub(super) fn miss(
        &mut self,
        missing: impl IntoIterator<Item = Id>,
        page: &Page,
    ) -> Vec<CursorUpdate> {
        let now = page.clocks.as_ref().map(Clocks::now);
        let Some(now) = now.filter(can_be_told) else {
            return Vec::new();
        };
        let missing: Vec<_> = missing.into_iter().collect();
        let gone = missing.iter().filter(|id| self.cursor.is_gone(id, now));
        self.incidents.vanished += gone.count() as u64;
        missing
            .into_iter()
            .map(|id| CursorUpdate::miss(id, now))
            .collect()
    }
}
