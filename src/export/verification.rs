//! The result of verifying an output.

use std::fmt;

/// What was found in an output: [`verify`](super::verify()).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The rows that were read.
    pub rows: u64,
    /// How many different IDs they have. `None` if they have no field `id`.
    pub distinct_ids: Option<u64>,
    /// The bytes that were read.
    pub bytes: u64,
    /// The parts that were read: 1 for a file.
    pub parts: u64,
    /// Bytes behind the last commit, left by an export that was killed. They are no problem: the
    /// next start removes them.
    pub uncommitted_bytes: u64,
    /// What is wrong, one message each. Empty if the output is complete and undamaged.
    pub problems: Vec<String>,
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.rows)?;
        if let Some(ids) = self.distinct_ids {
            write!(f, ", {ids} distinct ids")?;
        }
        write!(f, ", {} bytes", self.bytes)
    }
}
