//! The compression of an output's files.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::error::{Error, ErrorKind, Result};

/// How much `zstd` tries. Most of a row are random IDs, with which level 3 can do no more, but
/// takes twice as long.
const ZSTD_LEVEL: i32 = 1;

/// What the files of an export are compressed with.
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

    /// Reads what was compressed.
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
