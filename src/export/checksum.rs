//! A reader that computes a checksum of the bytes that pass through it.

use std::io::{self, Read};

/// A reader that computes the CRC-32 of what it has read.
pub(super) struct Checksummed<R> {
    reader: R,
    hasher: crc32fast::Hasher,
}

impl<R: Read> Checksummed<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            hasher: crc32fast::Hasher::new(),
        }
    }

    /// Reads to the end, and returns the checksum of all there is.
    pub(super) fn finish(mut self) -> io::Result<u32> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hasher.finalize())
    }
}

impl<R: Read> Read for Checksummed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
