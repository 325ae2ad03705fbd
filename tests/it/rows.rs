//! What a row may look like, and what becomes of it.

use apify_runs::emulator::{Emulator, Fault};
use apify_runs::{ErrorKind, ListPage, RunOrigin, RunQuery, RunStatus, RunSummary};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::start;

const REFERENCE: &str = include_str!("../fixtures/reference.json");
const ODD: &str = include_str!("../fixtures/odd.json");

fn items(fixture: &str) -> Vec<Value> {
    let response: Value = serde_json::from_str(fixture).unwrap();
    response["data"]["items"].as_array().unwrap().clone()
}

fn page(fixture: &str) -> ListPage {
    let page = ListPage::from_json(fixture.as_bytes()).unwrap();
    assert!(page.unreadable.is_empty(), "{:?}", page.unreadable);
    page
}

#[test]
fn the_references_own_example_is_read_field_by_field() {
    let page = page(REFERENCE);
    assert_eq!(
        (page.total, page.offset, page.limit, page.desc),
        (Some(2), 0, 1000, false)
    );

    let run = &page.items[1];
    assert_eq!(run.id, "HG7ML7M8z78YcAPEB");
    assert_eq!(run.act_id.as_deref(), Some("HDSasDasz78YcAPEB"));
    assert_eq!(run.user_id, None);
    assert_eq!(run.actor_task_id.as_deref(), Some("KJHSKHausidyaJKHs"));
    assert_eq!(run.status, RunStatus::Failed);
    let millis = |time: Option<chrono::DateTime<_>>| time.unwrap().timestamp_millis();
    assert_eq!(millis(run.started_at), 1_576_136_054_202);
    assert_eq!(millis(run.finished_at), 1_576_226_173_202);
    assert_eq!(run.duration().unwrap().as_millis(), 90_119_000);
    assert_eq!(run.build_id.as_deref(), Some("u78dML7M8z78YcAPEB"));
    assert_eq!(run.build_number.as_deref(), Some("0.2.2"));
    assert_eq!(run.build_number_int, None);
    assert_eq!(run.meta.origin, Some(RunOrigin::Development));
    assert_eq!(run.usage_total_usd, Some(0.6));
    assert_eq!(
        run.default_key_value_store_id.as_deref(),
        Some("sffsouqlseJCQzTfe")
    );
    assert_eq!(run.default_dataset_id.as_deref(), Some("CFGggdjQDsyE7Moyw"));
    assert_eq!(
        run.default_request_queue_id.as_deref(),
        Some("soowucklrmDzKpA8x")
    );
    assert!(run.is_finished());
}

#[test]
fn rows_go_back_to_the_apis_own_json() {
    let page = page(REFERENCE);
    assert_eq!(
        serde_json::to_value(&page.items).unwrap(),
        json!(items(REFERENCE))
    );
}

#[test]
fn odd_rows_are_read_like_any_other() {
    let page = page(ODD);
    let runs = &page.items;
    assert_eq!(runs.len(), 10);

    let bare = |id: &str| serde_json::from_value::<RunSummary>(json!({ "id": id })).unwrap();
    assert_eq!(runs[0], bare("onlyAnIdAndNoMore"));
    assert_eq!(
        runs[1],
        bare("everythingIsNull0"),
        "null is the same as absent"
    );
    assert_eq!(
        serde_json::to_value(&runs[1]).unwrap(),
        json!({"id": "everythingIsNull0"})
    );

    assert_eq!(runs[2].status, RunStatus::Other("MIGRATING-SOON".into()));
    assert_eq!(runs[2].meta.origin, Some(RunOrigin::Mcp));
    assert_eq!(runs[3].status, RunStatus::Succeeded);
    assert_eq!(runs[3].meta.origin, Some(RunOrigin::Api));

    let started = |index: usize| runs[index].started_at.unwrap().to_rfc3339();
    assert_eq!(started(4), "2025-09-01T00:00:02+00:00");
    assert_eq!(runs[4].duration().unwrap().as_millis(), 1500);
    assert_eq!(started(5), "2025-09-01T00:00:03+00:00");

    let meta = &runs[6].meta;
    assert_eq!(meta.client_ip(), Some("172.234.12.34"));
    assert_eq!(meta.user_agent(), Some("Mozilla/5.0 (iPad)"));
    assert_eq!(meta.schedule_id(), Some("dWazFsPpxMigMSqHL"));
    assert_eq!(meta.scheduled_at().unwrap().timestamp(), 1_756_684_800);
    assert_eq!(runs[6].build_number_int, Some(3000));
    assert_eq!(serde_json::to_value(&runs[6]).unwrap(), items(ODD)[6]);

    assert_eq!(
        runs[7].build_number.as_deref(),
        Some("v3-beta, with a rather long name")
    );
    assert_eq!(runs[7].usage_total_usd, Some(1e-7));
    assert_eq!(runs[8].usage_total_usd, Some(3.0));
    assert_eq!(runs[9].id, "escapedAndünicode");
}

