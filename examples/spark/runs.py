"""Reads the runs of Apify Actors on a Spark cluster, and says what each day cost.

    apify-runs split janedoe/my-actor --into 64 > splits.jsonl
    spark-submit runs.py splits.jsonl s3a://warehouse/runs \\
        --program /opt/apify/apify-runs --token-file /etc/apify/token

Each split is one task: Spark gives its line to the program on standard input, and takes rows
from its standard output. A task that fails is run again, and what it had read is thrown away.
A row of another form than the schema's fails its task: nothing is left out without a word.
"""

import argparse
import shlex

from pyspark.sql import SparkSession, functions
from pyspark.sql.types import DoubleType, LongType, StringType, StructType, TimestampType

META = StructType()
for name in 'origin', 'clientIp', 'userAgent', 'scheduleId':
    META.add(name, StringType())
META.add('scheduledAt', TimestampType())

# The same as that of the program's own Parquet files.
SCHEMA = StructType()
for name in 'id', 'actId', 'userId', 'actorTaskId', 'status':
    SCHEMA.add(name, StringType())
SCHEMA.add('startedAt', TimestampType()).add('finishedAt', TimestampType())
SCHEMA.add('buildId', StringType()).add('buildNumber', StringType())
SCHEMA.add('buildNumberInt', LongType()).add('meta', META).add('usageTotalUsd', DoubleType())
for name in 'defaultKeyValueStoreId', 'defaultDatasetId', 'defaultRequestQueueId':
    SCHEMA.add(name, StringType())


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('splits', help='what `apify-runs split` has printed')
    parser.add_argument('out', help='where the Parquet goes: a folder, or s3a://…')
    parser.add_argument('--program', required=True, help='its whole path on the workers')
    parser.add_argument('--token-file', required=True, help='where it is on the workers')
    parser.add_argument('--base-url', default='https://api.apify.com')
    return parser.parse_args()


def main(options):
    spark = SparkSession.builder.appName('apify-runs').getOrCreate()
    spark.conf.set('spark.sql.session.timeZone', 'UTC')
    with open(options.splits, encoding='utf-8') as file:
        splits = file.read().splitlines()
    command = [options.program, 'export', '--split', '-', '--out', '-', '--quiet']
    command += ['--token-file', options.token_file, '--base-url', options.base_url]
    # It has no environment. The token stays on the workers: in no task, and in no command line.
    tasks = spark.sparkContext.parallelize(splits, len(splits))
    lines = tasks.pipe(shlex.join(command), checkCode=True)
    runs = spark.read.json(lines, schema=SCHEMA, mode='FAILFAST')
    days = runs.withColumn('day', functions.to_date('startedAt'))
    days.write.partitionBy('day').parquet(options.out, mode='overwrite')

    written = spark.read.parquet(options.out)
    cost = functions.round(functions.sum('usageTotalUsd'), 4).alias('usd')
    report = written.groupBy('day', 'status').agg(functions.count('id').alias('runs'), cost)
    report.orderBy('day', 'status').show(report.count(), truncate=False)
    spark.stop()


if __name__ == '__main__':
    main(arguments())
