"""Walks with Apify's official Python client, once for each line on stdin, and prints how many
runs came and how many seconds that took.

Usage: python walk.py BASE_URL TOKEN
"""

import sys
import time

from apify_client import ApifyClient

base_url, token = sys.argv[1:]
runs = ApifyClient(token, api_url=base_url).actor('janedoe/my-actor').runs()

for _ in sys.stdin:
    started = time.perf_counter()
    count = 0
    for _ in runs.iterate():
        count += 1
    print(count, time.perf_counter() - started, flush=True)