#[tokio::test(start_paused = true)]
async fn odd_rows_are_streamed_like_any_other() {
    let emulator = start(Emulator::builder().rows(items(ODD))).await;
    let query = RunQuery::actor("a").page_size(3);
    let mut runs = emulator.client().runs(query).stream();
    let mut streamed = Vec::new();
    while let Some(run) = runs.next().await {
        streamed.push(run.unwrap());
    }
    // The emulator puts rows without a start last.
    let mut expected = page(ODD).items;
    expected.rotate_left(2);
    assert_eq!(streamed, expected);
}

/// What a stream over these rows hands out, in order: IDs, and errors as text.
async fn hand_out(rows: &[Value], page_size: u32) -> Vec<Result<String, String>> {
    let emulator = start(Emulator::builder().rows(rows.iter().cloned())).await;
    let query = RunQuery::actor("a").page_size(page_size);
    let mut runs = emulator.client().runs(query).stream();
    let mut items = Vec::new();
    while let Some(run) = runs.next().await {
        items.push(match run {
            Ok(run) => Ok(run.id.to_string()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Item, "{error}");
                Err(error.to_string())
            }
        });
    }
    items
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_is_one_error_in_its_place() {
    let at = |n: usize| format!("2025-01-01T00:00:0{n}.000Z");
    let good = |n: usize| json!({"id": format!("run{n}"), "startedAt": at(n)});
    let rows = [
        good(0),
        json!({"id": "run1", "startedAt": at(1), "status": 7}),
        good(2),
        json!({"startedAt": at(3)}),
        json!({"id": "run4", "startedAt": at(4), "usageTotalUsd": "much"}),
        good(5),
    ];
    // Whatever the page size, unreadable rows stand first, last or alone on some page.
    for page_size in [1, 2, 3, 4, 1000] {
        let items = hand_out(&rows, page_size).await;
        let ids: Vec<_> = items.iter().map(|item| item.as_deref().ok()).collect();
        let expected = [Some("run0"), None, Some("run2"), None, None, Some("run5")];
        assert_eq!(ids, expected, "page_size {page_size}");

        let error = |index: usize| items[index].as_ref().unwrap_err();
        let begins = |index: usize, with: &str| {
            assert!(error(index).starts_with(with), "{}", error(index));
        };
        begins(
            1,
            "run run1 at offset 1 of the list cannot be read: invalid type: integer `7`",
        );
        begins(
            3,
            "run without a readable id at offset 3 of the list cannot be read: missing",
        );
        begins(
            4,
            "run run4 at offset 4 of the list cannot be read: invalid type: string",
        );
    }
}

#[tokio::test(start_paused = true)]
async fn pages_stop_short_of_a_row_that_cannot_be_read_and_go_on_after_it() {
    let rows = ["a", "b", "", "d", "e"].map(|id| match id {
        "" => json!({"id": 3}),
        id => json!({"id": id}),
    });
    let emulator = start(Emulator::builder().rows(rows)).await;
    let client = emulator.client();
    let pages: Vec<_> = client.runs("a").pages().collect().await;

    let [Ok(first), Err(error), Ok(second)] = &pages[..] else {
        panic!("{pages:?}");
    };
    assert_eq!((first.offset, first.items.len()), (0, 2));
    assert_eq!(error.kind(), ErrorKind::Item);
    assert_eq!((second.offset, second.items.len()), (3, 2));

    let page = client.page(&RunQuery::actor("a"), 1).await.unwrap();
    assert_eq!(page.items.len(), 3);
    assert_eq!(page.unreadable.len(), 1);
    let message = page.unreadable[0].to_string();
    assert!(message.contains("at offset 2 of the list"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn rows_that_cannot_be_read_count_towards_the_limit() {
    // Rows that look alike and have no ID are each an error of their own.
    let rows = (0..6).map(|n| match n % 2 {
        0 => json!({"id": 0}),
        _ => json!({"id": format!("run{n}")}),
    });
    let emulator = start(Emulator::builder().rows(rows)).await;
    let query = RunQuery::actor("a").limit(4).page_size(3);
    let items: Vec<_> = emulator.client().runs(query).stream().collect().await;
    let good: Vec<_> = items.iter().map(|item| item.is_ok()).collect();
    assert_eq!(good, [false, true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_back_in_a_row_is_not_shown() {
    let row = json!({"id": "a", "startedAt": "leaked: s3cret-token"});
    let body = json!({"data": {"total": 1, "items": [row]}}).to_string();
    let builder = Emulator::builder().token("s3cret-token");
    let emulator = start(builder.fault(.., Fault::body(body))).await;
    let mut runs = emulator.client().runs("a").stream();

    let error = runs.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Item);
    assert!(
        format!("{error} {error:?}").contains("leaked: [token]"),
        "{error}"
    );
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
}
