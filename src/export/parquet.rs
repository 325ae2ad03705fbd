//! Parquet: typed columns.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use parquet::basic::{
    Compression, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel,
};
use parquet::column::page::{CompressedPage, PageWriteSpec, PageWriter};
use parquet::column::reader::ColumnReaderImpl;
use parquet::column::writer::{
    ColumnCloseResult, ColumnWriter, get_column_writer, get_typed_column_writer_mut,
};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterPropertiesPtr,
};
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{
    ColumnDescPtr, ColumnPath, SchemaDescPtr, SchemaDescriptor, Type, TypePtr,
};

use super::columns::chosen;
use super::encoder::Encoder;
use super::row_check::RowCheck;
use crate::error::{Error, ErrorKind, Result};
use crate::run::{Column, Get, RunSummary};
use crate::stream::batch::RawBatch;

const CREATED_BY: &str = concat!("apify-runs version ", env!("CARGO_PKG_VERSION"));
/// A row group ends here. Engines read row groups in parallel and skip them by their statistics,
/// and like them at about this many rows; what is encoded of them waits for their end in memory,
/// at about 60 bytes each.
const ROW_GROUP_ROWS: usize = 1 << 17;
/// Most of a file are random IDs: level 3 makes it 2 % smaller, and takes 10 % longer.
const ZSTD_LEVEL: i32 = 1;
/// Columns of texts with few distinct values.
const REPETITIVE: [&str; 10] = [
    "actId",
    "userId",
    "actorTaskId",
    "status",
    "buildId",
    "buildNumber",
    "meta.origin",
    "meta.clientIp",
    "meta.userAgent",
    "meta.scheduleId",
];
/// How many of them are looked for among those that came last.
const RECENT_TEXTS: usize = 8;
/// An ID has 17.
const USUAL_TEXT_BYTES: usize = 18;
/// How many rows are read at once.
const READ_ROWS: usize = 1024;

/// Writes typed columns.
///
/// All columns of a row group are encoded side by side, page by page, as rows come: the work is
/// spread out, and only what is encoded waits for the row group to end.
pub(super) struct Parquet {
    chunks: Vec<Chunk>,
    /// How many rows have come since the last row group.
    rows: usize,
    schema: SchemaDescPtr,
    properties: WriterPropertiesPtr,
    /// What is written of the file, if it has begun.
    file: Option<SerializedFileWriter<Vec<u8>>>,
}

impl Parquet {
    pub(super) fn new(fields: &[String]) -> Result<Self> {
        let columns = grouped(chosen(fields)?);
        let schema = schema(&columns).map_err(unwritable)?;
        let schema = Arc::new(SchemaDescriptor::new(schema));
        let properties = Arc::new(properties(&columns).map_err(unwritable)?);
        let chunks = columns.into_iter().enumerate();
        let chunks = chunks.map(|(place, column)| {
            Chunk::new(column, schema.column(place), Arc::clone(&properties))
        });
        Ok(Self {
            chunks: chunks.collect(),
            rows: 0,
            schema,
            properties,
            file: None,
        })
    }

    /// The bytes that wait for the row group to end.
    fn waiting(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.encoded.length()).sum()
    }

    fn end_row_group(&mut self) -> Result<(), ParquetError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let schema = self.schema.root_schema_ptr();
                let properties = Arc::clone(&self.properties);
                none.insert(SerializedFileWriter::new(Vec::new(), schema, properties)?)
            }
        };
        let mut row_group = file.next_row_group()?;
        for chunk in &mut self.chunks {
            let (bytes, result) = chunk.end()?;
            row_group.append_column(&bytes, result)?;
        }
        row_group.close()?;
        self.rows = 0;
        Ok(())
    }

    /// The file, or nothing if no row has come.
    fn end_file(&mut self) -> Result<Vec<u8>, ParquetError> {
        if self.rows > 0 {
            self.end_row_group()?;
        }
        let file = self.file.take();
        file.map_or(Ok(Vec::new()), SerializedFileWriter::into_inner)
    }
}

impl Encoder for Parquet {
    fn add(&mut self, rows: &VecDeque<RunSummary>, _: Option<&RawBatch>) -> Result<()> {
        for chunk in &mut self.chunks {
            chunk.add(rows).map_err(unwritable)?;
        }
        self.rows += rows.len();
        if self.rows >= ROW_GROUP_ROWS {
            self.end_row_group().map_err(unwritable)?;
        }
        Ok(())
    }

