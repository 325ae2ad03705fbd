"""Lets a Spark cluster read a list, kills one of its executors, and looks at what it has written.

Usage: python check.py PROGRAM

PROGRAM is apify-runs. Needs the packages duckdb and pyspark. Prints a line for each check, and
fails at the first that does not hold.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import duckdb
import pyspark
from pyspark.sql import SparkSession

# How many runs there are.
RUNS = int(os.environ.get('SPARK_RUNS', 500_000))
SPLITS = 16
# Executors are processes of their own, with one core each.
MASTER = 'local-cluster[2,1,1024]'
JOB = Path(__file__).parents[2] / 'examples' / 'spark' / 'runs.py'
SECONDS = 600


def check(what, holds, found=''):
    if not holds:
        sys.exit(f'{what}: no {found}')
    print(f'ok: {what}', flush=True)


@contextlib.contextmanager
def emulator(program):
    """Serves a list, and tells where and with which token."""
    command = [program, 'emulate', '--runs', str(RUNS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield dict(process.stdout.readline().strip().split('=', 1) for _ in range(2))
        finally:
            process.terminate()


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def executors(port):
    """What Spark tells of its executors; nothing as long as there are none."""
    url = f'http://127.0.0.1:{port}/api/v1/applications'
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            application = json.load(response)[0]['id']
        with urllib.request.urlopen(f'{url}/{application}/executors', timeout=10) as response:
            return [it for it in json.load(response) if it['id'] != 'driver']
    except (OSError, IndexError, ValueError):
        return []


def process_of(executor, port):
    """The process of an executor of the cluster whose driver has this port for its pages."""
    for folder in Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):
            words = (folder / 'cmdline').read_text().split('\0')
            is_one = any(word.endswith('CoarseGrainedExecutorBackend') for word in words)
            if is_one and words[words.index('--executor-id') + 1] == executor['id']:
                if f'-Dspark.ui.port={port}' in words:
                    return int(folder.name)
    return None


def kill_one(job, port):
    """Kills an executor that has done something and is in the middle of more."""
    deadline = time.monotonic() + SECONDS
    while job.poll() is None and time.monotonic() < deadline:
        for executor in executors(port):
            is_busy = executor['completedTasks'] >= 2 and executor['activeTasks'] > 0
            process = process_of(executor, port) if is_busy else None
            if process:
                os.kill(process, signal.SIGKILL)
                return executor['id']
        time.sleep(0.2)
    return None


def run_job(program, folder, environment):
    """Runs the example, and kills an executor meanwhile. Returns what Spark says of it."""
    (folder / 'token').write_text(environment['APIFY_TOKEN'])
    port = free_port()
    submit = Path(pyspark.__file__).parent / 'bin' / 'spark-submit'
    command = [submit, '--master', MASTER, '--conf', f'spark.ui.port={port}']
    command += [JOB, folder / 'splits.jsonl', folder / 'spark.parquet', '--program', program]
    command += ['--token-file', folder / 'token']
    command += ['--base-url', environment['APIFY_API_BASE_URL']]
    # Nothing but the file has the token.
    environment = {key: value for key, value in os.environ.items() if key != 'APIFY_TOKEN'}
    environment['SPARK_HOME'] = str(Path(pyspark.__file__).parent)
    with (folder / 'log').open('w') as log, (folder / 'report').open('w') as report:
        job = subprocess.Popen(
            list(map(str, command)), stdout=report, stderr=log, env=environment, cwd=folder
        )
        try:
            killed = kill_one(job, port)
            status = job.wait(SECONDS)
        finally:
            job.kill()
    log = (folder / 'log').read_text()
    check('the job ends well', status == 0, log[-3000:])
    check('an executor was killed meanwhile', killed and f'Lost executor {killed} ' in log)
    again = set(re.findall(r'Starting task (\d+)\.[1-9] in stage', log))
    check(f'its task was run again ({", ".join(again)} of {SPLITS})', again)
    return (folder / 'report').read_text()


def compare_by_spark(spark_parquet, own_parquet):
    builder = SparkSession.builder.master('local[2]').config('spark.ui.enabled', False)
    builder = builder.config('spark.ui.showConsoleProgress', False)
    session = builder.config('spark.log.level', 'ERROR').getOrCreate()
    job, own = session.read.parquet(spark_parquet).drop('day'), session.read.parquet(own_parquet)

    def types(frame):
        return [(field.name, field.dataType.simpleString()) for field in frame.schema]

    check('Spark finds the same columns and types in both', types(job) == types(own), types(own))
    check(f'{RUNS} rows', job.count() == RUNS and own.count() == RUNS)
    check(f'{RUNS} IDs', job.select('id').distinct().count() == RUNS)
    check('the same rows by Spark', job.exceptAll(own).isEmpty() and own.exceptAll(job).isEmpty())
    session.stop()


def compare_by_duckdb(spark_parquet, own_parquet):
    job = f"(SELECT * EXCLUDE day FROM read_parquet('{spark_parquet}/*/*.parquet'))"
    own = f"(FROM '{own_parquet}/*.parquet')"
    for one, other in (job, own), (own, job):
        query = f'SELECT count(*) FROM (FROM {one} EXCEPT ALL FROM {other})'
        check('no row by DuckDB that is not in the other', duckdb.sql(query).fetchall() == [(0,)])
    return duckdb.sql(
        f'SELECT startedAt::DATE AS day, status, count(*), round(sum(usageTotalUsd), 4)'
        f' FROM {own} GROUP BY ALL ORDER BY ALL'
    ).fetchall()


def check_report(report, expected):
    """The table that the job printed, against the same query by another engine."""
    rows = [line.strip('|').split('|') for line in report.splitlines() if line.startswith('|20')]
    check(f'the report has {len(expected)} lines', len(rows) == len(expected), len(rows))
    for (day, status, runs, usd), other in zip(rows, expected, strict=True):
        found = day.strip(), status.strip(), int(runs)
        if found != (str(other[0]), *other[1:3]) or abs(float(usd) - other[3]) > 0.001:
            sys.exit(f'the report says {found} {usd}, DuckDB {other}')
    print('ok: cost per day and status, as DuckDB adds it up')


def main(program):
    duckdb.sql("SET TimeZone = 'UTC'")
    os.environ['SPARK_LOCAL_IP'] = '127.0.0.1'
    with tempfile.TemporaryDirectory() as name, emulator(program) as environment:
        folder = Path(name)
        own = folder / 'runs.parquet'
        environment = os.environ | environment
        split = [program, 'split', 'a', '--into', str(SPLITS)]
        with (folder / 'splits.jsonl').open('w') as splits:
            subprocess.run(split, stdout=splits, env=environment, check=True)
        report = run_job(program, folder, environment)
        export = [program, 'export', 'a', '--quiet', '--rate', 'inf', '--out', own]
        subprocess.run(export, env=environment, check=True)
        compare_by_spark(str(folder / 'spark.parquet'), str(own))
        check_report(report, compare_by_duckdb(folder / 'spark.parquet', own))


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
