//! Metrics as text.

use std::fmt;

use apify_runs::WalkStatus;
use chrono::{DateTime, Utc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{AlertCounts, Metrics};

pub(super) use prometheus_text::CONTENT_TYPE;

/// A metric: its name without the common prefix, its help, and its value if it is known.
struct Metric<S, V> {
    name: &'static str,
    help: &'static str,
    value: fn(&S) -> Option<V>,
}

/// The encoder adds `_total` to the names of counters.
const LIST_COUNTERS: [Metric<WalkStatus, u64>; 4] = [
    Metric {
        name: "rows",
        help: "Runs read from the list.",
        value: |list| Some(list.rows),
    },
    Metric {
        name: "requests",
        help: "Requests sent for the list, retries included.",
        value: |list| Some(list.requests),
    },
    Metric {
        name: "retries",
        help: "Requests sent again after one failed.",
        value: |list| Some(list.retries),
    },
    Metric {
        name: "passes",
        help: "How often the list was read to its end.",
        value: |list| Some(list.passes),
    },
];

const LIST_GAUGES: [Metric<WalkStatus, f64>; 5] = [
    Metric {
        name: "last_success_timestamp_seconds",
        help: "When the list was read to its end last.",
        value: |list| list.last_pass.map(seconds),
    },
    Metric {
        name: "newest_start_timestamp_seconds",
        help: "When the newest run that was read started.",
        value: |list| list.newest_start.map(seconds),
    },
    Metric {
        name: "unfinished",
        help: "Runs that are read again until they have finished.",
        value: |list| Some(list.unfinished as f64),
    },
    Metric {
        name: "list_rows",
        help: "How many runs the list has, according to the service.",
        value: |list| list.total.map(|total| total as f64),
    },
    Metric {
        name: "max_requests_per_second",
        help: "The current limit of requests a second for the list.",
        value: |list| list.max_rate,
    },
];

const ALERT_COUNTERS: [Metric<AlertCounts, u64>; 2] = [
    Metric {
        name: "alerts_delivered",
        help: "Alerts that were delivered.",
        value: |sink| Some(sink.delivered),
    },
    Metric {
        name: "alert_failures",
        help: "Attempts to deliver an alert that failed.",
        value: |sink| Some(sink.failures),
    },
];

const ALERT_GAUGES: [Metric<AlertCounts, f64>; 1] = [Metric {
    name: "alerts_waiting",
    help: "Alerts that are not delivered yet.",
    value: |sink| Some(sink.waiting as f64),
}];

/// All metrics, as Prometheus reads them.
pub(super) fn text(metrics: &Metrics) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("apify_runs");
    registry.register_collector(Box::new(metrics.clone()));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let counts = self.lock();
        let lists = counts.lists.iter();
        let lists: Vec<_> = lists
            .map(|(name, monitor)| (name.as_str(), monitor.status()))
            .collect();
        counters(&mut encoder, "list", &LIST_COUNTERS, &lists)?;
        gauges(&mut encoder, "list", &LIST_GAUGES, &lists)?;
        let sinks = counts.sinks.iter();
        let sinks: Vec<_> = sinks.map(|(name, counts)| (*name, *counts)).collect();
        counters(&mut encoder, "sink", &ALERT_COUNTERS, &sinks)?;
        gauges(&mut encoder, "sink", &ALERT_GAUGES, &sinks)
    }
}

fn counters<S, V: EncodeCounterValue>(
    encoder: &mut DescriptorEncoder<'_>,
    label: &str,
    metrics: &[Metric<S, V>],
    sources: &[(&str, S)],
) -> fmt::Result {
    let kind = MetricType::Counter;
    encode(encoder, label, kind, metrics, sources, ConstCounter::new)
}

fn gauges<S, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    label: &str,
    metrics: &[Metric<S, V>],
    sources: &[(&str, S)],
) -> fmt::Result {
    let kind = MetricType::Gauge;
    encode(encoder, label, kind, metrics, sources, ConstGauge::new)
}

/// Each metric with its help and type, and a line for each source that has a value.
fn encode<S, V, M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    label: &str,
    kind: MetricType,
    metrics: &[Metric<S, V>],
    sources: &[(&str, S)],
    metric_of: impl Fn(V) -> M,
) -> fmt::Result {
    for metric in metrics {
        let values = sources.iter().filter_map(|(name, source)| {
            let value = (metric.value)(source)?;
            Some(([(label, *name)], metric_of(value)))
        });
        let values: Vec<_> = values.collect();
        if values.is_empty() {
            continue;
        }
        let mut family = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
        for (labels, value) in &values {
            value.encode(family.encode_family(labels)?)?;
        }
    }
    Ok(())
}

/// As Unix time.
fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}
