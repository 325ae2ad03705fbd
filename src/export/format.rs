//! The format of an export.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::compression::Compression;
use crate::error::{Error, Result};

/// What an export is written as. The default is JSON lines, not compressed.
///
/// Its text is how names end: `jsonl`, `csv.gz`, `jsonl.zst`, `parquet`.
///
/// # Example: from a file's name
///
/// ```
/// use apify_runs::export::{Compression, Format};
///
/// let format = Format::of_name("daily/runs.jsonl.zst").unwrap();
/// assert_eq!(format, Format::Jsonl(Compression::Zstd));
/// assert_eq!(format.to_string(), "jsonl.zst");
/// assert_eq!(Format::of_name("runs.txt"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One line for each run: the API's own object without insignificant whitespace, with fields
    /// that this crate does not know, and with rows that it cannot read. The order of fields,
    /// strings and numbers are as they were received.
    Jsonl(Compression),
    /// One line for each run as [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180) has it, with
    /// flat columns such as `meta.origin`, behind a header. What a run does not have is empty.
    /// Values are as they came: one that begins with `=`, as a `meta.userAgent` may, is a formula
    /// for a spreadsheet. Needs the feature `csv`.
    Csv(Compression),
    /// Typed columns in parts of their own, compressed with zstd: times in UTC milliseconds,
    /// `meta` as a struct. Needs the feature `parquet`.
    Parquet,
}

impl Format {
    /// The format of a file or folder of this name, if its extension is known.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.trim_end_matches('/');
        let (rest, last) = name.rsplit_once('.')?;
        match rest.rsplit_once('.') {
            Some((_, before)) if matches!(last, "gz" | "zst") => format!("{before}.{last}"),
            _ => last.to_owned(),
        }
        .parse()
        .ok()
    }

    /// The compression of each file as a whole. Parquet compresses its columns instead.
    pub fn compression(self) -> Compression {
        match self {
            Self::Jsonl(compression) | Self::Csv(compression) => compression,
            Self::Parquet => Compression::None,
        }
    }

    /// Whether this build can write it.
    pub(super) fn validate(self) -> Result<()> {
        let missing = match self {
            Self::Csv(_) if !cfg!(feature = "csv") => "csv",
            Self::Parquet if !cfg!(feature = "parquet") => "parquet",
            _ => return Ok(()),
        };
        let expected = format!("it needs the feature {missing}, which this build is without");
        Err(Error::config("format", self, &expected))
    }
}

impl Default for Format {
    fn default() -> Self {
        Self::Jsonl(Compression::None)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jsonl(_) => "jsonl",
            Self::Csv(_) => "csv",
            Self::Parquet => "parquet",
        })?;
        f.write_str(match self.compression() {
            Compression::None => "",
            Compression::Gzip => ".gz",
            Compression::Zstd => ".zst",
        })
    }
}

impl FromStr for Format {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if it is no format that this crate knows.
    fn from_str(text: &str) -> Result<Self> {
        let (encoding, compression) = match text.split_once('.') {
            None => (text, Some(Compression::None)),
            Some((encoding, "gz")) => (encoding, Some(Compression::Gzip)),
            Some((encoding, "zst")) => (encoding, Some(Compression::Zstd)),
            Some(_) => (text, None),
        };
        match (encoding, compression) {
            ("jsonl" | "ndjson", Some(compression)) => Ok(Self::Jsonl(compression)),
            ("csv", Some(compression)) => Ok(Self::Csv(compression)),
            ("parquet", Some(Compression::None)) => Ok(Self::Parquet),
            _ => {
                let expected = "it must be jsonl or csv, with .gz or .zst if it is to be \
                                compressed, or parquet";
                Err(Error::config("format", format!("{text:?}"), expected))
            }
        }
    }
}

impl Serialize for Format {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Format {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_format() {
        let of = |name| Format::of_name(name).map(|format| format.to_string());
        assert_eq!(of("runs.jsonl").as_deref(), Some("jsonl"));
        assert_eq!(of("/a.b/runs.ndjson").as_deref(), Some("jsonl"));
        assert_eq!(of("runs.2025.csv.gz").as_deref(), Some("csv.gz"));
        assert_eq!(of("s3://bucket/runs.parquet/").as_deref(), Some("parquet"));
        for name in [
            "runs",
            "runs.gz",
            "runs.parquet.zst",
            "runs.jsonl.br",
            "jsonl",
            "",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