    /// Without the pages that are not complete, up to 20,000 values of each column, and without
    /// columns that still have a dictionary, which are small.
    fn size(&self) -> usize {
        let written = self.file.as_ref().map_or(0, |file| file.bytes_written());
        written + self.waiting()
    }

    fn finish(&mut self) -> Result<Vec<u8>> {
        self.end_file().map_err(unwritable)
    }
}

fn unwritable(error: ParquetError) -> Error {
    Error::new(ErrorKind::Output, "rows cannot be written as Parquet").with_source(error)
}

/// The fields of `meta` side by side, where the first of them is: they are one column, with
/// columns inside.
fn grouped(columns: Vec<Column>) -> Vec<Column> {
    let Some(place) = columns.iter().position(is_in_meta) else {
        return columns;
    };
    let (meta, mut others): (Vec<_>, Vec<_>) = columns.into_iter().partition(is_in_meta);
    others.splice(place..place, meta);
    others
}

fn schema(columns: &[Column]) -> Result<TypePtr, ParquetError> {
    let mut fields = Vec::new();
    for columns in columns.chunk_by(|one, other| is_in_meta(one) && is_in_meta(other)) {
        let types = columns.iter().map(|column| column_type(*column));
        let types = types.collect::<Result<Vec<_>, _>>()?;
        if columns.iter().all(is_in_meta) {
            let group = Type::group_type_builder("meta").with_fields(types);
            // Each row has it, if with nothing inside.
            let group = group.with_repetition(Repetition::REQUIRED).build()?;
            fields.push(Arc::new(group));
        } else {
            fields.extend(types);
        }
    }
    let root = Type::group_type_builder("run").with_fields(fields);
    Ok(Arc::new(root.build()?))
}

fn is_in_meta(column: &Column) -> bool {
    column.name.starts_with("meta.")
}

fn column_type(column: Column) -> Result<TypePtr, ParquetError> {
    let name = column.name.rsplit('.').next().unwrap_or_default();
    let (physical, logical) = match column.get {
        Get::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Get::Time(_) => {
            let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
            (Physical::INT64, Some(time))
        }
        Get::Integer(_) => (Physical::INT64, None),
        Get::Number(_) => (Physical::DOUBLE, None),
    };
    let repetition = match is_required(column) {
        true => Repetition::REQUIRED,
        false => Repetition::OPTIONAL,
    };
    let builder = Type::primitive_type_builder(name, physical);
    let builder = builder.with_logical_type(logical);
    Ok(Arc::new(builder.with_repetition(repetition).build()?))
}

fn is_required(column: Column) -> bool {
    column.name == "id"
}

