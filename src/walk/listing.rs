//! Taking the pages of a pass.

use chrono::{DateTime, Utc};

use super::position::Position;
use super::response::{Follows, begins_undated_with, last_start};
use super::window::TieWindow;
use super::{PageRequest, Pass, Probe, Selection, Stage, State, Transition, Walk, WalkError};
use crate::cursor::CursorUpdate;
use crate::direction::Side;
use crate::limits::MAX_PAGE_SIZE;
use crate::page::Page;
use crate::run::Id;

/// How many times in a row there may be a row behind the last one that no page has.
pub(super) const MAX_STALLED_PROBES: u32 = 20;
/// The most rows that the first page shows of those that the query's offset skips.
const MAX_PRECEDING: u64 = 500;

impl Walk {
    /// Takes a page of a pass.
    pub(super) fn take_listed(
        &mut self,
        pass: Pass,
        stage: Stage,
        request: PageRequest,
        page: &Page,
    ) -> Transition {
        let state = match stage {
            Stage::ReadingTies(ties) => return self.take_ties(pass, ties, request, page),
            Stage::Probing { from, .. } => {
                let probe = pass.probe.after(page);
                State::InPass(Pass { probe, ..pass }, *from)
            }
            stage if request.is_violated_by(page, self.direction()) => {
                self.stop_anchoring(pass, stage)
            }
            Stage::Start { preceding } => match self.more_preceding(preceding, page) {
                Some(preceding) => State::InPass(pass, Stage::Start { preceding }),
                None => return self.accept(pass, stage, request, page, None),
            },
            Stage::Reading(ref position) => {
                let reached = position.reached;
                return match self.continues(position, request, page) {
                    true => self.accept(pass, stage, request, page, reached),
                    false => self.drift(pass, reached),
                };
            }
            Stage::Anchored { reached } => {
                return self.accept(pass, stage, request, page, Some(reached));
            }
            Stage::SteppingBack {
                offset,
                step,
                reached,
            } => {
                if offset.rows() == 0 || self.begins_before(page, reached) {
                    return self.accept(pass, stage, request, page, Some(reached));
                }
                let stage = Stage::SteppingBack {
                    offset: offset - step,
                    step: step.saturating_mul(2),
                    reached,
                };
                State::InPass(pass, stage)
            }
        };
        Ok((Selection::default(), state))
    }

    /// Whether a page continues the pass.
    fn continues(&self, position: &Position, request: PageRequest, page: &Page) -> bool {
        let begins_with = |id: &Id| begins_undated_with(page, id);
        let begins_before = |reached| self.begins_before(page, reached);
        request.offset() == 0
            || position.undated.as_ref().is_some_and(begins_with)
            || position.reached.is_some_and(begins_before)
    }

    /// Whether the first row that has a start started before this time.
    fn begins_before(&self, page: &Page, reached: DateTime<Utc>) -> bool {
        let first = page.entries().find_map(|entry| entry.start);
        first.is_some_and(|start| self.direction().side(start, reached) == Side::Before)
    }

    /// How many of the rows that the query's offset skips have to be on the first page, if it is
    /// more than there are: all those of the same millisecond as the first row that is not
    /// skipped, since a walk that resumes will see them.
    fn more_preceding(&self, preceding: u64, page: &Page) -> Option<u64> {
        let start = |index: u64| page.entry(usize::try_from(index).ok()?)?.start;
        let (shown, first) = (start(0)?, start(preceding)?);
        let is_tie = self.direction().side(shown, first) == Side::Same;
        let more = (preceding * 10).min(MAX_PRECEDING).min(self.query.offset);
        (is_tie && more > preceding).then_some(more)
    }

    /// Takes a page that continues a pass which has reached this start.
    fn accept(
        &mut self,
        mut pass: Pass,
        stage: Stage,
        request: PageRequest,
        page: &Page,
        reached: Option<DateTime<Utc>>,
    ) -> Transition {
        let Some(offset) = request.list_offset() else {
            return Ok(pass.skip_page(stage));
        };
        self.check_stall(request)?;
        let rows = page.row_count();
        let (overlap, skipped) = (stage.overlap(offset), stage.skipped().min(rows));
        let position = Position::after(page, offset, stage.rebase(), reached, self.direction());
        let follows = self.what_follows(&pass, request, page, overlap, position.as_ref())?;
        if follows == Follows::Doubtful {
            let offset = offset + rows as u64;
            let from = Box::new(stage);
            return Ok(pass.skip_page(Stage::Probing { offset, from }));
        }
        let mut selection = self.select(page, skipped, overlap, |entry, is_beyond| {
            self.seen_state(entry, is_beyond)
        });
        if selection.is_unsorted {
            self.note_unsorted(request)?;
            return Ok(pass.skip_page(stage));
        }
        self.service.has_finer_starts |= selection.has_finer_starts;
        if skipped > 0 {
            let skips = self.skip(page, skipped);
            selection.updates.splice(0..0, skips);
        }
        let is_last = follows == Follows::Nothing;
        let missing = self.note_seen(&mut pass, page, is_last);
        selection.updates.extend(missing);
        self.apply(&selection, page);
        let reached = position.as_ref().and_then(|position| position.reached);
        self.note_progress(reached, last_start(page));
        if rows > overlap {
            pass.probe = Probe::NotSent;
        }
        self.estimated_offset = match offset.anchor() {
            None => offset.rows() + selection.rows.end as u64,
            Some(_) => self.estimated_offset + selection.updates.len() as u64,
        };
        let state = match position {
            Some(position) if !is_last && self.remaining() > 0 => {
                self.go_on(pass, request, page, position)
            }
            _ => self.end_pass(&pass, page.clocks),
        };
        Ok((selection, state))
    }

