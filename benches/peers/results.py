"""Prints the table of what was measured, with the machine, the versions and the date.

Usage: python results.py RESULTS_JSON [MEASURED PINNED_BY]

With MEASURED, writes RESULTS_JSON first. Each line there is `CLIENT IN_FLIGHT LATENCY_MS FORM
RUNS SECONDS…`. Needs the Python that has Apify's client, to ask for its version.
"""

import datetime
import importlib.metadata
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent


def versions():
    lock = tomllib.loads((HERE / 'Cargo.lock').read_text())
    packages = {package['name']: package for package in lock['package']}
    # There are two versions of reqwest; the hand-written loop has the one of this package.
    own = packages['apify-runs-bench-peers']['dependencies']
    js = HERE / '../../tests/peers/js/node_modules/apify-client/package.json'
    return {
        'rustc': output('rustc', '--version').split()[1],
        'node': output('node', '--version').removeprefix('v'),
        'python': platform.python_version(),
        'clients': {
            'python': importlib.metadata.version('apify-client'),
            'javascript': json.loads(js.read_text())['version'],
            'official': packages['apify-client']['version'],
            'by_hand': next(name.split()[1] for name in own if name.startswith('reqwest ')),
            'ours': packages['apify-runs']['version'],
        },
    }


def output(*command):
    return subprocess.check_output(command, cwd=HERE, text=True).strip()


def machine(pinned_by):
    cpu = platform.processor() or platform.machine()
    if (cpuinfo := Path('/proc/cpuinfo')).exists():
        model = re.search(r'^model name\s*:\s*(.+)', cpuinfo.read_text(), re.MULTILINE)
        cpu = model.group(1) if model else cpu
    return {'cpu': cpu, 'cores': os.cpu_count(), 'core_each': pinned_by == 'taskset'}


def measured(lines):
    for line in lines:
        client, in_flight, latency, form, runs, *seconds = line.split()
        in_flight, latency, runs = int(in_flight), int(latency), int(runs)
        seconds = [float(number) for number in seconds]
        yield {
            'client': client,
            'in_flight': in_flight,
            'latency_ms': latency,
            'form': form,
            'runs': runs,
            'seconds': [round(number, 4) for number in seconds],
            'runs_per_second': round(runs / statistics.median(seconds)),
        }


def name(row, versions):
    clients = versions['clients']
    flight = '1 page' if row['in_flight'] == 1 else f'{row["in_flight"]} pages'
    return {
        'python': f'Python, `apify-client` {clients["python"]}',
        'javascript': f'JavaScript, `apify-client` {clients["javascript"]}',
        'official': f'Rust, `apify-client` {clients["official"]}',
        'by_hand': f'a hand-written loop, `reqwest` {clients["by_hand"]}',
        'ours': f'this crate, {flight} in flight',
    }[row['client']]


def column_of(row):
    """Which column a row is in: indented JSON comes first."""
    return row['form'] == 'compact', row['latency_ms']


def heading(column):
    is_compact, latency = column
    return f'{latency} ms, compact' if is_compact else f'{latency} ms'


def table(results):
    columns = sorted({column_of(row) for row in results['measured']})
    clients = {}
    for row in results['measured']:
        rates = clients.setdefault(name(row, results['versions']), {})
        # Three digits are more than a machine repeats.
        rounded = float(f'{row["runs_per_second"]:.3g}')
        rates[column_of(row)] = f'{rounded:,.0f}'
    yield '| runs a second | ' + ' | '.join(heading(column) for column in columns) + ' |'
    yield '| --- |' + ' --: |' * len(columns)
    for client, rates in clients.items():
        yield f'| {client} | ' + ' | '.join(rates[column] for column in columns) + ' |'


def caption(results):
    machine, versions = results['machine'], results['versions']
    cores = 'one for the client, one for the server' if machine['core_each'] else 'shared'
    return (
        f'{machine["cores"]} cores of {machine["cpu"]}, {cores}; Rust {versions["rustc"]}, '
        f'node {versions["node"]}, Python {versions["python"]}; {results["date"]}.'
    )


path = Path(sys.argv[1])
if len(sys.argv) > 2:
    lines = Path(sys.argv[2]).read_text().splitlines()
    results = {
        'date': datetime.date.today().isoformat(),
        'machine': machine(sys.argv[3]),
        'versions': versions(),
        'measured': list(measured(lines)),
    }
    path.write_text(json.dumps(results, indent=2) + '\n')
results = json.loads(path.read_text())
print(*table(results), '', caption(results), sep='\n')