fn properties(columns: &[Column]) -> Result<WriterProperties, ParquetError> {
    let builder = WriterProperties::builder()
        .set_created_by(CREATED_BY.into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_enabled(false);
    let builder = columns.iter().fold(builder, column_properties);
    Ok(builder.build())
}

/// How a column is encoded.
fn column_properties(builder: WriterPropertiesBuilder, column: &Column) -> WriterPropertiesBuilder {
    let path = path(*column);
    let (encoding, statistics) = match column.get {
        // The lengths apart from the texts: zstd then sees letters and digits, nothing else. No
        // statistics: nothing can be skipped by the least and the greatest of random IDs.
        Get::Text(_) => (Encoding::DELTA_LENGTH_BYTE_ARRAY, EnabledStatistics::None),
        Get::Time(_) | Get::Integer(_) => (Encoding::DELTA_BINARY_PACKED, EnabledStatistics::Page),
        Get::Number(_) => (Encoding::PLAIN, EnabledStatistics::Page),
    };
    builder
        .set_column_encoding(path.clone(), encoding)
        .set_column_dictionary_enabled(path.clone(), is_repetitive(column))
        .set_column_statistics_enabled(path, statistics)
}

fn is_repetitive(column: &Column) -> bool {
    REPETITIVE.contains(&column.name)
}

fn path(column: Column) -> ColumnPath {
    ColumnPath::new(column.name.split('.').map(String::from).collect())
}

/// One column's part of a row group.
struct Chunk {
    column: Column,
    descriptor: ColumnDescPtr,
    properties: WriterPropertiesPtr,
    /// Made with the first row.
    writer: Option<ColumnWriter<'static>>,
    encoded: Encoded,
    /// Texts that are likely to be repeated.
    recent: Vec<ByteArray>,
}

impl Chunk {
    fn new(column: Column, descriptor: ColumnDescPtr, properties: WriterPropertiesPtr) -> Self {
        Self {
            column,
            descriptor,
            properties,
            writer: None,
            encoded: Encoded::default(),
            recent: Vec::new(),
        }
    }

    fn add(&mut self, rows: &VecDeque<RunSummary>) -> Result<(), ParquetError> {
        let mut levels = Vec::with_capacity(rows.len());
        match self.column.get {
            Get::Text(get) if is_repetitive(&self.column) => {
                let texts = gather(rows, &mut levels, |run| {
                    get(run).map(|text| known(&mut self.recent, text))
                });
                self.write::<ByteArrayType>(&levels, &texts)
            }
            Get::Text(get) => {
                let texts = texts(rows, &mut levels, get);
                self.write::<ByteArrayType>(&levels, &texts)
            }
            Get::Time(get) => {
                let millis = |run: &RunSummary| Some(get(run)?.timestamp_millis());
                let times = gather(rows, &mut levels, millis);
                self.write::<Int64Type>(&levels, &times)
            }
            Get::Integer(get) => {
                let integers = gather(rows, &mut levels, get);
                self.write::<Int64Type>(&levels, &integers)
            }
            Get::Number(get) => {
                let numbers = gather(rows, &mut levels, get);
                self.write::<DoubleType>(&levels, &numbers)
            }
        }
    }

    fn write<T: DataType>(&mut self, levels: &[i16], values: &[T::T]) -> Result<(), ParquetError> {
        let levels = (!is_required(self.column)).then_some(levels);
        let writer = get_typed_column_writer_mut::<T>(self.writer());
        writer.write_batch(values, levels, None).map(|_| ())
    }

    fn writer(&mut self) -> &mut ColumnWriter<'static> {
        self.writer.get_or_insert_with(|| {
            let (descriptor, properties) = (self.descriptor.clone(), self.properties.clone());
            get_column_writer(descriptor, properties, Box::new(self.encoded.clone()))
        })
    }

    /// What is encoded, and what is known of it. The next row begins another chunk.
    fn end(&mut self) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
        self.writer();
        let writer = self.writer.take().map(ColumnWriter::close);
        let result = writer.unwrap_or_else(|| Err(ParquetError::General("no column".into())))?;
        Ok((self.encoded.take()?, result))
    }
}

/// The pages of a chunk, which its writer adds to.
#[derive(Clone)]
struct Encoded(Arc<Mutex<TrackedWrite<Vec<u8>>>>);

impl Encoded {
    fn pages(&self) -> MutexGuard<'_, TrackedWrite<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn length(&self) -> usize {
        self.pages().bytes_written()
    }

    /// The pages, and none from then on.
    fn take(&self) -> Result<Bytes, ParquetError> {
        let pages = std::mem::replace(&mut *self.pages(), TrackedWrite::new(Vec::new()));
        pages.into_inner().map(Bytes::from)
    }
}

impl Default for Encoded {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(TrackedWrite::new(Vec::new()))))
    }
}

impl PageWriter for Encoded {
    fn write_page(&mut self, page: CompressedPage) -> Result<PageWriteSpec, ParquetError> {
        SerializedPageWriter::new(&mut *self.pages()).write_page(page)
    }

    fn close(&mut self) -> Result<(), ParquetError> {
        Ok(())
    }
}

/// The values of the rows that have one, and for each row, 1 if it does, or else 0.
fn gather<'a, T>(
    rows: &'a VecDeque<RunSummary>,
    levels: &mut Vec<i16>,
    mut get: impl FnMut(&'a RunSummary) -> Option<T>,
) -> Vec<T> {
    let mut values = Vec::with_capacity(rows.len());
    for run in rows {
        let value = get(run);
        levels.push(value.is_some().into());
        values.extend(value);
    }
    values
}

/// A text that shares its memory with the last ones like it.
fn known(recent: &mut Vec<ByteArray>, text: &str) -> ByteArray {
    let mut known = recent.iter();
    if let Some(known) = known.find(|known| known.data() == text.as_bytes()) {
        return known.clone();
    }
    let new = ByteArray::from(text.as_bytes().to_vec());
    if recent.len() == RECENT_TEXTS {
        recent.pop();
    }
    recent.insert(0, new.clone());
    new
}

