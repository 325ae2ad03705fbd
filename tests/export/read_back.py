"""Reads exports of one list with other programs' readers, and compares them.

Usage: python read_back.py RUNS.jsonl RUNS.csv PARTS...

PARTS is a folder of Parquet parts with its manifest. All of them have all columns. It needs the
packages duckdb and pyarrow, prints a line for each check, and fails at the first difference.
"""

import csv
import json
import sys
import zlib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

TIME = pa.timestamp('ms', tz='UTC')
META = [
    ('origin', pa.string()),
    ('clientIp', pa.string()),
    ('userAgent', pa.string()),
    ('scheduleId', pa.string()),
    ('scheduledAt', TIME),
]
SCHEMA = pa.schema(
    [
        pa.field('id', pa.string(), nullable=False),
        ('actId', pa.string()),
        ('userId', pa.string()),
        ('actorTaskId', pa.string()),
        ('status', pa.string()),
        ('startedAt', TIME),
        ('finishedAt', TIME),
        ('buildId', pa.string()),
        ('buildNumber', pa.string()),
        ('buildNumberInt', pa.int64()),
        pa.field('meta', pa.struct(META), nullable=False),
        ('usageTotalUsd', pa.float64()),
        ('defaultKeyValueStoreId', pa.string()),
        ('defaultDatasetId', pa.string()),
        ('defaultRequestQueueId', pa.string()),
    ]
)
DUCKDB_TYPES = {
    pa.string(): 'VARCHAR',
    TIME: 'TIMESTAMP WITH TIME ZONE',
    pa.int64(): 'BIGINT',
    pa.float64(): 'DOUBLE',
}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def columns_of(schema):
    """Each column's name, with a dot before a field of `meta`, and its type."""
    for field in schema:
        if pa.types.is_struct(field.type):
            yield from ((f'{field.name}.{inner.name}', inner.type) for inner in field.type)
        else:
            yield field.name, field.type


COLUMNS = dict(columns_of(SCHEMA))


def check(what, found, expected):
    """Fails if they differ, and says where."""
    if found == expected:
        return
    if isinstance(found, list) and isinstance(expected, list):
        if len(found) != len(expected):
            sys.exit(f'{what}: {len(found)} found, {len(expected)} expected')
        place = next(i for i, pair in enumerate(zip(found, expected)) if pair[0] != pair[1])
        what, found, expected = f'{what}: at {place}', found[place], expected[place]
    sys.exit(f'{what}: found\n  {found}\nexpected\n  {expected}')


def passed(what):
    print(f'ok: {what}')


def millis(time):
    """Milliseconds since 1970. Finer digits are cut off, as Parquet has none."""
    return (time - EPOCH) // timedelta(milliseconds=1)


def line(row):
    """A row as one text, whatever it was read from: sorted keys, and none without a value."""
    values = {name: row[name] for name in COLUMNS if row[name] is not None}
    return json.dumps(values, sort_keys=True)


def from_json(name, value):
    """The value of an API object, which must have the column's type."""
    if value is None:
        return None
    kind = COLUMNS[name]
    expected = {pa.int64(): int, pa.float64(): (int, float)}.get(kind, str)
    if not isinstance(value, expected) or isinstance(value, bool):
        sys.exit(f'JSON lines: {name} is {value!r}')
    return parsed(kind, value)


def parsed(kind, value):
    if kind == TIME:
        return millis(datetime.fromisoformat(value))
    if kind == pa.int64():
        return int(value)
    return float(value) if kind == pa.float64() else value


def json_lines(path):
    with path.open(encoding='utf-8') as file:
        for text in file:
            run = json.loads(text)
            inner = run.get('meta') or {}
            run |= {f'meta.{name}': value for name, value in inner.items()}
            yield line({name: from_json(name, run.get(name)) for name in COLUMNS})


def csv_by_python(path):
    with path.open(encoding='utf-8', newline='') as file:
        records = csv.reader(file)
        check('CSV: header', next(records), list(COLUMNS))
        for record in records:
            values = zip(COLUMNS.items(), record, strict=True)
            # An empty text is how CSV says that there is no value.
            row = {name: parsed(kind, text) if text else None for (name, kind), text in values}
            yield line(row)


def by_duckdb(source, expressions):
    """The rows of a source, with times in milliseconds."""
    selected = [
        f'epoch_ms({text})' if COLUMNS[name] == TIME else text
        for name, text in expressions.items()
    ]
    for values in duckdb.execute(f'SELECT {", ".join(selected)} FROM {source}').fetchall():
        yield line(dict(zip(expressions, values, strict=True)))


def csv_by_duckdb(path):
    types = {name: DUCKDB_TYPES[kind] for name, kind in COLUMNS.items()}
    source = f"read_csv('{path}', header = true, types = {types})"
    yield from by_duckdb(source, {name: f'"{name}"' for name in COLUMNS})


def csv_types(path):
    """What duckdb takes the columns for that are no texts, if nobody tells it."""
    described = duckdb.execute(f"DESCRIBE FROM read_csv('{path}', sample_size = -1)").fetchall()
    types = {name: kind for name, kind, *_ in described}
    check('CSV: a number', types['usageTotalUsd'], 'DOUBLE')
    check('CSV: an integer', types['buildNumberInt'], 'BIGINT')
    for name in 'startedAt', 'finishedAt':
        check(f'CSV: {name}', types[name].split()[0], 'TIMESTAMP')


