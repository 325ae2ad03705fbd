//! Compression of responses.

use std::io::{self, Write};

use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT_ENCODING, HeaderMap};

/// A content coding of a response. The first one is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ContentEncoding {
    Zstd,
    Brotli,
    Gzip,
}

impl ContentEncoding {
    const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in `Accept-ContentEncoding` and `Content-ContentEncoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|coding| coding.name().eq_ignore_ascii_case(name))
    }

    /// The preferred one of those that a request accepts. Their weights are ignored.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(ACCEPT_ENCODING).iter();
        let listed = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|item| item.split_once(';').map_or(item, |(name, _)| name));
        listed.filter_map(|name| Self::named(name.trim())).min()
    }

    /// Compresses at the level that web servers commonly use.
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
        ContentEncoding::accepted(&headers).map(ContentEncoding::name)
    }

    #[test]
    fn the_preferred_of_the_accepted_encodings_is_used() {
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
