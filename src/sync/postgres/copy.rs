//! Rows in the binary format of `COPY`.

use bytes::{BufMut, Bytes, BytesMut};

use super::super::schema::SqlColumn;
use crate::run::{Get, RunSummary};

/// The temporary table that the rows of a batch are copied to.
pub(super) const BATCH: &str = "apify_runs_batch";
/// A chunk is sent at this size, in bytes.
const CHUNK: usize = 256 << 10;
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const NULL: i32 = -1;
/// What the server's times count from, 2000-01-01, in microseconds after those of Unix.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Encodes rows.
pub(super) struct Encoder {
    buffer: BytesMut,
}

impl Encoder {
    pub(super) fn new() -> Self {
        let mut buffer = BytesMut::with_capacity(CHUNK + CHUNK / 8);
        buffer.put_slice(HEADER);
        Self { buffer }
    }

    /// Begins a row with this number of values.
    pub(super) fn begin_row(&mut self, values: usize) {
        self.buffer.put_i16(values as i16);
    }

    /// Adds the values of a run.
    pub(super) fn add_run(&mut self, columns: &[SqlColumn], run: &RunSummary) {
        for column in columns {
            match column.get {
                Get::Text(get) => self.add_text(get(run)),
                Get::Time(get) => {
                    let micros = get(run).map(|time| time.timestamp_micros());
                    self.add_integer(micros.map(server_time));
                }
                Get::Integer(get) => self.add_integer(get(run)),
                Get::Number(get) => {
                    self.add_integer(get(run).map(|number| number.to_bits().cast_signed()));
                }
            }
        }
    }

    /// The server has no text with a zero character: it is replaced.
    pub(super) fn add_text(&mut self, text: Option<&str>) {
        match text {
            None => self.buffer.put_i32(NULL),
            Some(text) if text.as_bytes().contains(&0) => {
                self.add_bytes(text.replace('\0', "\u{fffd}").as_bytes());
            }
            Some(text) => self.add_bytes(text.as_bytes()),
        }
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        self.buffer.put_i32(bytes.len() as i32);
        self.buffer.put_slice(bytes);
    }

    /// Any value of eight bytes.
    pub(super) fn add_integer(&mut self, value: Option<i64>) {
        match value {
            None => self.buffer.put_i32(NULL),
            Some(value) => {
                self.buffer.put_i32(8);
                self.buffer.put_i64(value);
            }
        }
    }

    /// What is to be sent, once there is enough of it.
    pub(super) fn chunk(&mut self) -> Option<Bytes> {
        (self.buffer.len() >= CHUNK).then(|| {
            let chunk = self.buffer.split().freeze();
            self.buffer.reserve(CHUNK + CHUNK / 8);
            chunk
        })
    }

    /// The rest.
    pub(super) fn finish(mut self) -> Bytes {
        self.buffer.put_i16(-1);
        self.buffer.freeze()
    }
}

/// A time as the server has it, from one in microseconds after 1970.
pub(super) fn server_time(unix_micros: i64) -> i64 {
    unix_micros - EPOCH_MICROS
}
