//! The summary of the alerts in a span of time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::facts::RunFacts;
use crate::counts::counted;
use crate::times::shown;

/// How many runs are named.
const RUNS: usize = 10;
/// How many Actors a text has a line for.
const ACTORS: usize = 20;
/// The Actor of runs that do not name theirs.
const UNKNOWN: &str = "unknown";

/// The number of alerts in a span of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Digest {
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    pub(crate) total: u64,
    /// By Actor and status.
    pub(crate) counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// The first ones.
    pub(crate) runs: Vec<RunFacts>,
}

impl Digest {
    pub(crate) fn new(from: DateTime<Utc>) -> Self {
        Self {
            from,
            to: from,
            total: 0,
            counts: BTreeMap::new(),
            runs: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, facts: RunFacts) {
        self.total += 1;
        let actor = facts.actor.clone().unwrap_or_else(|| UNKNOWN.into());
        let of_actor = self.counts.entry(actor).or_default();
        *of_actor.entry(facts.status.clone()).or_default() += 1;
        if self.runs.len() < RUNS {
            self.runs.push(facts);
        }
    }

    pub(crate) fn text(&self) -> String {
        let (from, to) = (shown(self.from), shown(self.to));
        let mut text = format!("{}, {from} to {to}", counted(self.total, "alert"));
        let mut actors: Vec<_> = self.counts.iter().collect();
        let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        actors.sort_by_key(|(_, counts)| std::cmp::Reverse(sum(counts)));
        for (actor, counts) in actors.iter().take(ACTORS) {
            let counts = counts
                .iter()
                .map(|(status, count)| format!("{count} {status}"));
            let counts: Vec<_> = counts.collect();
            text += &format!("\n  Actor {actor}: {}", counts.join(", "));
        }
        if actors.len() > ACTORS {
            let more = counted((actors.len() - ACTORS) as u64, "more Actor");
            text += &format!("\n  and {more}");
        }
        for run in &self.runs {
            text += &format!("\n  {}", run.line());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::alert::{Alert, Content};

    #[test]
    fn a_text_names_the_actors_with_most_alerts() {
        let mut digest = Digest::new(DateTime::UNIX_EPOCH);
        for number in 0..25 {
            for run in 0..=number {
                let row = format!(
                    r#"{{"id": "run{run}", "actId": "actor{number:02}", "status": "FAILED"}}"#
                );
                let alert = Alert::ended(&serde_json::from_str(&row).unwrap());
                if let Content::Ended(facts) = alert.content {
                    digest.add(facts);
                }
            }
        }
        let text = digest.text();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        assert_eq!(lines[1], "Actor actor24: 25 FAILED");
        assert_eq!(lines[20], "Actor actor05: 6 FAILED");
        assert_eq!(lines[21], "and 5 more Actors");
        assert_eq!(lines.len(), 1 + ACTORS + 1 + RUNS);
        assert!(
            lines[0].starts_with("325 alerts, 1970-01-01T00:00:00.000Z to "),
            "{text}"
        );
    }
}
