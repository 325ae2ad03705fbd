//! Generated runs of an account that does not exist.

use apify_runs::{Actor, Id, RunOrigin, RunStatus};
use chrono::{DateTime, Datelike, TimeDelta, Utc};
use fastrand::Rng;

use super::coverage::{Coverage, CoveredList};
use super::row::ReportRow;

/// 2025-01-01T00:00:00Z.
const BEGIN: i64 = 1_735_689_600;
const DAYS: u32 = 365;
/// What the same runs are made from each time.
const SEED: u64 = 4;
const USERNAME: &str = "acme";
const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// An Actor of the account: its name, its share of the runs, how long a run takes in seconds, what an
/// hour of it costs, and how many of a thousand runs fail.
struct DemoActor(&'static str, u32, f64, f64, u32);

const ACTORS: [DemoActor; 16] = [
    DemoActor("product-prices", 190, 420.0, 0.62, 18),
    DemoActor("news-monitor", 230, 65.0, 0.31, 9),
    DemoActor("maps-reviews", 90, 940.0, 0.55, 41),
    DemoActor("job-listings", 110, 310.0, 0.44, 22),
    DemoActor("website-to-markdown", 130, 180.0, 0.48, 12),
    DemoActor("hotel-offers", 55, 760.0, 0.71, 63),
    DemoActor("real-estate", 48, 530.0, 0.52, 35),
    DemoActor("social-posts", 70, 240.0, 0.59, 88),
    DemoActor("sitemap-crawler", 60, 120.0, 0.25, 7),
    DemoActor("flight-search", 28, 610.0, 0.80, 74),
    DemoActor("company-register", 34, 205.0, 0.36, 16),
    DemoActor("image-archiver", 18, 870.0, 0.42, 29),
    DemoActor("pdf-to-text", 24, 95.0, 0.33, 5),
    DemoActor("event-calendar", 16, 150.0, 0.28, 14),
    DemoActor("legacy-importer", 3, 1300.0, 0.66, 240),
    DemoActor("data-cleaner", 12, 45.0, 0.22, 3),
];

/// Generates runs.
pub(crate) fn read(runs: u64, mut each: impl FnMut(ReportRow)) -> Coverage {
    let mut random = Rng::with_seed(SEED);
    let mut actors: Vec<(Id, &DemoActor)> = Vec::new();
    for actor in &ACTORS {
        actors.push((id(&mut random), actor));
    }
    let tasks: Vec<Id> = (0..12).map(|_| id(&mut random)).collect();
    for number in 0..runs {
        each(run(&mut random, number, runs, &actors, &tasks));
    }
    let names = actors.iter().map(|(id, DemoActor(name, ..))| {
        let mut actor = Actor::new(id.clone());
        actor.username = Some(USERNAME.into());
        actor.name = Some((*name).into());
        (id.clone(), actor)
    });
    let end =
        DateTime::from_timestamp(BEGIN, 0).unwrap_or_default() + TimeDelta::days(i64::from(DAYS));
    Coverage {
        source: "generated data (--demo)".into(),
        lists: vec![CoveredList {
            query: "all runs of the account".into(),
            rows: runs,
            synced_at: Some(end),
        }],
        names: names.collect(),
        ..Coverage::default()
    }
}

fn id(random: &mut Rng) -> Id {
    let id: String = (0..17)
        .map(|_| char::from(LETTERS[random.usize(..LETTERS.len())]))
        .collect();
    id.as_str().into()
}

fn run(
    random: &mut Rng,
    number: u64,
    runs: u64,
    actors: &[(Id, &DemoActor)],
    tasks: &[Id],
) -> ReportRow {
    let started_at = start(random, number, runs);
    let day = started_at.ordinal0();
    let total: u32 = actors.iter().map(|(_, actor)| share(actor, day)).sum();
    let mut ticket = random.u32(..total);
    let mut chosen = 0;
    for (place, (_, actor)) in actors.iter().enumerate() {
        let share = share(actor, day);
        if ticket < share {
            chosen = place;
            break;
        }
        ticket -= share;
    }
    let (actor, DemoActor(_, _, seconds, price, failing)) = &actors[chosen];
    // Two weeks in which a website has changed.
    let is_incident = (chosen == 0 && (255..269).contains(&day)) || (chosen == 2 && day / 3 == 40);
    let failing = if is_incident { 330 } else { *failing };
    let status = match random.u32(..1000) {
        ticket if ticket >= failing => RunStatus::Succeeded,
        ticket if ticket * 10 < failing * 2 => RunStatus::TimedOut,
        ticket if ticket * 10 < failing * 3 => RunStatus::Aborted,
        _ => RunStatus::Failed,
    };
    // Most runs take about as long, and a few take much longer.
    let spread = (random.f64() + random.f64() + random.f64() - 1.5) * 1.1;
    let growth = 1.0 + f64::from(day) / 900.0;
    let seconds = seconds * growth * spread.exp();
    let finished_at = started_at + TimeDelta::milliseconds((seconds * 1000.0) as i64);
    let is_running = number + 7 >= runs;
    let origin = match random.u32(..100) {
        0..62 => RunOrigin::from("SCHEDULER"),
        62..84 => RunOrigin::from("API"),
        84..92 => RunOrigin::from("WEB"),
        92..97 => RunOrigin::from("WEBHOOK"),
        _ => RunOrigin::from("MCP"),
    };
    let task = random.u32(..10) < 6;
    let is_known = random.u32(..100) > 0;
    ReportRow {
        id: id(random),
        actor: Some(actor.clone()),
        task: task.then(|| tasks[chosen % tasks.len()].clone()),
        status: match is_running {
            true => RunStatus::Running,
            false => status,
        },
        started_at: Some(started_at),
        finished_at: (!is_running).then_some(finished_at),
        origin: Some(origin),
        cost: is_known.then_some(seconds * price / 3600.0),
    }
}

/// More runs late in the year, and fewer at weekends.
fn start(random: &mut Rng, number: u64, runs: u64) -> DateTime<Utc> {
    let place = (number as f64 + 0.5) / runs.max(1) as f64;
    let mut days = f64::from(DAYS) * (place + 0.36 * place * (1.0 - place));
    let weekday = (days as u32 + 2) % 7;
    if weekday >= 5 && random.u32(..100) < 35 {
        let earlier = days - f64::from(random.u32(2..7));
        days = if earlier < 0.0 { days } else { earlier };
    }
    let millis = (days * 86_400_000.0) as i64 + random.i64(0..7_200_000);
    let millis = millis.min(i64::from(DAYS) * 86_400_000 - 1);
    DateTime::from_timestamp_millis(BEGIN * 1000 + millis).unwrap_or_default()
}

/// Some Actors start later in the year, and one stops.
fn share(DemoActor(name, share, ..): &DemoActor, day: u32) -> u32 {
    match (*name, day) {
        ("website-to-markdown", ..100) | ("flight-search", ..180) | ("legacy-importer", 150..) => 0,
        ("website-to-markdown", 100..) => share * (day - 90) / 180,
        _ => *share,
    }
}
