//! Examples, for the end of the help.

/// Commands, and examples of each.
pub(crate) const EXAMPLES: [(&str, &str); 8] = [
    (
        "export",
        "\
Examples:
  apify-runs export janedoe/shop --out runs.jsonl.zst
  apify-runs export --account --since 30d --status FAILED --out failed.csv
  apify-runs export --account --out s3://bucket/runs --format parquet --follow --emit finished
  apify-runs export --demo --out -",
    ),
    (
        "sync",
        "\
Examples:
  apify-runs sync janedoe/shop --to sqlite:runs.db
  apify-runs sync --account --to postgres://me@db/warehouse --actor-names --follow
  apify-runs sync --demo --to sqlite:demo.db",
    ),
    (
        "split",
        "\
Examples:
  apify-runs split --account --into 4 > parts
  sed -n 1p parts | apify-runs export --split - --out runs-1.jsonl",
    ),
    (
        "ls",
        "\
Examples:
  apify-runs ls janedoe/shop
  apify-runs ls --account --status FAILED,TIMED-OUT --since 1d -n 100
  apify-runs ls --demo --json",
    ),
    (
        "count",
        "\
Examples:
  apify-runs count janedoe/shop
  apify-runs count --account --status FAILED --since 7d",
    ),
    (
        "verify",
        "\
Examples:
  apify-runs verify runs.jsonl
  apify-runs verify s3://bucket/runs --json",
    ),
    (
        "status",
        "\
Examples:
  apify-runs status runs.jsonl
  apify-runs status s3://bucket/runs --json",
    ),
    (
        "emulate",
        "\
Examples:
  apify-runs emulate --runs 5000 --port 8080
  apify-runs emulate --fault 3=503 --fault 5..=7=hang --delete-every 10:2",
    ),
];
