"""Walks a run list with Apify's official Python client, and writes the IDs it got.

Usage: python walk.py BASE_URL TOKEN SCENARIO OUT_FILE
"""

import sys
from pathlib import Path

from apify_client import ApifyClient

base_url, token, scenario, out = sys.argv[1:]
runs = ApifyClient(token, api_url=base_url).actor('janedoe/my-actor').runs()
options = {}
if scenario == 'running-finish':
    options['status'] = 'RUNNING'
if scenario == 'inserts-descending':
    options['desc'] = True

ids = []
last_start = None
for run in runs.iterate(**options):
    ids.append(run.id)
    last_start = run.started_at
if scenario == 'late-rows':
    # As a job does that is started again and again: it asks for what started since the last
    # run it has, and passes over those it has.
    seen = set(ids)
    ids += [run.id for run in runs.iterate(started_after=last_start) if run.id not in seen]
Path(out).write_text(''.join(f'{run_id}\n' for run_id in ids))
