"""Creates the buckets of the tests in a server that stores.sh has started, once it responds."""

import base64
import email.utils
import hashlib
import hmac
import os
import sys
import time
import urllib.error
import urllib.request

import boto3

BUCKETS = ['exports', *(f'expired-{number}' for number in range(7))]


def put(url, headers):
    request = urllib.request.Request(url, method='PUT', headers=headers)
    with urllib.request.urlopen(request, timeout=5) as response:
        response.read()


def create_in_s3(bucket):
    boto3.client('s3', endpoint_url=os.environ['AWS_ENDPOINT_URL']).create_bucket(Bucket=bucket)


def create_in_gcs(bucket):
    put(f'{os.environ["GOOGLE_BASE_URL"]}/{bucket}', {'Content-Length': '0'})


def create_in_azure(container):
    account = os.environ['AZURE_STORAGE_ACCOUNT_NAME']
    key = base64.b64decode(os.environ['AZURE_STORAGE_ACCOUNT_KEY'])
    date = email.utils.formatdate(usegmt=True)
    # The path has the account twice: https://learn.microsoft.com/rest/api/storageservices
    signed = f'PUT{12 * chr(10)}x-ms-date:{date}\nx-ms-version:2023-11-03\n'
    signed += f'/{account}/{account}/{container}\nrestype:container'
    signature = base64.b64encode(hmac.digest(key, signed.encode(), hashlib.sha256)).decode()
    headers = {
        'Authorization': f'SharedKey {account}:{signature}',
        'Content-Length': '0',
        'x-ms-date': date,
        'x-ms-version': '2023-11-03',
    }
    url = os.environ['AZURITE_BLOB_STORAGE_URL']
    put(f'{url}/{account}/{container}?restype=container', headers)


def wait_for(variable):
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(os.environ[variable], timeout=5).read()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


create, variable = {
    's3': (create_in_s3, 'AWS_ENDPOINT_URL'),
    'gcs': (create_in_gcs, 'GOOGLE_BASE_URL'),
    'azure': (create_in_azure, 'AZURITE_BLOB_STORAGE_URL'),
}[sys.argv[1]]
wait_for(variable)
for bucket in BUCKETS:
    create(bucket)
