//! Pages and rows of every form: read here, or left to `serde_json`.

use std::ops::Range;

use chrono::DateTime;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::layout::Layout;
use super::*;
use crate::page::decode;
use crate::timestamp;

const ROW: &str = r#"{"id":"HG7ML7M8z78YcAPEB","actId":"HDSasDasz78YcAPEB","userId":"u","actorTaskId":null,"status":"SUCCEEDED","startedAt":"2019-11-30T07:34:24.202Z","finishedAt":"2019-12-12T09:30:12.202Z","buildId":"HG7ML7M8z78YcAPEB","buildNumber":"0.0.2","buildNumberInt":2,"meta":{"origin":"WEB"},"usageTotalUsd":0.2,"defaultKeyValueStoreId":"sfAjeR4QmeJCQzTfe","defaultDatasetId":"3ZojQDdFTsyE7Moy4","defaultRequestQueueId":"so93g2shcDzK3pA85"}"#;

fn body(rows: &[&str]) -> String {
    let (count, items) = (rows.len(), rows.join(","));
    format!(
        r#"{{"data":{{"total":9,"offset":0,"limit":1000,"desc":false,"count":{count},"items":[{items}]}}}}"#
    )
}

/// Whether a page as such is read here, perhaps with rows that are not.
fn is_fast(text: &str) -> bool {
    page(text, Vec::new(), None).is_some()
}

/// The rows of a page as they are written.
fn raw_rows(text: &str) -> Vec<&RawValue> {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow)]
        data: Items<'a>,
    }
    #[derive(Deserialize)]
    struct Items<'a> {
        #[serde(borrow)]
        items: Vec<&'a RawValue>,
    }
    let Response { data } = serde_json::from_str(text).unwrap();
    data.items
}

/// Which rows of a page are read without `serde_json`.
fn fast_rows(text: &str) -> Vec<bool> {
    let is_fast = |row: &&RawValue| {
        let (mut reader, mut layout) = (Reader::new(row.get()), Layout::new());
        rows::read_row(&mut RunSummary::blank(), &mut reader, &mut layout).is_some()
    };
    raw_rows(text).iter().map(is_fast).collect()
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix(decode::BYTE_ORDER_MARK).unwrap_or(text)
}

/// Reads a page in both ways. Their results as text differ if any bit of a number does.
fn both(text: &str) -> (String, String) {
    let without_mark = without_mark(text);
    let [first, second] = [
        decode::page(text.as_bytes()),
        decode::page_in_any_form(without_mark),
    ];
    (format!("{first:?}"), format!("{second:?}"))
}

#[cfg(feature = "emulator")]
#[tokio::test]
async fn every_row_of_the_emulator_is_read_fast() {
    let emulator = crate::emulator::Emulator::builder().runs(2000);
    let emulator = emulator.start().await.unwrap();
    let url = format!("{}/v2/acts/a/runs?offset=1000", emulator.base_url());
    let request = reqwest::Client::new().get(url);
    let response = request.bearer_auth(emulator.token()).send().await.unwrap();
    let text = response.text().await.unwrap();

    assert!(is_fast(&text));
    assert_eq!(fast_rows(&text), vec![true; 1000]);
    let (fast, any) = both(&text);
    assert_eq!(fast, any);
}

#[test]
fn an_odd_row_is_left_to_serde_json_and_no_other() {
    let odd = ROW.replace("0.0.2", "0.0.2\\n");
    let text = body(&[ROW, &odd, ROW]);
    assert_eq!(fast_rows(&text), [true, false, true]);

    let rows = page(&text, Vec::new(), None).unwrap().rows;
    assert_eq!(rows[1].build_number.as_deref(), Some("0.0.2\n"));
    assert!(rows[0] == rows[2] && rows[0] != rows[1]);
}

