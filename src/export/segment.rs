//! Segments of a manifest: files that list older parts.
//!
//! A manifest is replaced with each commit, so it lists the newest parts only. When it lists
//! [`MAX_LISTED_PARTS`], the next commit first stores them in a segment, which never changes. The
//! manifest refers to that segment, and each segment to the one before it:
//!
//! ```text
//! _manifest.json             version 2, parts 400 to 523
//!   └ _segment-000200-….json version 2, parts 200 to 399
//!       └ _segment-000000-….json        parts   0 to 199
//! ```
//!
//! A commit takes the same time however many parts there are, and opening reads each part's entry
//! once. A manifest without segments has version 1, as before there were any.

use serde::{Deserialize, Serialize};

use super::part_names::{is_part, is_segment, new_segment};
use super::part_store::Found;
use crate::error::{Error, ErrorKind, Result};

/// How many parts a manifest lists before they go into a segment: at about 90 bytes each. More
/// would take longer to write with each commit, and fewer would make more segments to read.
pub(super) const MAX_LISTED_PARTS: usize = 200;
/// The version of a segment, and of a manifest that refers to one.
pub(super) const VERSION: u32 = 2;

/// One part of an output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartEntry {
    pub(super) name: String,
    pub(super) rows: u64,
    pub(super) length: u64,
    pub(super) crc32: u32,
}

/// A reference to a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentRef {
    pub(super) name: String,
    /// How many parts it lists, together with the segments before it.
    pub(super) parts: u64,
    /// The rows of these parts.
    pub(super) rows: u64,
    /// The bytes of these parts.
    pub(super) bytes: u64,
    /// The length of the segment itself.
    pub(super) length: u64,
    /// The checksum of the segment itself.
    pub(super) crc32: u32,
}

/// A segment as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Segment {
    version: u32,
    parts: Vec<PartEntry>,
    /// The one before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segment: Option<SegmentRef>,
}

/// Makes a segment of these parts, which are behind those of another segment.
pub(super) fn make(
    parts: Vec<PartEntry>,
    before: Option<SegmentRef>,
) -> Result<(SegmentRef, Vec<u8>)> {
    let (listed, rows, bytes) = totals(&parts, before.as_ref());
    let number = before.as_ref().map_or(0, |before| before.parts);
    let segment = Segment {
        version: VERSION,
        parts,
        segment: before,
    };
    let json = serde_json::to_vec(&segment).map_err(|error| {
        Error::new(ErrorKind::Output, "a segment cannot be written").with_source(error)
    })?;
    let reference = SegmentRef {
        name: new_segment(number),
        parts: listed,
        rows,
        bytes,
        length: json.len() as u64,
        crc32: crc32fast::hash(&json),
    };
    Ok((reference, json))
}

/// How many parts there are, and their rows and bytes.
pub(super) fn totals(parts: &[PartEntry], before: Option<&SegmentRef>) -> (u64, u64, u64) {
    let before = before.map_or((0, 0, 0), |before| {
        (before.parts, before.rows, before.bytes)
    });
    parts.iter().fold(before, |(parts, rows, bytes), part| {
        (
            parts.saturating_add(1),
            rows.saturating_add(part.rows),
            bytes.saturating_add(part.length),
        )
    })
}

/// All parts of an output, and the segments that list them.
#[derive(Default)]
pub(super) struct Listing {
    /// In the order of the walk.
    pub(super) parts: Vec<PartEntry>,
    pub(super) segments: Vec<String>,
    /// Why the oldest parts are not among them.
    pub(super) damage: Option<Damage>,
}

/// What is wrong with a segment.
pub(super) struct Damage {
    name: String,
    problem: String,
}

impl Damage {
    /// What is wrong in words, with the name of the segment as `full_name` has it.
    pub(super) fn text(&self, full_name: impl FnOnce(&str) -> String) -> String {
        format!("{} {}", full_name(&self.name), self.problem)
    }
}