    /// What follows a page, by the response and what the pass knows of the rows behind it.
    ///
    /// # Errors
    ///
    /// [`WalkError::Stalled`] if there is a row behind the page that no page has.
    fn what_follows(
        &self,
        pass: &Pass,
        request: PageRequest,
        page: &Page,
        overlap: usize,
        position: Option<&Position>,
    ) -> Result<Follows, WalkError> {
        let new_rows = page.row_count().saturating_sub(overlap);
        match Follows::by_response(request, page, new_rows) {
            Follows::More if self.has_shown_all(pass, page) => return Ok(Follows::Nothing),
            Follows::Doubtful => {}
            certain => return Ok(certain),
        }
        if page.row_count() < overlap {
            // It is too short to have new rows.
            return Ok(Follows::More);
        }
        let needs_window = |position| self.needs_window(position, request, page);
        match pass.probe {
            Probe::FoundNothing => Ok(Follows::Nothing),
            // There are more rows, and none of them is to be had by a page that begins here.
            Probe::FoundMore { .. } if position.is_some_and(needs_window) => Ok(Follows::More),
            Probe::FoundMore { times } if times == MAX_STALLED_PROBES => {
                let offset = request.offset();
                Err(WalkError::Stalled { offset })
            }
            Probe::NotSent | Probe::FoundMore { .. } => Ok(Follows::Doubtful),
        }
    }

    /// Whether a pass that only reads unfinished runs again has shown them all with this page.
    fn has_shown_all(&self, pass: &Pass, page: &Page) -> bool {
        pass.is_final && {
            let ids = page.entries().map(|entry| entry.id);
            let shown = ids.filter(|id| pass.unseen.contains(*id));
            shown.count() == pass.unseen.len()
        }
    }

    /// What the rows that the query's offset skips do to the cursor: those that started in the same
    /// millisecond as the first row that is not skipped.
    fn skip(&self, page: &Page, skipped: usize) -> Vec<CursorUpdate> {
        let first = page.entry(skipped).and_then(|entry| entry.start);
        let Some(first) = first else {
            return Vec::new();
        };
        let is_tie = |start: &DateTime<Utc>| self.direction().side(*start, first) == Side::Same;
        let skipped = page.entries().take(skipped);
        let ties = skipped.filter_map(|entry| Some((entry.id, entry.start.filter(is_tie)?)));
        ties.map(|(id, start)| CursorUpdate::skip(id, start))
            .collect()
    }

    /// Goes on behind a page that is not the last one.
    fn go_on(
        &mut self,
        pass: Pass,
        request: PageRequest,
        page: &Page,
        mut position: Position,
    ) -> State {
        self.service.learn_page_length(request, page);
        self.service.learn_overlap(position.overlap);
        if let Some(start) = position.reached
            && self.needs_window(&position, request, page)
        {
            let ties = TieWindow::new(start, self.millisecond(start), position);
            return State::InPass(pass, Stage::ReadingTies(ties));
        }
        let is_deep = position.next.rows() >= self.deep_offset && !position.is_stuck;
        // Pages in flight that are counted from the old anchor are no reason for another one.
        let has_anchor = request.anchor() == position.next.anchor();
        if is_deep
            && has_anchor
            && !self.service.ignores_anchors
            && position.anchor_at_next(page, self.direction())
        {
            self.incidents.reanchors += 1;
        }
        State::InPass(pass, Stage::Reading(position))
    }

    /// Whether the runs of one millisecond fill the page, and there is no longer page.
    fn needs_window(&self, position: &Position, request: PageRequest, page: &Page) -> bool {
        let rows = page.row_count() as u64;
        let can_grow = rows >= request.limit() && rows < u64::from(MAX_PAGE_SIZE);
        let is_stuck = position.is_stuck && position.reached.is_some();
        is_stuck && !can_grow && !self.service.ignores_anchors
    }
}