/// The texts of the rows that have one, and for each row, 1 if it does, or else 0.
///
/// They share one piece of memory. An allocation for each would take longer.
fn texts<'a>(
    rows: &'a VecDeque<RunSummary>,
    levels: &mut Vec<i16>,
    get: impl Fn(&'a RunSummary) -> Option<&'a str>,
) -> Vec<ByteArray> {
    let mut ends = Vec::with_capacity(rows.len());
    let mut bytes = Vec::with_capacity(rows.len() * USUAL_TEXT_BYTES);
    for run in rows {
        let text = get(run);
        levels.push(text.is_some().into());
        if let Some(text) = text {
            bytes.extend_from_slice(text.as_bytes());
            ends.push(bytes.len());
        }
    }
    let (bytes, mut start) = (Bytes::from(bytes), 0);
    let slice = |end| bytes.slice(std::mem::replace(&mut start, end)..end).into();
    ends.into_iter().map(slice).collect()
}

/// Reads the rows of a part again.
pub(super) fn read(part: Vec<u8>, rows: &mut RowCheck) -> Result<(), String> {
    let each = |id: Option<&str>, finished_at: Option<&str>| rows.row(id, finished_at);
    read_any(part.into(), each)
}

/// Reads what may be no part. The crate `parquet` panics at some bytes that are damaged, and
/// that is for the caller to say in words, as any other damage.
fn read_any(part: Bytes, each: impl FnMut(Option<&str>, Option<&str>)) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| read_part(part, each))) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("it is damaged".into()),
    }
}

/// Calls a function with the ID and the finish of each row, in milliseconds.
fn read_part(
    part: Bytes,
    mut each: impl FnMut(Option<&str>, Option<&str>),
) -> Result<(), ParquetError> {
    let reader = SerializedFileReader::new(part)?;
    for index in 0..reader.num_row_groups() {
        read_row_group(&*reader.get_row_group(index)?, &mut each)?;
    }
    Ok(())
}

fn read_row_group(
    row_group: &dyn RowGroupReader,
    each: &mut impl FnMut(Option<&str>, Option<&str>),
) -> Result<(), ParquetError> {
    let mut ids = column_reader::<ByteArrayType>(row_group, "id")?;
    let mut times = column_reader::<Int64Type>(row_group, "finishedAt")?;
    // More are in no row group of this crate: the number is wrong.
    let mut left = u32::try_from(row_group.metadata().num_rows())? as usize;
    while left > 0 {
        let count = left.min(READ_ROWS);
        let batch = read_values(&mut ids, count)?;
        for (id, time) in batch.iter().zip(read_values(&mut times, count)?) {
            let id = id.as_ref().map(ByteArray::as_utf8).transpose()?;
            each(id, time.map(|millis| millis.to_string()).as_deref());
        }
        left -= count;
    }
    Ok(())
}

/// The reader of this column, if there is one.
fn column_reader<T: DataType>(
    row_group: &dyn RowGroupReader,
    name: &str,
) -> Result<Option<ColumnReaderImpl<T>>, ParquetError> {
    let columns = row_group.metadata().columns();
    let place = columns
        .iter()
        .position(|column| column.column_path().parts() == [name]);
    let Some(place) = place else { return Ok(None) };
    let reader = T::get_column_reader(row_group.get_column_reader(place)?);
    let error = || ParquetError::General(format!("column {name} is of another type"));
    reader.ok_or_else(error).map(Some)
}

