#!/usr/bin/env python3
"""Measures how fast a list is loaded into SQLite and PostgreSQL, and how fast the loaders of these databases are.

Prints rows a second and the peak of memory of the program, which generates the runs itself. The loaders get the same rows
as CSV, for a table with the same columns and keys. Needs sqlite3, and target/release/apify-runs. For PostgreSQL, run
`tests/sync/postgres.sh speed`, which starts a server. Usage: tests/sync/speed.py [RUNS]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
PROGRAM = f'{os.environ.get("CARGO_TARGET_DIR", "target")}/release/apify-runs'
ADDRESS = os.environ.get('SYNC_POSTGRES_ADDRESS')


def measure(name, rows, *command):
    """Runs a command, prints how fast it was, and returns the seconds."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if status != 0:
        sys.exit(f'{command[0]} failed: {name}')
    memory = usage.ru_maxrss / 1024
    print(f'{name:36} {rows:>9,} rows {seconds:6.1f} s {rows / seconds:>9,.0f} rows/s {memory:5.0f} MiB', flush=True)
    return seconds


def sync(name, to, runs, *flags):
    return measure(name, runs, PROGRAM, 'sync', '--quiet', '--demo', str(runs), '--to', to, *flags)


def sqlite(folder):
    def query(database, statement, **options):
        return subprocess.run(['sqlite3', database, statement], check=True, **options)

    sync('SQLite, a tenth', f'sqlite:{folder}/tenth.db', RUNS // 10)
    ours = sync('SQLite', f'sqlite:{folder}/ours.db', RUNS)
    sync('SQLite, nothing new', f'sqlite:{folder}/ours.db', RUNS)
    sync('SQLite, all again', f'sqlite:{folder}/ours.db', RUNS, '--restart')
    with open(f'{folder}/rows.csv', 'wb') as file:
        subprocess.run(['sqlite3', '-csv', f'{folder}/ours.db', 'SELECT * FROM runs'], check=True, stdout=file)
    schema = query(f'{folder}/ours.db', '.schema runs', stdout=subprocess.PIPE, text=True).stdout
    query(f'{folder}/loader.db', f'PRAGMA journal_mode = WAL; {schema}', stdout=subprocess.DEVNULL)
    load = f'.import --csv {folder}/rows.csv runs'
    loader = measure('sqlite3 .import', RUNS, 'sqlite3', f'{folder}/loader.db', load)
    print(f'the loader takes {loader / ours:.2f} times as long')


def postgres(folder):
    def psql(*commands):
        return ['psql', '-qX', ADDRESS, '-v', 'ON_ERROR_STOP=1', *(f'-c{command}' for command in commands)]

    ours = sync('PostgreSQL', ADDRESS, RUNS, '--schema', 'speed')
    sync('PostgreSQL, nothing new', ADDRESS, RUNS, '--schema', 'speed')
    sync('PostgreSQL, all again', ADDRESS, RUNS, '--schema', 'speed', '--restart')
    create = 'CREATE TABLE speed.loaded (LIKE speed.runs INCLUDING ALL)'
    subprocess.run(psql(f"\\copy speed.runs TO '{folder}/rows.csv' CSV", create), check=True)
    load = f"\\copy speed.loaded FROM '{folder}/rows.csv' CSV"
    loader = measure('psql \\copy', RUNS, *psql(load))
    print(f'the loader takes {loader / ours:.2f} times as long')
    subprocess.run(psql('SET client_min_messages = error', 'DROP SCHEMA speed CASCADE'), check=True)


with tempfile.TemporaryDirectory() as name:
    sqlite(Path(name))
    if ADDRESS:
        postgres(Path(name))
