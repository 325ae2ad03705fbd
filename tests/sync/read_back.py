#!/usr/bin/env python3
"""Reads a synced list from SQLite and PostgreSQL with other programs, and compares it with an export of the list.

Usage: read_back.py RUNS.jsonl RUNS.db POSTGRES_ADDRESS

The readers are Python's sqlite3, psql, and DuckDB with both databases attached. It needs the packages of
requirements.txt, prints a line for each check, and fails at the first difference.
"""

import csv
import importlib.util
import io
import json
import re
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import duckdb

NUMBERS = {'buildNumberInt', 'usageTotalUsd'}
TIMES = {'startedAt', 'finishedAt', 'meta.scheduledAt'}
FIELDS = [
    *('id', 'actId', 'userId', 'actorTaskId', 'status', 'startedAt', 'finishedAt', 'buildId', 'buildNumber'),
    *('buildNumberInt', 'meta.origin', 'meta.clientIp', 'meta.userAgent', 'meta.scheduleId', 'meta.scheduledAt'),
    *('usageTotalUsd', 'defaultKeyValueStoreId', 'defaultDatasetId', 'defaultRequestQueueId'),
]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def column(field):
    """The column of a field: act_id for actId, meta_origin for meta.origin."""
    return re.sub('[A-Z]', lambda letter: f'_{letter[0].lower()}', field).replace('.', '_')


COLUMNS = ', '.join(map(column, FIELDS))
# Columns with times in milliseconds since 1970, in the SQL of PostgreSQL and DuckDB.
EPOCHS = ', '.join(
    f'round(extract(epoch FROM {column(field)}) * 1000)' if field in TIMES else column(field) for field in FIELDS
)


def millis(time):
    """Milliseconds since 1970. A time is that number, or a text such as 2025-01-01T00:00:00.000Z."""
    if 'T' in str(time):
        return (datetime.fromisoformat(time) - EPOCH) // timedelta(milliseconds=1)
    return int(float(time))


def normal_value(field, value):
    # An empty text is how CSV says that there is no value.
    if value is None or value == '':
        return None
    if field in TIMES:
        return millis(value)
    return float(value) if field in NUMBERS else value


def normal(values):
    """A row as a tuple in the order of FIELDS. Times are milliseconds since 1970."""
    return tuple(normal_value(field, value) for field, value in zip(FIELDS, values, strict=True))


def normal_costs(rows):
    """Rows of the view cost_by_actor, with costs in cents."""
    return [(actor, int(runs), round(float(cents), 3), int(unknown)) for actor, runs, cents, unknown in rows]


def by_json(path):
    for text in path.open(encoding='utf-8'):
        run = json.loads(text)
        run |= {f'meta.{name}': value for name, value in run.get('meta', {}).items()}
        yield normal([run.get(field) for field in FIELDS])


def psql(address, query):
    """The rows of a query."""
    command = ['psql', '-qX', address, '-v', 'ON_ERROR_STOP=1', '-c', f'COPY ({query}) TO STDOUT CSV']
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return csv.reader(io.StringIO(text, newline=''))


def load_extension(connection, name):
    """Loads an extension of DuckDB from the package that holds it."""
    package = importlib.util.find_spec(f'duckdb_extension_{name}').submodule_search_locations[0]
    file, = Path(package).glob(f'extensions/*/{name}.duckdb_extension')
    connection.execute(f"LOAD '{file}'")


def check(what, found, expected):
    """Fails if they differ, and says where. The order of rows does not count."""
    found, expected = sorted(found, key=str), sorted(expected, key=str)
    if found != expected:
        pairs = (pair for pair in zip(found, expected) if pair[0] != pair[1])
        pair = next(pairs, (f'{len(found)} rows', f'{len(expected)} rows'))
        sys.exit(f'{what}: found\n  {pair[0]}\nexpected\n  {pair[1]}')
    print(f'ok: {what}: {len(found)} rows')


def costs(rows):
    """What the view cost_by_actor should have."""
    actors = {}
    for row in rows:
        actor, cost = row[FIELDS.index('actId')], row[FIELDS.index('usageTotalUsd')]
        runs, cents, unknown = actors.get(actor, (0, 0.0, 0))
        actors[actor] = (runs + 1, cents + 100 * (cost or 0), unknown + (cost is None))
    return normal_costs((actor, *figures) for actor, figures in actors.items())


def main(jsonl, database, address):
    rows = list(by_json(Path(jsonl)))
    view = 'SELECT act_id, runs, coalesce(usage_total_usd, 0) * 100, unknown_cost_runs FROM {}cost_by_actor'

    with sqlite3.connect(f'file:{database}?mode=ro', uri=True) as connection:
        check('SQLite by sqlite3', map(normal, connection.execute(f'SELECT {COLUMNS} FROM runs')), rows)
        check('cost_by_actor by sqlite3', normal_costs(connection.execute(view.format(''))), costs(rows))

    check('PostgreSQL by psql', map(normal, psql(address, f'SELECT {EPOCHS} FROM apify.runs')), rows)
    check('cost_by_actor by psql', normal_costs(psql(address, view.format('apify.'))), costs(rows))

    connection = duckdb.connect()
    load_extension(connection, 'sqlite_scanner')
    load_extension(connection, 'postgres_scanner')
    connection.execute(f"ATTACH '{database}' AS lite (TYPE sqlite, READ_ONLY)")
    connection.execute(f"ATTACH '{address}' AS server (TYPE postgres, READ_ONLY)")
    for name, source, columns in ('SQLite', 'lite.runs', COLUMNS), ('PostgreSQL', 'server.apify.runs', EPOCHS):
        found = connection.execute(f'SELECT {columns} FROM {source}').fetchall()
        check(f'{name} by DuckDB', map(normal, found), rows)
    joined = 'SELECT count(*) FROM lite.runs JOIN server.apify.runs USING (id)'
    check('both joined by DuckDB', connection.execute(joined).fetchall(), [(len(rows),)])


if __name__ == '__main__':
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