def parquet_by_duckdb(folder):
    source = f"read_parquet('{folder}/*.parquet')"
    described = duckdb.execute(f'DESCRIBE FROM {source}').fetchall()
    inner = ', '.join(f'"{name}" {DUCKDB_TYPES[kind]}' for name, kind in META)
    types = {field.name: DUCKDB_TYPES.get(field.type, f'STRUCT({inner})') for field in SCHEMA}
    found = {name: kind for name, kind, *_ in described}
    check('Parquet: names by duckdb', list(found), list(types))
    for name, kind in types.items():
        plain = found[name].replace('"', '')
        check(f'Parquet: {name} by duckdb', plain, kind.replace('"', ''))
    yield from by_duckdb(source, {name: '"' + name.replace('.', '"."') + '"' for name in COLUMNS})


def parquet_by_pyarrow(parts):
    for part in parts:
        for row in pq.read_table(part, partitioning=None).to_pylist():
            row |= {f'meta.{name}': value for name, value in row['meta'].items()}
            times = (name for name, kind in COLUMNS.items() if kind == TIME and row[name])
            row |= {name: millis(row[name]) for name in times}
            yield line(row)


def listed_parts(folder):
    """The parts that the manifest lists, behind those of each segment that it goes back to."""
    listing = json.loads((folder / '_manifest.json').read_text())
    parts, segments = listing['parts'], []
    while 'segment' in listing:
        segment = listing['segment']
        content = (folder / segment['name']).read_bytes()
        found = {'length': len(content), 'crc32': zlib.crc32(content)}
        check(f'manifest: {segment["name"]}', found, {key: segment[key] for key in found})
        listing = json.loads(content)
        parts = listing['parts'] + parts
        segments.insert(0, (segment, len(listing['parts'])))
    count = 0
    for segment, added in segments:
        count += added
        known = parts[:count]
        sizes = {'rows': 'rows', 'length': 'bytes'}
        found = {'parts': count} | {
            name: sum(part[key] for part in known) for key, name in sizes.items()
        }
        check(f'manifest: {segment["name"]}', found, {key: segment[key] for key in found})
    there = sorted(path.name for path in folder.glob('_segment-*'))
    check('manifest: segments in the folder', there, [segment['name'] for segment, _ in segments])
    return parts


def manifest_parts(folder):
    """The parts that the manifest and its segments list, which must be those that are there."""
    listed = listed_parts(folder)
    names = [part['name'] for part in listed]
    present = sorted(path.name for path in folder.glob('*.parquet'))
    check('manifest: parts in the folder', present, sorted(names))
    check('manifest: parts in the order of their names', names, sorted(names))
    for part in listed:
        path = folder / part['name']
        content = path.read_bytes()
        found = {
            'name': path.name,
            'rows': pq.ParquetFile(path).metadata.num_rows,
            'length': len(content),
            'crc32': zlib.crc32(content),
        }
        check(f'manifest: {path.name}', found, {key: part[key] for key in found})
    return [folder / name for name in names]


def check_schema(part):
    schema = pq.read_schema(part)
    if not schema.equals(SCHEMA, check_metadata=True):
        sys.exit(f'{part.name}: its schema is\n{schema}\nexpected\n{SCHEMA}')


def check_layout(part):
    """What makes a part small, and lets engines skip what they do not need."""
    metadata = pq.ParquetFile(part).metadata
    check(f'{part.name}: writer', metadata.created_by.split(' version ')[0], 'apify-runs')
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        chunks = [row_group.column(index) for index in range(row_group.num_columns)]
        chunks = {chunk.path_in_schema: chunk for chunk in chunks}
        check(f'{part.name}: columns', list(chunks), list(COLUMNS))
        for name, chunk in chunks.items():
            check(f'{part.name}: compression of {name}', chunk.compression, 'ZSTD')
        status = chunks['status']
        dictionary = {'RLE_DICTIONARY', 'PLAIN_DICTIONARY'} & set(status.encodings)
        check(f'{part.name}: dictionary of status', bool(dictionary), True)
        check(f'{part.name}: dictionary of id', chunks['id'].has_dictionary_page, False)
        starts = pq.ParquetFile(part).read_row_group(group, columns=['startedAt'])
        starts = [time for time in starts['startedAt'].to_pylist() if time is not None]
        statistics = chunks['startedAt'].statistics
        found = statistics.min, statistics.max
        check(f'{part.name}: statistics of startedAt', found, (min(starts), max(starts)))


def check_folder(folder, rows):
    parts = manifest_parts(folder)
    passed(f'manifest: {len(parts)} parts, with their rows, lengths and checksums')
    for part in parts:
        check_schema(part)
        check_layout(part)
    passed('Parquet by pyarrow: schema, compression, dictionary, statistics')
    check('Parquet by pyarrow', list(parquet_by_pyarrow(parts)), rows)
    passed('Parquet by pyarrow: the same rows')
    check('Parquet by duckdb', list(parquet_by_duckdb(folder)), rows)
    passed('Parquet by duckdb: the same rows and types')


def main(jsonl, table, *folders):
    duckdb.execute("SET TimeZone = 'UTC'")
    rows = list(json_lines(jsonl))
    passed(f'JSON lines by json: {len(rows)} rows')
    check('CSV by csv', list(csv_by_python(table)), rows)
    passed('CSV by csv: the same rows')
    csv_types(table)
    passed('CSV by duckdb: types found')
    check('CSV by duckdb', list(csv_by_duckdb(table)), rows)
    passed('CSV by duckdb: the same rows')
    for folder in folders:
        check_folder(folder, rows)


if __name__ == '__main__':
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
