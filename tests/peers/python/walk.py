"""Walks a run list with Apify's official Python client, and writes the IDs it got.

Ends with exit code 3 if the client refused a page. It has then gone on behind that page.

Usage: python walk.py BASE_URL TOKEN SCENARIO OUT_FILE
"""

import sys
from pathlib import Path

from apify_client import ApifyClient
from pydantic import ValidationError

# How many runs the service puts on a page.
PAGE = 1000
REFUSED = 3

base_url, token, scenario, out = sys.argv[1:]
runs = ApifyClient(token, api_url=base_url).actor('janedoe/my-actor').runs()
options = {}
if scenario == 'running-finish':
    options['status'] = 'RUNNING'
if scenario == 'inserts-descending':
    options['desc'] = True

ids = []
last_start = None
refused = 0
while True:
    try:
        for run in runs.iterate(**options):
            ids.append(run.id)
            last_start = run.started_at
        break
    except ValidationError as error:
        # The walk is over. A program that wants the runs behind the page starts another one there.
        offset = len(ids) + refused * PAGE
        reason = ', '.join(str(error).splitlines()[:2])
        print(f'the page at offset {offset} is refused: {reason}', file=sys.stderr)
        refused += 1
        options['offset'] = offset + PAGE
if scenario == 'late-rows':
    # As a job does that is started again and again: it asks for what started since the last
    # run it has, and passes over those it has.
    seen = set(ids)
    ids += [run.id for run in runs.iterate(started_after=last_start) if run.id not in seen]
Path(out).write_text(''.join(f'{run_id}\n' for run_id in ids))
if refused:
    sys.exit(REFUSED)
