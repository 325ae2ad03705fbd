//! Indented JSON, the form in which the service sends it.

/// The beginning of a line, for some levels.
const LINE: &str = "\n                                ";

/// Indents valid JSON by two spaces a level, as JavaScript's `JSON.stringify(value, null, 2)`
/// does.
///
/// Strings, numbers and the order of fields stay as they are.
pub(super) fn indented(json: &str) -> String {
    let bytes = json.as_bytes();
    let mut out = String::with_capacity(json.len() + json.len() / 2);
    let (mut depth, mut at) = (0_usize, 0);
    // Everything before this byte is in `out`.
    let mut copied = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = end_of_string(bytes, at + 1);
                continue;
            }
            b'{' | b'[' => {
                out.push_str(&json[copied..=at]);
                at = next_token(bytes, at + 1);
                copied = at;
                // An empty object or list stays on its line.
                if let Some(b'}' | b']') = bytes.get(at) {
                    at += 1;
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
                continue;
            }
            b'}' | b']' => {
                out.push_str(&json[copied..at]);
                copied = at;
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
            }
            b',' => {
                out.push_str(&json[copied..=at]);
                copied = at + 1;
                new_line(&mut out, depth);
            }
            b':' => {
                out.push_str(&json[copied..=at]);
                copied = at + 1;
                out.push(' ');
            }
            b' ' | b'\n' | b'\r' | b'\t' => {
                out.push_str(&json[copied..at]);
                copied = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(&json[copied..]);
    out
}

/// Where the string ends that has its first character here.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The first byte from here on that is not white space.
fn next_token(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

fn new_line(out: &mut String, depth: usize) {
    if let Some(line) = LINE.get(..=depth * 2) {
        out.push_str(line);
    } else {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str("  "));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(text(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// What a careless reader of JSON takes for its structure.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[]{}:, \"\\\\\n\té\u{1f600}a]{0,8}", any::<String>()]
    }

    proptest! {
        #[test]
        fn serde_json_indents_alike(value in json()) {
            let expected = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(indented(&value.to_string()), &*expected);
            // However it was laid out before.
            prop_assert_eq!(indented(&expected), &*expected);
        }
    }

    #[test]
    fn deep_levels_are_indented_too() {
        let mut value = Value::from(1);
        for _ in 0..100 {
            value = Value::from(vec![value]);
        }
        let expected = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(indented(&value.to_string()), expected);
    }

    #[test]
    fn strings_numbers_and_order_stay_as_they_are() {
        let json = r#"{"z":1.50,"a":[1e-7,-0,100000000000000000000,"\u0041\/"],"z":{},"b":[ ]}"#;
        let expected = r#"{
  "z": 1.50,
  "a": [
    1e-7,
    -0,
    100000000000000000000,
    "\u0041\/"
  ],
  "z": {},
  "b": []
}"#;
        assert_eq!(indented(json), expected);
    }

    #[test]
    fn json_that_ends_too_early_is_no_reason_to_panic() {
        for json in [r#"{"a":"#, r#"{"a"#, "\"\\", "\"\\é", "[[", "]", ""] {
            indented(json);
        }
    }
}