/// The values of the next rows, and `None` for those that have none.
fn read_values<T: DataType>(
    reader: &mut Option<ColumnReaderImpl<T>>,
    count: usize,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let Some(reader) = reader else {
        return Ok(vec![None; count]);
    };
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (found, ..) = reader.read_records(count, Some(&mut levels), None, &mut values)?;
    if found < count {
        return Err(ParquetError::EOF("a column ends before its rows".into()));
    }
    let mut values = values.into_iter();
    if levels.is_empty() {
        return Ok(values.map(Some).collect());
    }
    let value = |level| if level > 0 { values.next() } else { None };
    Ok(levels.into_iter().map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::columns;

    fn rows<const N: usize>(texts: [&str; N]) -> VecDeque<RunSummary> {
        let row = |text| serde_json::from_str(text).unwrap();
        texts.map(row).into()
    }

    fn encoder(fields: &[&str]) -> Parquet {
        let fields: Vec<_> = fields.iter().copied().map(String::from).collect();
        Parquet::new(&fields).unwrap()
    }

    fn encode(fields: &[&str], rows: &VecDeque<RunSummary>) -> Vec<u8> {
        let mut encoder = encoder(fields);
        encoder.add(rows, None).unwrap();
        encoder.finish().unwrap()
    }

    /// The rows of a file, as the `parquet` crate shows them.
    fn shown(file: &[u8]) -> Vec<String> {
        let reader = SerializedFileReader::new(Bytes::copy_from_slice(file)).unwrap();
        let rows = reader.get_row_iter(None).unwrap();
        rows.map(|row| row.unwrap().to_string()).collect()
    }

    /// ID and finish of each row.
    type Read = Vec<(Option<String>, Option<String>)>;

    fn read_again(file: &[u8]) -> Result<Read, String> {
        let mut rows = Vec::new();
        let each = |id: Option<&str>, finished_at: Option<&str>| {
            rows.push((id.map(String::from), finished_at.map(String::from)));
        };
        read_any(Bytes::copy_from_slice(file), each)?;
        Ok(rows)
    }

    const FULL: &str = r#"{"id":"a","actId":"act","userId":"","actorTaskId":"täsk","status":"SUCCEEDED",
        "startedAt":"2025-09-01T00:00:00.123999Z","finishedAt":"1969-12-31T23:59:59.9999Z",
        "buildId":"b","buildNumber":"0.0.1","buildNumberInt":-9007199254740993,
        "meta":{"origin":"API","clientIp":"::1","userAgent":"日本","scheduleId":"s",
                "scheduledAt":"2025-09-01T00:00:00Z"},
        "usageTotalUsd":1e-7,"defaultKeyValueStoreId":"k","defaultDatasetId":"d",
        "defaultRequestQueueId":"q"}"#;

    #[test]
    fn odd_rows_come_back() {
        let rows = rows([
            r#"{"id":""}"#,
            FULL,
            r#"{"id":"é","status":"NEW-ONE","meta":{"origin":"LATER"}}"#,
        ]);
        let nothing = "actId: null, userId: null, actorTaskId: null";
        let no_build = "startedAt: null, finishedAt: null, buildId: null, buildNumber: null, \
            buildNumberInt: null";
        let no_meta = "clientIp: null, userAgent: null, scheduleId: null, scheduledAt: null";
        let no_end = "usageTotalUsd: null, defaultKeyValueStoreId: null, \
            defaultDatasetId: null, defaultRequestQueueId: null";
        let full = "{id: \"a\", actId: \"act\", userId: \"\", actorTaskId: \"täsk\", \
            status: \"SUCCEEDED\", startedAt: 2025-09-01 00:00:00.123 +00:00, \
            finishedAt: 1969-12-31 23:59:59.999 +00:00, buildId: \"b\", \
            buildNumber: \"0.0.1\", buildNumberInt: -9007199254740993, \
            meta: {origin: \"API\", clientIp: \"::1\", userAgent: \"日本\", \
            scheduleId: \"s\", scheduledAt: 2025-09-01 00:00:00.000 +00:00}, \
            usageTotalUsd: 0.0000001, defaultKeyValueStoreId: \"k\", defaultDatasetId: \"d\", \
            defaultRequestQueueId: \"q\"}";
        let expected = [
            format!(
                "{{id: \"\", {nothing}, status: null, {no_build}, \
                meta: {{origin: null, {no_meta}}}, {no_end}}}"
            ),
            full.into(),
            format!(
                "{{id: \"é\", {nothing}, status: \"NEW-ONE\", {no_build}, \
                meta: {{origin: \"LATER\", {no_meta}}}, {no_end}}}"
            ),
        ];
        let file = encode(&[], &rows);
        assert_eq!(shown(&file), expected);
        let finishes = [None, Some("-1".into()), None];
        let ids = ["", "a", "é"].map(|id| Some(id.into()));
        let expected: Vec<_> = ids.into_iter().zip(finishes).collect();
        assert_eq!(read_again(&file).unwrap(), expected);
    }

    #[test]
    fn only_columns_of_texts_are_repetitive() {
        let columns = columns();
        for name in REPETITIVE {
            let column = columns.iter().find(|column| column.name == name).unwrap();
            assert!(matches!(column.get, Get::Text(_)), "{name}");
        }
    }

    #[test]
    fn fields_keep_their_order_and_those_of_meta_stay_together() {
        let rows = rows([FULL]);
        let fields = ["status", "meta.userAgent", "usageTotalUsd", "meta.origin"];
        let file = encode(&fields, &rows);
        let row = "{status: \"SUCCEEDED\", meta: {userAgent: \"日本\", origin: \"API\"}, \
            usageTotalUsd: 0.0000001}";
        assert_eq!(shown(&file), [row]);
        assert_eq!(read_again(&file).unwrap(), [(None, None)]);
        assert!(Parquet::new(&["id".into(), "id".into()]).is_err());
    }

    #[test]
    fn an_encoder_makes_one_file_after_the_other() {
        let mut encoder = encoder(&["id"]);
        assert_eq!((encoder.size(), encoder.finish().unwrap().len()), (0, 0));
        encoder.add(&VecDeque::new(), None).unwrap();
        assert!(encoder.finish().unwrap().is_empty());
        for id in ["one", "other"] {
            let text = format!(r#"{{"id":"{id}"}}"#);
            encoder.add(&rows([&text]), None).unwrap();
            encoder.add(&rows([&text]), None).unwrap();
            let row = format!("{{id: \"{id}\"}}");
            assert_eq!(shown(&encoder.finish().unwrap()), [row.clone(), row]);
        }
        assert_eq!((encoder.size(), encoder.finish().unwrap().len()), (0, 0));
    }

    #[test]
    fn a_long_part_has_several_row_groups() {
        let mut encoder = encoder(&["id", "finishedAt"]);
        let page = vec![rows([FULL])[0].clone(); 1000];
        let page = VecDeque::from(page);
        for _ in 0..140 {
            encoder.add(&page, None).unwrap();
        }
        let size = encoder.size();
        let file = encoder.finish().unwrap();
        assert!((1..=file.len()).contains(&size), "{size}");
        let reader = SerializedFileReader::new(Bytes::copy_from_slice(&file)).unwrap();
        let lengths = reader.metadata().row_groups().iter();
        let lengths: Vec<_> = lengths.map(|row_group| row_group.num_rows()).collect();
        assert_eq!(lengths, [132_000, 8_000]);
        assert_eq!(read_again(&file).unwrap().len(), 140_000);
    }

    #[test]
    fn what_engines_skip_rows_by_is_there() {
        let file = encode(&[], &rows([FULL, r#"{"id":"b"}"#]));
        let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
        let metadata = reader.metadata();
        assert_eq!(metadata.file_metadata().created_by(), Some(CREATED_BY));
        let row_group = metadata.row_group(0);
        let column = |name| {
            let mut columns = row_group.columns().iter();
            columns.find(|column| column.column_path().string() == name)
        };
        let start = column("startedAt").unwrap().statistics().unwrap();
        assert_eq!(start.null_count_opt(), Some(1));
        let millis = 1_756_684_800_123_i64.to_le_bytes();
        assert_eq!(start.min_bytes_opt(), Some(&millis[..]));
        assert_eq!(start.max_bytes_opt(), Some(&millis[..]));
        let has_dictionary = |name| column(name).unwrap().dictionary_page_offset().is_some();
        assert!(has_dictionary("status") && has_dictionary("meta.origin"));
        assert!(!has_dictionary("id"));
    }

    #[test]
    fn what_is_no_part_is_refused() {
        let file = encode(&[], &rows([FULL, r#"{"id":"b"}"#]));
        for garbage in [
            &b""[..],
            b"PAR1",
            b"PAR1PAR1",
            b"{\"id\":\"a\"}\n{\"id\":\"b\"}\n",
        ] {
            assert!(read_again(garbage).is_err());
        }
        for length in 0..file.len() {
            assert!(read_again(&file[..length]).is_err(), "{length}");
        }
        // Whatever is changed in it: an error or other rows, but not a panic.
        for place in 0..file.len() {
            let mut changed = file.clone();
            changed[place] ^= 0xff;
            let _ = read_again(&changed);
        }
    }
}
