//! What an export is written as.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::str::FromStr;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};

/// How much `zstd` tries. Most of a row are random IDs, with which level 3 can do no more, but
/// takes twice as long.
const ZSTD_LEVEL: i32 = 1;

/// What the rows of an export are written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// One line for each run: the API's own object without insignificant whitespace, with fields
    /// that this crate does not know, and with rows that it cannot read. The order of fields,
    /// strings and numbers are as they were received.
    Jsonl,
    /// One line for each run as [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180) has it, with
    /// flat columns such as `meta.origin`, behind a header. What a run does not have is empty.
    /// Values are as they came: one that begins with `=`, as a `meta.userAgent` may, is a formula
    /// for a spreadsheet. Needs the feature `csv`.
    Csv,
    /// Typed columns in parts of their own, compressed with zstd: times in UTC milliseconds,
    /// `meta` as a struct. Needs the feature `parquet`.
    Parquet,
}

/// What the files of an export are compressed with. Parquet compresses its own columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Nothing. The default.
    #[default]
    None,
    /// gzip, at level 6: a commit ends with the end of a member.
    Gzip,
    /// zstd, at level 1: a commit ends with the end of a frame.
    Zstd,
}

/// What an export is written as: an encoding, and a compression around it.
///
/// Its text is how names end: `jsonl`, `csv.gz`, `jsonl.zst`, `parquet`.
///
/// # Example: from a file's name
///
/// ```
/// use apify_runs::export::{Compression, Encoding, Format};
///
/// let format = Format::of_name("daily/runs.jsonl.zst").unwrap();
/// assert_eq!(format.encoding, Encoding::Jsonl);
/// assert_eq!(format.compression, Compression::Zstd);
/// assert_eq!(format.to_string(), "jsonl.zst");
/// assert_eq!(Format::of_name("runs.txt"), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Format {
    /// What the rows are written as.
    pub encoding: Encoding,
    /// What that is compressed with. Always none around Parquet.
    pub compression: Compression,
}

impl Format {
    /// JSON lines, not compressed.
    pub const JSONL: Self = Self::new(Encoding::Jsonl, Compression::None);
    /// CSV, not compressed.
    pub const CSV: Self = Self::new(Encoding::Csv, Compression::None);
    /// Parquet.
    pub const PARQUET: Self = Self::new(Encoding::Parquet, Compression::None);

    const fn new(encoding: Encoding, compression: Compression) -> Self {
        Self {
            encoding,
            compression,
        }
    }

    /// The format that a file or folder of this name has, if its ending tells.
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

    /// Whether this build can write it.
    pub(super) fn validate(self) -> Result<()> {
        let missing = match self.encoding {
            Encoding::Csv if !cfg!(feature = "csv") => "csv",
            Encoding::Parquet if !cfg!(feature = "parquet") => "parquet",
            Encoding::Parquet if self.compression != Compression::None => {
                let expected = "parquet compresses its own columns";
                return Err(Error::config("format", self, expected));
            }
            _ => return Ok(()),
        };
        let expected = format!("it needs the feature {missing}, which this build is without");
        Err(Error::config("format", self, &expected))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.encoding {
            Encoding::Jsonl => "jsonl",
            Encoding::Csv => "csv",
            Encoding::Parquet => "parquet",
        })?;
        f.write_str(match self.compression {
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
    /// [`ErrorKind::Config`] if it is no format that this crate knows.
    fn from_str(text: &str) -> Result<Self> {
        let (encoding, compression) = match text.split_once('.') {
            None => (text, Compression::None),
            Some((encoding, "gz")) => (encoding, Compression::Gzip),
            Some((encoding, "zst")) => (encoding, Compression::Zstd),
            Some(_) => ("", Compression::None),
        };
        let encoding = match encoding {
            "jsonl" | "ndjson" => Encoding::Jsonl,
            "csv" => Encoding::Csv,
            "parquet" if compression == Compression::None => Encoding::Parquet,
            _ => {
                let expected = "it must be jsonl or csv, with .gz or .zst if it is to be \
                                compressed, or parquet";
                return Err(Error::config("format", format!("{text:?}"), expected));
            }
        };
        Ok(Self::new(encoding, compression))
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

impl Compression {
    /// Compresses what one commit adds to a file, so that it can be read without the rest.
    pub(super) fn compress(self, chunk: Vec<u8>) -> Result<Vec<u8>> {
        let compressed = match self {
            Self::None => Ok(chunk),
            Self::Gzip => gzip(&chunk),
            Self::Zstd => zstd::bulk::compress(&chunk, ZSTD_LEVEL),
        };
        compressed.map_err(|error| {
            Error::new(ErrorKind::Output, "rows cannot be compressed").with_source(error)
        })
    }

    /// What is in a file, as a stream.
    pub(super) fn reader<'a>(
        self,
        file: impl Read + Send + 'a,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        let mut file = BufReader::new(file);
        // Nothing is no frame, but the beginning of an output.
        if file.fill_buf()?.is_empty() {
            return Ok(Box::new(io::empty()));
        }
        Ok(match self {
            Self::None => Box::new(file),
            Self::Gzip => Box::new(MultiGzDecoder::new(file)),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(file)?),
        })
    }
}

fn gzip(chunk: &[u8]) -> io::Result<Vec<u8>> {
    let room = Vec::with_capacity(chunk.len() / 4);
    let mut encoder = GzEncoder::new(room, flate2::Compression::default());
    encoder.write_all(chunk)?;
    encoder.finish()
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

    #[test]
    fn frames_one_after_the_other_are_one_file() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let read = |file: &[u8]| {
                let mut text = String::new();
                let mut reader = compression.reader(file).unwrap();
                reader.read_to_string(&mut text).unwrap();
                text
            };
            let mut file = Vec::new();
            assert_eq!(read(&file), "");
            for chunk in ["a\nb\n", "", "c\n"] {
                file.extend(compression.compress(chunk.into()).unwrap());
            }
            assert_eq!(read(&file), "a\nb\nc\n", "{compression:?}");
        }
    }
}