impl Listing {
    /// Reads what a manifest lists. `find` reads one segment.
    pub(super) fn read(
        mut reader: ListingReader,
        mut find: impl FnMut(&SegmentRef) -> Result<Found>,
    ) -> Result<Self> {
        while let Some(segment) = reader.next() {
            let found = find(segment)?;
            reader.add(found);
        }
        Ok(reader.finish())
    }

    /// # Errors
    ///
    /// [`ErrorKind::Damaged`] if a segment is missing or damaged.
    pub(super) fn complete(self, full_name: impl FnOnce(&str) -> String) -> Result<Self> {
        match &self.damage {
            None => Ok(self),
            Some(damage) => Err(Error::new(ErrorKind::Damaged, damage.text(full_name))),
        }
    }
}

/// Reads the segments of a manifest one after the other, the newest first.
pub(super) struct ListingReader {
    next: Option<SegmentRef>,
    /// What each listing has, the newest first.
    parts: Vec<Vec<PartEntry>>,
    segments: Vec<String>,
    damage: Option<Damage>,
}

impl ListingReader {
    /// `parts` are those that the manifest lists itself, and `segment` is the newest.
    pub(super) fn new(parts: Vec<PartEntry>, segment: Option<SegmentRef>) -> Self {
        Self {
            next: segment,
            parts: vec![parts],
            segments: Vec::new(),
            damage: None,
        }
    }

    /// The segment to read next.
    pub(super) fn next(&self) -> Option<&SegmentRef> {
        self.next.as_ref()
    }

    /// Takes what was found of it.
    pub(super) fn add(&mut self, found: Found) {
        let Some(reference) = self.next.take() else {
            return;
        };
        match read(&reference, found) {
            Ok(segment) => {
                self.next = segment.segment;
                self.parts.push(segment.parts);
                self.segments.push(reference.name);
            }
            Err(problem) => {
                let parts = reference.parts;
                self.damage = Some(Damage {
                    name: reference.name,
                    problem: format!("{problem}: the oldest {parts} parts are known from it"),
                });
            }
        }
    }

    pub(super) fn finish(self) -> Listing {
        Listing {
            parts: self.parts.into_iter().rev().flatten().collect(),
            segments: self.segments,
            damage: self.damage,
        }
    }
}

/// Reads a segment. The error says what is wrong with it.
fn read(reference: &SegmentRef, found: Found) -> std::result::Result<Segment, &'static str> {
    const CHANGED: &str = "was changed by something else";
    let bytes = match found {
        Found::Nothing => return Err("is missing"),
        Found::OtherLength => return Err(CHANGED),
        Found::Bytes(bytes) => bytes,
    };
    if crc32fast::hash(&bytes) != reference.crc32 {
        return Err(CHANGED);
    }
    let segment: Segment = serde_json::from_slice(&bytes).map_err(|_| "is no segment")?;
    let before = segment.segment.as_ref();
    let (parts, rows, bytes) = totals(&segment.parts, before);
    let is_as_listed = (parts, rows, bytes) == (reference.parts, reference.rows, reference.bytes);
    // Each lists something, so that there is an end to them.
    let lists_any = before.map_or(0, |before| before.parts) < parts;
    if segment.version != VERSION || !is_as_listed || !lists_any {
        return Err("is not the segment that the manifest knows");
    }
    match first_wrong_name(&segment.parts, before) {
        Some(_) => Err("lists what is no part"),
        None => Ok(segment),
    }
}

/// A name that no export has given. Names are read in the place that they are listed for, and
/// nowhere else.
pub(super) fn first_wrong_name<'a>(
    parts: &'a [PartEntry],
    segment: Option<&'a SegmentRef>,
) -> Option<&'a str> {
    let parts = parts.iter().map(|part| part.name.as_str());
    let segment = segment.map(|segment| segment.name.as_str());
    let segment = segment.filter(|name| !is_segment(name));
    parts.filter(|name| !is_part(name)).chain(segment).next()
}
