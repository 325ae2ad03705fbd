//! Compression of answers, with what the client accepts.

use std::io::{self, Write};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT_ENCODING, HeaderMap};

/// A way to compress an answer. The first one is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Encoding {
    Zstd,
    Brotli,
    Gzip,
}

impl Encoding {
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|encoding| encoding.name().eq_ignore_ascii_case(name))
    }

    /// The preferred one of those a request lists, whatever weights it gives them.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(ACCEPT_ENCODING).iter();
        let listed = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|item| item.split_once(';').map_or(item, |(name, _)| name));
        listed.filter_map(|name| Self::named(name.trim())).min()
    }

    /// Compresses as much as web servers usually do.
    pub(super) fn encode(self, data: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd => zstd::bulk::compress(data, 3),
            Self::Brotli => brotli(data),
            Self::Gzip => gzip(data),
        }
    }
}

fn brotli(mut data: &[u8]) -> io::Result<Vec<u8>> {
    let params = BrotliEncoderParams {
        quality: 5,
        ..BrotliEncoderParams::default()
    };
    let mut encoded = Vec::new();
    brotli::BrotliCompress(&mut data, &mut encoded, &params)?;
    Ok(encoded)
}

fn gzip(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(data)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(lines: &[&'static str]) -> Option<&'static str> {
        let line = |line: &&'static str| (ACCEPT_ENCODING, line.parse().unwrap());
        let headers: HeaderMap = lines.iter().map(line).collect();
        Encoding::accepted(&headers).map(Encoding::name)
    }

    #[test]
    fn the_preferred_of_the_listed_encodings_is_taken() {
        assert_eq!(accepted(&["gzip, br, zstd"]), Some("zstd"));
        assert_eq!(accepted(&["gzip,br"]), Some("br"));
        assert_eq!(accepted(&["deflate, gzip"]), Some("gzip"));
        assert_eq!(accepted(&["GZip ;q=1.0, br;q=0.1"]), Some("br"));
        assert_eq!(accepted(&["gzip", "deflate, br"]), Some("br"));
        for none in ["", "identity", "deflate", "*", "xgzip", "brotli"] {
            assert_eq!(accepted(&[none]), None, "{none}");
        }
        assert_eq!(accepted(&[]), None);
    }
}