#[test]
fn fields_that_are_new_or_in_another_order_are_read_fast() {
    let row: serde_json::Value = serde_json::from_str(ROW).unwrap();
    let sorted = row.to_string();
    assert_ne!(sorted, ROW);
    let new = r#""new":{"a":["\"",1.5]},"newer":"b","status":"#;
    let new = ROW.replace(r#""status":"#, new);
    let new = new.replace(r#"{"origin""#, r#"{"new":{},"clientIp":null,"origin""#);
    let text = body(&[ROW, &sorted, &new]);
    assert_eq!(fast_rows(&text), [true; 3]);

    let rows = page(&text, Vec::new(), None).unwrap().rows;
    assert!(rows[0] == rows[1] && rows[0] == rows[2], "{rows:?}");
}

#[test]
fn rows_that_differ_are_read_fast_with_any_whitespace() {
    let short = r#"{"id":"a","meta":{},"status":null}"#;
    let details = r#"{"origin":"API","clientIp":"::1","userAgent":"a b","new":[],"scheduleId":"c","scheduledAt":"2019-11-30T07:34:24.202Z"}"#;
    let rows = [
        ROW,
        &ROW.replace(r#""finishedAt":"2019-12-12T09:30:12.202Z","#, ""),
        &ROW.replace("null", "\"HG7ML7M8z78YcAPEB\""),
        &ROW.replace(
            r#""usageTotalUsd":0.2,"#,
            r#""new":1e999,"options":{"a":1},"#,
        ),
        &ROW.replace(r#"{"origin":"WEB"}"#, details),
        &ROW.replace(r#"{"origin":"WEB"}"#, "null"),
        short,
        ROW,
    ];
    let tabs = ["\t", "", " \r\n", "  "].map(String::from).to_vec();
    for space in [Space::None, Space::Indentation(2), Space::Any(tabs)] {
        let text = spread(&body(&rows), &space);
        assert!(is_fast(&text), "{text}");
        assert_eq!(fast_rows(&text), [true; 8], "{text}");
        let (fast, any) = both(&text);
        assert_eq!(fast, any);
    }
}

/// What was learned from a row must not let anything through in the next one.
#[test]
fn a_row_behind_a_good_one_is_read_or_refused_as_serde_json_does() {
    let row = ROW.replace(r#""id""#, r#""a":"b","c":5,"id""#);
    let row = row.replace(r#"A85"}"#, r#"A85","d":1}"#);
    // A string where the other has `null`, and the other way round.
    let similar = row.replace("null", r#""a""#).replace(r#""u""#, "null");
    for (from, to) in [
        (r#""u""#, r#""u"#),
        (r#""u""#, r#"u""#),
        (r#""u""#, r#"null""#),
        (r#""a":"b""#, r#""a":5""#),
        (r#""a":"b""#, r#""a":"b"#),
        (r#""c":5"#, r#""c":"5"#),
        (r#""c":5"#, r#""c":"5""#),
        (r#""c":5"#, r#""c":5""#),
        (r#""c":5"#, "\"c\":5\0"),
        ("null", "null\""),
        ("null", "\"null"),
        ("null", "\"null\""),
        ("null", "nul"),
        ("0.0.2", "0.0.2\0"),
        ("0.0.2", "0.0.2\\"),
        (r#""0.0.2""#, r#""0.0.2\""#),
        (r#""0.0.2""#, r#"0.0.2"#),
        (r#""buildNumberInt":2"#, r#""buildNumberInt":2.0"#),
        (r#""buildNumberInt":2"#, r#""buildNumberInt":"2""#),
        ("24.202Z\"", "24.202Z"),
        ("24.202Z\"", "24.202Z \""),
        ("24.202Z\"", "24.202\""),
        (r#""id""#, r#""ID""#),
        (r#""actId""#, r#""id""#),
        (r#""meta""#, r#""status""#),
        (r#"{"origin":"WEB"}"#, r#"{"origin":"WEB""#),
        (r#"{"origin":"WEB"}"#, r#""origin":"WEB""#),
        (r#""d":1}"#, "\"d\":1\0"),
        ("}", ""),
        ("}", "}}"),
        ("}", ",}"),
    ] {
        let other = row.replacen(from, to, 1);
        assert_ne!(other, row, "{from}");
        for space in [Space::None, Space::Indentation(2)] {
            let text = spread(&body(&[&row, &similar, &other, &row]), &space);
            let (fast, any) = both(&text);
            assert_eq!(fast, any, "{text}");
        }
    }
}

#[test]
fn a_page_of_another_form_is_left_to_serde_json() {
    let text = body(&[ROW]);
    assert!(is_fast(&text) && is_fast(&body(&[])) && is_fast(&format!("{text}\r\n\t ")));
    for (from, to) in [
        ("}]}}", "},]}}"),
        ("}]}}", "}]},}"),
        ("}]}}", "}]}}]"),
        ("}]}}", "}]}}\u{c}"),
        ("}]}}", "}]}"),
        ("}]}}", "}],\"total\":9}}"),
        ("}]}}", "}],\"items\":[]}}"),
        ("}]}}", "}],}}"),
        ("\"total\":9", "\"total\":09"),
        ("\"total\":9", "\"total\":9x"),
        ("\"total\":9", "\"total\":9,\"total\":9"),
        ("\"total\":9", "\"total\":"),
        ("\"total\":9", "\"total\":9 9"),
        ("{\"data\"", "\u{feff}\u{feff}{\"data\""),
        ("\"items\":", "\"rows\":"),
        ("\"items\":", "\"item\\u0073\":"),
    ] {
        let text = text.replacen(from, to, 1);
        assert!(!is_fast(&text), "{text}");
        let (fast, any) = both(&text);
        assert_eq!(fast, any, "{text}");
    }
}

/// The rows after it are read once.
#[test]
fn an_odd_value_of_the_head_is_left_to_serde_json_and_nothing_else() {
    let text = body(&[ROW]);
    for (from, to) in [
        ("\"total\":9,", ""),
        ("\"total\":9", "\"total\":null"),
        ("\"total\":9", "\"total\":9.0"),
        ("\"total\":9", "\"total\":\"9\""),
        ("\"total\":9", "\"total\": 9"),
        ("\"total\":9", "\"total\":-9"),
        ("\"total\":9", "\"total\":1e999"),
        ("\"total\":9", "\"total\":18446744073709551616"),
        ("\"total\":9", "\"total\":{\"total\":[9]}"),
        ("\"offset\":0", "\"offset\":null"),
        ("\"limit\":1000", "\"limit\":\"1000\""),
        ("\"desc\":false", "\"desc\":0"),
        ("\"desc\":false", "\"desc\":falsehood"),
    ] {
        let text = text.replacen(from, to, 1);
        assert_eq!(is_fast(&text), !to.ends_with("hood"), "{text}");
        let (fast, any) = both(&text);
        assert_eq!(fast, any, "{text}");
        let (fast, any) = both(&format!("\u{feff}{text}"));
        assert_eq!(fast, any, "{text}");
    }
}

#[test]
fn odd_values_are_read_or_refused_as_serde_json_does() {
    const VALUES: &str = r#"
        0 -0 -0.0 3 0.2 1e-7 1E+2 1e22 5e-324 1e-400 1.7976931348623157e308 1e309 -1e309
        0.00030213194444444444 9007199254740993 18446744073709551616 0.1e 0.1e+ 1_0 0x10
        +1 01 -01 00 .5 -.5 1. 1.e3 1e 1e+ inf -inf nan NaN - 0.30000000000000004e-0
        null nul nulls true [] [1] {} { "1" 1" " "" "\"" "\\" "\u0041" "\ud800" "\x" "a
        "é" "1234567é" "12345678é" "12345678£" "1234567\n" "12345678\n" "SUCCEEDED" "API"
        "a-string-that-does-not-fit-into-the-row-itself" "2019-11-30T07:34:24.202Z"
        "2019-11-30T07:34:24.202+01:00" "2016-12-31T23:59:60.000Z" "2019-02-29T07:34:24.202Z"
        {"origin":null} {"origin":"API"} {"origin":"NEW"} {"origin":"API","clientIp":"::1"}
        {"origin":"API",} {"origin":1} {"origin":"A\u0050I"} {"a":[{}],"origin":"API"}
        {"origin":"API","origin":"WEB"} {"clientIp":"::1","origin":"API"} {"scheduledAt":"now"}
        {"scheduledAt":"2019-11-30T07:34:24.202Z","scheduleId":null,"userAgent":"a","a":1}
        {"userAgent":"a","a":1,"userAgent":"b"}"#;
    let others = "\"\t\"|\"12345678\n\"|\"\0\"|\"\u{7f}\"|1 | 1|".split('|');
    let row: serde_json::Value = serde_json::from_str(ROW).unwrap();
    for key in row.as_object().unwrap().keys() {
        for value in VALUES.split_whitespace().chain(others.clone()) {
            for row in [
                format!(r#"{{"id":"a","{key}":{value}}}"#),
                format!(r#"{{"{key}":{value},"id":"a","{key}":null}}"#),
                format!(r#"{{"{key}":{value},"{key}":{value}}}"#),
                ROW.replace(r#""id""#, &format!(r#""{key}":{value},"id""#)),
            ] {
                let (fast, any) = both(&body(&[ROW, &row]));
                assert_eq!(fast, any, "{row}");
            }
        }
    }
    for key in ["total", "offset", "limit", "count", "desc"] {
        for value in VALUES.split_whitespace().chain(others.clone()) {
            for head in [
                format!(r#""{key}":{value},"#),
                format!(r#""{key}":"{value}","#),
                format!(r#""{key}":{value},"{key}":{value},"#),
                format!(r#""{key}":{value},"{key}":1,"#),
            ] {
                let after = head.trim_end_matches(',');
                for text in [
                    format!(r#"{{"data":{{{head}"items":[{ROW}]}}}}"#),
                    format!(r#"{{"data":{{"items":[{ROW}],{after}}}}}"#),
                ] {
                    let (fast, any) = both(&text);
                    assert_eq!(fast, any, "{text}");
                }
            }
        }
    }
}

fn text() -> impl Strategy<Value = String> {
    let parts = |parts: &'static str| select(parts.split('|').collect::<Vec<_>>());
    let part = prop_oneof![
        50 => parts("|API|FAILED|1234567|12345678|HG7ML7M8z78YcAPEB| |{,}"),
        5 => parts("\\n|\\\"|\\\\|\\u00e9|\\ud83d\\ude00|é|😀|¡|\u{7f}"),
        1 => parts("\\ud800|\\q|\"|\n|\u{1}"),
    ];
    vec(part, 0..4).prop_map(|parts| format!("\"{}\"", parts.concat()))
}

fn integer() -> impl Strategy<Value = String> {
    any::<(u64, u8)>().prop_map(|(number, shift)| (number >> (shift % 64)).to_string())
}

fn number() -> impl Strategy<Value = String> {
    let fraction_and_exponent = r"(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?";
    let valid = ("-?", integer(), fraction_and_exponent);
    let valid = valid.prop_map(|(sign, whole, rest)| format!("{sign}{whole}{rest}"));
    prop_oneof![
        5 => any::<f64>().prop_map(|number| format!("{number:e}")),
        5 => (0.0..10.0).prop_map(|number: f64| number.to_string()),
        4 => valid,
        1 => r"[+-]?[0-9]{0,3}\.?[0-9]{0,3}([eE][+-]?[0-9]{0,2})?",
    ]
}

/// What stands for a number before the rows: not always one.
fn head_number() -> impl Strategy<Value = String> {
    let odd = r#"-1 9.0 9e0 1e999 "9.0" "" "many" "\ud800" true [] [9] {} {"total":9}"#;
    prop_oneof![
        20 => integer(),
        1 => integer().prop_map(|number| format!("\"{number}\"")),
        1 => integer().prop_map(|number| format!("{number}.0")),
        1 => number(),
        2 => select(odd.split(' ').collect::<Vec<_>>()).prop_map(str::to_owned),
    ]
}

fn head_bool() -> impl Strategy<Value = String> {
    let forms = r#"0 1 2 "true" "false" "0" "1" "" -1 [] {}"#;
    prop_oneof![
        5 => any::<bool>().prop_map(|desc| desc.to_string()),
        1 => select(forms.split(' ').collect::<Vec<_>>()).prop_map(str::to_owned),
    ]
}

fn time() -> impl Strategy<Value = String> {
    (0_i64..4_000_000_000_000).prop_map(|millis| {
        let time = DateTime::from_timestamp_millis(millis).unwrap();
        format!("\"{}\"", timestamp::to_query(time))
    })
}

fn meta() -> impl Strategy<Value = String> {
    let keys = [
        "origin",
        "clientIp",
        "userAgent",
        "scheduleId",
        "scheduledAt",
        "new",
    ];
    let fields = subsequence(keys.to_vec(), 0..=6)
        .prop_flat_map(|keys| keys.into_iter().map(field).collect::<Vec<_>>());
    let origin = text().prop_map(|text| format!("{{\"origin\":{text}}}"));
    prop_oneof![3 => origin, 1 => object(fields.boxed())]
}

/// A field, mostly with a value that suits it.
fn field(key: &'static str) -> BoxedStrategy<String> {
    let suited = match key {
        "startedAt" | "finishedAt" | "scheduledAt" => time().boxed(),
        "total" | "offset" | "limit" | "count" => head_number().boxed(),
        "buildNumberInt" => integer().boxed(),
        "usageTotalUsd" => number().boxed(),
        "meta" => meta().boxed(),
        "desc" => head_bool().boxed(),
        _ => text().boxed(),
    };
    let any = prop_oneof![text(), number(), time(), r"[\[\]{}:,]{0,4}"];
    let value = prop_oneof![100 => suited, 4 => Just("null".to_owned()), 1 => any];
    let field = value.prop_map(move |value| format!("\"{key}\":{value}"));
    field.boxed()
}

/// The fields of an object in their order, or in another, or with one that comes twice.
fn object(fields: BoxedStrategy<Vec<String>>) -> impl Strategy<Value = String> {
    let order = (0..20_u8, any::<Index>());
    let fields = (fields.clone(), fields.prop_shuffle(), order);
    fields.prop_map(|(mut fields, shuffled, (order, index))| {
        match order {
            0 | 1 => fields = shuffled,
            2 => fields.extend((!shuffled.is_empty()).then(|| index.get(&shuffled).clone())),
            _ => {}
        }
        format!("{{{}}}", fields.join(","))
    })
}

const KEYS: &str = "id actId userId actorTaskId status startedAt finishedAt buildId buildNumber \
    buildNumberInt meta usageTotalUsd defaultKeyValueStoreId defaultDatasetId \
    defaultRequestQueueId new newer";

/// RowsInto as the service sends them: with the same keys in the same order, of which some are
/// missing here and there.
fn similar_rows() -> impl Strategy<Value = Vec<String>> {
    let keys: Vec<_> = KEYS.split(' ').collect();
    let keys = prop_oneof![2 => Just(keys.clone()), 1 => Just(keys).prop_shuffle()];
    keys.prop_flat_map(|keys| {
        let is_there = |key: &str| if key == "id" { 0.99 } else { 0.9 };
        let field = |key| proptest::option::weighted(is_there(key), field(key));
        let fields: Vec<_> = keys.into_iter().map(field).collect();
        let row = fields.prop_map(|fields| {
            let fields: Vec<_> = fields.into_iter().flatten().collect();
            format!("{{{}}}", fields.join(","))
        });
        vec(row, 1..6)
    })
}

/// Whitespace: none, or as indentation, or of any kind anywhere.
#[derive(Debug, Clone)]
enum Space {
    None,
    Indentation(usize),
    Any(Vec<String>),
}

fn space() -> impl Strategy<Value = Space> {
    prop_oneof![
        Just(Space::None),
        (0..5_usize).prop_map(Space::Indentation),
        vec(r"[ \n\r\t]{0,3}", 1..40).prop_map(Space::Any),
    ]
}

/// Puts whitespace between the tokens of a text without any.
fn spread(text: &str, space: &Space) -> String {
    let mut out = String::new();
    let (mut is_in_string, mut is_escaped, mut depth) = (false, false, 0_usize);
    let mut any = match space {
        Space::Any(spaces) => spaces.as_slice(),
        _ => &[],
    }
    .iter()
    .cycle();
    for char in text.chars() {
        let is_token = !is_in_string && "{}[],:".contains(char);
        if is_in_string {
            is_in_string = is_escaped || char != '"';
            is_escaped = !is_escaped && char == '\\';
        } else {
            is_in_string = char == '"';
        }
        if !is_token {
            out.push(char);
            continue;
        }
        let line = |depth: usize, width: usize| format!("\n{}", " ".repeat(depth * width));
        let (before, after) = match space {
            Space::None => Default::default(),
            Space::Any(_) => {
                let mut next = || any.next().cloned().unwrap_or_default();
                (next(), next())
            }
            Space::Indentation(width) => match char {
                '{' | '[' => {
                    depth += 1;
                    (String::new(), line(depth, *width))
                }
                '}' | ']' => {
                    depth = depth.saturating_sub(1);
                    (line(depth, *width), String::new())
                }
                ',' => (String::new(), line(depth, *width)),
                _ => (String::new(), " ".to_owned()),
            },
        };
        out.extend([before, char.to_string(), after]);
    }
    out
}

fn row() -> impl Strategy<Value = String> {
    let keys = "actId userId actorTaskId status startedAt finishedAt buildId buildNumber \
        buildNumberInt meta usageTotalUsd defaultKeyValueStoreId defaultDatasetId \
        defaultRequestQueueId new i\\u0064";
    let keys = keys.split(' ').collect::<Vec<_>>();
    let fields = subsequence(keys, 0..=16).prop_flat_map(|keys| {
        let id = prop_oneof![50 => Just("id"), 1 => Just("newer")];
        let id = id.prop_flat_map(field).boxed();
        let others = keys.into_iter().map(field);
        std::iter::once(id).chain(others).collect::<Vec<_>>()
    });
    object(fields.boxed())
}

/// A page as the service could send it, and often a little damaged.
fn response() -> impl Strategy<Value = String> {
    let keys = ["total", "offset", "limit", "desc", "count"].to_vec();
    let keys = prop_oneof![5 => Just(keys.clone()), 1 => subsequence(keys, 0..=5)];
    let head = keys.prop_flat_map(|keys| keys.into_iter().map(field).collect::<Vec<_>>());
    let rows = prop_oneof![vec(row(), 0..4), similar_rows()];
    let data = (head, rows).prop_map(|(mut fields, rows)| {
        fields.push(format!("\"items\":[{}]", rows.join(",")));
        fields
    });
    let part = select(r#"\ " { } [ ] , : 0 9 . - e null é"#.split(' ').collect::<Vec<_>>());
    let part = prop_oneof![4 => part, 1 => select(vec![" ", "\n", "\u{1}", ""])];
    let mark = prop_oneof![9 => Just(""), 1 => Just(decode::BYTE_ORDER_MARK)];
    let damage = prop_oneof![
        3 => Just(vec![]),
        2 => vec((any::<Index>(), 0..3_usize, part), 1..3),
    ];
    let data = (object(data.boxed()), space());
    (mark, data, damage).prop_map(|(mark, (data, space), damage)| {
        let data = spread(&format!("{{\"data\":{data}}}"), &space);
        let mut text = format!("{mark}{data}");
        for (index, length, part) in damage {
            let starts = text
                .char_indices()
                .map(|(start, _)| start)
                .collect::<Vec<_>>();
            let from = index.index(starts.len());
            let to = starts.get(from + length).copied().unwrap_or(text.len());
            text.replace_range(starts[from]..to, part);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1000)
    })]

    #[test]
    fn whatever_comes_is_read_as_serde_json_reads_it(text in response()) {
        let (fast, any) = both(&text);
        prop_assert_eq!(fast, any, "{}", text);
    }

    #[test]
    fn the_rows_of_a_page_are_where_they_are_said_to_be(text in response()) {
        let mut spans = Spans::new();
        let page = decode::page_in(Vec::new(), text.as_bytes(), Some(&mut spans));
        if page.is_ok() {
            let shown = |span: &Range<u32>| &text[span.start as usize..span.end as usize];
            let found: Vec<_> = spans.iter().map(shown).collect();
            let rows = raw_rows(without_mark(&text)).into_iter().map(RawValue::get);
            prop_assert_eq!(found, rows.collect::<Vec<_>>(), "{}", text);
        }
    }

    #[test]
    fn a_number_is_read_as_serde_json_reads_it(text in number()) {
        let mut reader = Reader::new(&text);
        let number = reader.float().filter(|_| reader.is_at_end());
        let expected = serde_json::from_str::<f64>(&text).ok();
        prop_assert_eq!(number.map(f64::to_bits), expected.map(f64::to_bits));
    }
}
